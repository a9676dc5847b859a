export { DIM_MAX, ENTRIES_MAX } from './check.ts';
export type {
  FindLinks,
  GraphMode,
  GraphView,
  MergeLinks,
  ScratchShape,
  SearchGraph,
} from './graph.ts';
export {
  createGraphScratch,
  DEGREE_MAX,
  graphCount,
  graphScratchBytes,
  graphStride,
  LEVEL_MAX,
  OUTCOME,
  OUTCOME_WORDS,
  restartScratch,
  ROUND_MAX,
} from './graph.ts';
export type {
  EncodeSq8,
  FloatRows,
  KernelChoice,
  KernelIsa,
  Kernels,
  ListedRows,
  RerankFloat32,
  ScanFloat32,
  ScanSq8,
  ScoreBounds,
} from './kernels.ts';
export { availableIsas, loadKernels } from './load.ts';
export type { RowMemory, SharedWasmMemory } from './memory.ts';
export { bytesOf, floatsOf, memoryAt, memoryBytes } from './memory.ts';
export { rowsPerCall } from './rows-per-call.ts';
export type { Sq8Grid, Sq8Query } from './sq8.ts';
export { encodeQuerySq8, sq8Stride, trainSq8 } from './sq8.ts';
export type { ScoredRow, TopK, TopSlot } from './topk.ts';
export { createTopK, mergeTopK, offerTopK, sortTopK } from './topk.ts';
export type { ReferenceHit } from './reference.ts';
export { referenceScan, referenceScore } from './reference.ts';
