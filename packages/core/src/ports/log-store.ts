/** What became of an append. Only the Wal decides whether a mismatch means fenced. */
export type LogAppendOutcome =
  | { readonly kind: 'ok'; readonly seq: number }
  | { readonly kind: 'mismatch' }
  | { readonly kind: 'unknown'; readonly cause: unknown };

/** Bytes that nobody changes before the append is answered: until then a store needs no copy. */
export interface FrozenBytes {
  /** One behind the other. */
  readonly chunks: readonly Uint8Array[];
  /** CRC-32 of them all; whoever made them knows it, and damage on the way is found by it. */
  readonly crc32: number;
}

/**
 * One append: `parts`, then `frozen`, make one record. The parts are captured at the call: later
 * changes have no effect.
 */
export interface LogAppend {
  /** Names the vchannel: words of [A-Za-z0-9_-] with `.` between, at most 128 characters. */
  readonly subject: string;
  readonly parts: readonly Uint8Array[];
  readonly frozen?: FrozenBytes;
  /** Stored only if the stream's newest seq is this one. Undefined: unconditional. */
  readonly expectedLastSeq?: number;
}

/** A stored record. `bytes` belong to the reader. */
export interface LogEntry {
  readonly seq: number;
  readonly subject: string;
  readonly bytes: Uint8Array;
}

/** The span of a stream. Empty: `lastSeq === firstSeq - 1`. Sequences start at 1, without holes. */
export interface LogSpan {
  readonly firstSeq: number;
  readonly lastSeq: number;
}

/** A physical log: totally ordered records with dense sequence numbers. */
export interface LogStream {
  readonly name: string;
  /**
   * Stores one record. Calls may be pipelined, each with the predicted expectation; the order of
   * calls is the order of storing. A mismatch refuses this append only: a later one whose
   * prediction happens to hold is stored (a stray). Failures of the store are `unknown`, never
   * thrown.
   * @throws ElanusError invalid_argument (subject), request_too_large: the caller's mistakes
   */
  append(append: LogAppend): Promise<LogAppendOutcome>;
  /**
   * Reads stored records from `fromSeq` to `toSeq` (default: the last when it begins).
   * Nothing when `fromSeq` is behind the last.
   * @throws ElanusError log_truncated when `fromSeq` is below the first, log_corrupt on damage.
   */
  scan(range: { readonly fromSeq: number; readonly toSeq?: number }): AsyncIterable<LogEntry>;
  span(): Promise<LogSpan>;
  /** Drops records with seq < `belowSeq`, perhaps fewer. An emptied stream keeps its last seq. */
  truncate(belowSeq: number): Promise<void>;
  /** Waits for appends in flight, then frees the stream. */
  close(): Promise<void>;
}

/** The port to the log broker: files, memory, later JetStream. It knows bytes, not rows. */
export interface LogStore {
  /**
   * Opens a stream, creating it when absent. Names: 1 to 64 of [A-Za-z0-9_-]. Several handles on
   * one stream share it.
   */
  open(name: string): Promise<LogStream>;
  list(): Promise<readonly string[]>;
  remove(name: string): Promise<void>;
  /** Bytes of one record. */
  readonly recordBytesMax: number;
  close(): Promise<void>;
}
