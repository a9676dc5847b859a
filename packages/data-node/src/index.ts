export { startDataNode, type DataNode, type DataNodeOptions } from './data-node.ts';
