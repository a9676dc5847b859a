export { BIT_DIM_MAX, DIM_MAX, ENTRIES_MAX } from './check.ts';
export type { ElementArray, RowElement } from './element.ts';
export {
  decodeElements,
  decodeRows,
  elementBytes,
  elementsOf,
  ROW_ELEMENTS,
} from './element.ts';
export type {
  FindLinks,
  GraphMode,
  GraphView,
  GraphWalk,
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
  BitRows,
  EncodeSq8,
  InverseNorms,
  KernelChoice,
  KernelIsa,
  Kernels,
  ListedBits,
  ListedRows,
  RerankRows,
  ScanBits,
  ScanRows,
  ScanSq8,
  ScoreBounds,
  VectorRows,
} from './kernels.ts';
export { availableIsas, loadKernels } from './load.ts';
export type { RowMemory, SharedWasmMemory } from './memory.ts';
export { bytesOf, floatsOf, memoryAt, memoryBytes } from './memory.ts';
export type { EncodeRabitq, RabitqView, RotateQueries, ScanRabitq } from './rabitq.ts';
export { rabitqBits, rabitqRowsPerCall, rabitqSigns } from './rabitq.ts';
export { bitRowsPerCall, rowsPerCall } from './rows-per-call.ts';
export type { Sq8Grid, Sq8Query } from './sq8.ts';
export { encodeQuerySq8, sq8Stride, trainSq8 } from './sq8.ts';
export type { ScoredRow, TopK, TopSlot } from './topk.ts';
export { createTopK, mergeTopK, offerTopK, sortTopK } from './topk.ts';
export type { ReferenceHit } from './reference.ts';
export { referenceScan, referenceScore } from './reference.ts';
