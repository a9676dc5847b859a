export {
  startStreamingNode,
  type StreamingNode,
  type StreamingNodeOptions,
} from './streaming-node.ts';
export { replay, type ReplayEnd } from './wal/replay.ts';
