export { warmReads } from './warm.ts';
export { startQueryNode, type QueryNode, type QueryNodeOptions } from './query-node.ts';
