export { startQueryNode, type QueryNode, type QueryNodeOptions } from './query-node.ts';
