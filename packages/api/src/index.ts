export { fromBase64, toBase64 } from './base64.ts';
export { describe, scalarColumn } from './cells.ts';
export { checkBatch, checkRagged, checkRowCount, checkVectors } from './check-batch.ts';
export type {
  AlterRequest,
  Call,
  CollectionDetails,
  CollectionSummary,
  CompactionRequest,
  CountRequest,
  CountResult,
  CreateCollectionRequest,
  Database,
  DeleteRequest,
  ExplainedSegment,
  Explanation,
  GetRequest,
  GetResult,
  Health,
  IdBlock,
  IndexDetails,
  IndexPart,
  KeyColumn,
  Projection,
  QueryRequest,
  ReadPoint,
  RowsResult,
  ScanRequest,
  ScanResult,
  ScoreRange,
  SearchRequest,
  SearchResult,
  SetIndexRequest,
  WireFilter,
  WriteRequest,
  WriteResult,
} from './database.ts';
export type { DecodeOptions, OutputRow } from './decode-rows.ts';
export { decodeKeys, decodeRows, keyReader } from './decode-rows.ts';
export { checkDefinition, checkField, checkName, checkTtl } from './definition.ts';
export { encodeKeys } from './encode-keys.ts';
export type { EncodeOptions, InputRow } from './encode-rows.ts';
export {
  checkBatchBounds,
  encodeRows,
  fieldColumn,
  keyAt,
} from './encode-rows.ts';
export { findBad, notFinite } from './encode-vectors.ts';
export { decodeEnvelope, encodeEnvelope } from './envelope.ts';
export { checkIndexChoice } from './index-choice.ts';
export { searchField } from './json-requests.ts';
export type { FrameResult, JsonRow } from './json-results.ts';
export { readFrameResult } from './json-results.ts';
export { jsonText } from './json-text.ts';
export type { ApiContext, ElanusRouter, RouterOptions } from './router.ts';
export type { Json } from './wire-value.ts';
export { decodeValue, encodeValue } from './wire-value.ts';
