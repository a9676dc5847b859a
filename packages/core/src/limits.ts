/**
 * Limits with their reasons. Public ones follow Milvus where it has one; internal ones say what
 * they protect. A write past a limit is refused before memory or disk runs out.
 */
export const LIMITS = {
  /** Fields of a collection, Milvus 3.0. */
  fieldsMax: 256,
  vectorFieldsMax: 10,
  nameLengthMax: 255,
  dimMin: 1,
  dimMax: 32_768,
  /** Bits of a binary vector, Milvus. */
  binaryDimMax: 262_144,
  /** Values of one sparse vector: 512 KiB of its row. */
  sparseEntriesMax: 65_536,
  /** Indices of sparse vectors, Milvus: one below what 32 bits hold. */
  sparseIndexMax: 2 ** 32 - 2,
  varcharBytesMax: 65_535,
  arrayCapacityMax: 4_096,
  jsonBytesMax: 65_536,
  jsonDepthMax: 64,
  shardsMax: 16,
  /** A hundred years: what lives longer needs no time to live. */
  ttlMsMax: 100 * 365 * 24 * 3_600_000,
  /** `limit`, and `offset + limit`, of a search or query. */
  resultRowsMax: 16_384,
  queriesMax: 16_384,
  /** Results that a graph walk may look for. */
  efMax: 32_768,
  /** Lists that a search may look at: as many as an index may have. */
  nprobeMax: 65_536,
  /** Rows that a search by 1-bit codes may score exactly for each result. */
  refineMax: 1_024,
  /** One encoded row: so that any row fits a broker's message of 1 MiB. */
  rowBytesMax: 768 * 1024,
  /** One log record is cut at this size: big enough to amortise, small enough for a short turn. */
  recordBytesTarget: 512 * 1024,
  /** Rows of one log record, for rows so small that their keys cost more than their bytes. */
  recordRowsTarget: 4_096,
  /** One request through HTTP, as Milvus' proxy. */
  requestBytesMax: 64 * 1024 * 1024,
  /** Rows of one write; larger inserts are cut by the client. */
  writeRowsMax: 100_000,
  /** Bytes of one write after encoding. */
  writeBytesMax: 64 * 1024 * 1024,
  /** A growing segment is sealed at this size. */
  growingBytesMax: 64 * 1024 * 1024,
  /** ... or when the log behind it is this long, */
  growingLogBytesMax: 256 * 1024 * 1024,
  /** ... or after so long without a write, */
  growingIdleMs: 10 * 60_000,
  /** ... which is much less from this size, or so many rows, on: they are worth an index. */
  growingQuietBytes: 16 * 1024 * 1024,
  growingQuietRows: 10_000,
  growingQuietMs: 2_000,
  /** Segments with fewer rows get no index: a scan is as fast. */
  indexRowsMin: 2_048,
  /** Output of one build job. */
  segmentBytesMax: 512 * 1024 * 1024,
  /** Appends waiting for the log in one Wal; above it writers are told to wait. */
  walInFlightBytesMax: 32 * 1024 * 1024,
  walInFlightRecordsMax: 256,
  /** Sealed segments are flushed after so long without a write, and anyway after so long. */
  flushQuietMs: 100,
  flushPatienceMs: 5_000,
  /** Sealed segments not yet flushed; above it writers are told to wait. */
  unflushedSegmentsMax: 3,
  /** Idempotency keys kept per vchannel, and for how long. */
  idempotencyKeysMax: 100_000,
  idempotencyWindowMs: 15 * 60_000,
  /** How long one call may wait for a change of a compaction. */
  compactionWaitMsMax: 30_000,
  /** How far back a read at a timestamp may go. */
  retentionMs: 60 * 60_000,
  /** Reads, and writes, of one proxy that are being answered; the others wait in line ... */
  readsUnderWayMax: 64,
  writesUnderWayMax: 256,
  /** ... of at most so many, so that a flood is refused before memory runs out. */
  callsInLineMax: 100_000,
  filterBytesMax: 64 * 1024,
  filterDepthMax: 128,
  filterNodesMax: 10_000,
  filterListMax: 65_536,
  collectionsMax: 65_536,
} as const;

/** The set of limits, so that tests can run with tiny ones. */
export type Limits = { readonly [K in keyof typeof LIMITS]: number };
