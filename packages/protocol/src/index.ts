export type { Answered, Call, Parcel, ReplyOf, RequestOf } from './call.ts';
export { defineCall, invoke, sendCall, serveCall } from './call.ts';
export type { Message, MessageHeader, MessageKind } from './message.ts';
export { MESSAGE_VERSION, decodeMessage, encodeHeader } from './message.ts';
export type {
  ChainPoint,
  ChannelRecord,
  CheckpointRecord,
  GarbageRecord,
  CollectionRecord,
  LogRecord,
  NameRecord,
  SegmentRecord,
} from './record.ts';
export { META_FORMAT, decodeRecord, encodeRecord, metaKeys } from './record.ts';
export type { CatalogEntry, SchemaChange, ShardAssignment } from './calls/coordinator.ts';
export {
  aliasCollection,
  alterCollection,
  cancelCompaction,
  commitBuild,
  commitFlush,
  compactCollection,
  createCollection,
  describeCompaction,
  describeJobs,
  dropCollection,
  leaseIds,
  listCollections,
  ownChannel,
  renameCollection,
  reportIndexLost,
  resolveCollection,
  saveLogSpan,
  saveTimestampWindow,
  setIndex,
} from './calls/coordinator.ts';
export type { SegmentRef, WantedFields } from './calls/query.ts';
export {
  countSealed,
  describeNode,
  loadSegment,
  releaseSegment,
  retrieveSealed,
  searchSealed,
  selectSealed,
} from './calls/query.ts';
export type {
  ChannelTerm,
  FilterText,
  ReadDemand,
  ShardAddress,
  ShardExplain,
  ShardStatus,
} from './calls/streaming.ts';
export {
  adoptBuild,
  appendWrite,
  checkWrite,
  countShard,
  describeShards,
  dropShards,
  flushShard,
  openShards,
  searchShard,
  selectShard,
} from './calls/streaming.ts';
export type { BuildJob } from './calls/worker.ts';
export { runBuild } from './calls/worker.ts';
export type { RowsHead } from './rows.ts';
export { packRows, unpackRows } from './rows.ts';
export type { AskedAgain, StandingSearch } from './standing.ts';
export type { VectorsHead } from './vectors.ts';
export { packVectors, unpackVectors } from './vectors.ts';
