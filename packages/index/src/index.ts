export type { IndexSpec, IndexWish } from './auto-index.ts';
export { buildBytes, builderParams, indexSpec } from './auto-index.ts';
export type { BuildControl, IndexParams, IndexPlan } from './build.ts';
export { buildIndex, buildSteps, reserveFile } from './build.ts';
export type { ColumnElement, IndexColumn, SparseRows, VectorColumn } from './column.ts';
export type { Crew } from './crew.ts';
export type { HnswParams } from './hnsw-build.ts';
export { columnNorms } from './column.ts';
export type { IndexHandle } from './handle.ts';
export type { AdoptedLinks } from './adopted-graph.ts';
export type { HnswlibExport, HnswlibImage, HnswlibRows } from './hnswlib-file.ts';
export { readHnswlib, writeHnswlib } from './hnswlib-file.ts';
export type {
  GraphShape,
  IndexFile,
  IndexHeader,
  IndexImage,
  IndexShape,
} from './index-file.ts';
export {
  INDEX_FILE_VERSION,
  indexLayout,
  readIndexHeader,
} from './index-file.ts';
export type { OpenIndex } from './open.ts';
export type { IndexKinds } from './index-kinds.ts';
export { loadIndexKinds, openHandle } from './index-kinds.ts';
export { flatIndex, openIndex } from './open.ts';
export type { IndexKind, IndexSearch, SearchWork, VectorIndex } from './vector-index.ts';
export { RECALL_DEFAULT } from './recall-curve.ts';
export { indexThreads } from './threads.ts';
export type { BuildTask } from './threads/build.ts';
export { sharedTask } from './shared-task.ts';
export type { ScalarColumn, ScalarIndex, ScalarValue, ValueSpan } from './scalar/scalar-index.ts';
export { buildScalarIndex, findRows, isScalarColumn } from './scalar/scalar-index.ts';
export type {
  ForeignHandle,
  ForeignIndex,
  ForeignKind,
  ForeignParams,
  ForeignPlan,
} from './adapters/foreign-index.ts';
export { buildForeign, openForeign } from './adapters/foreign-index.ts';
