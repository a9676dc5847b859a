import { ElanusError } from '@elanus/core';
import type {
  LogAppend,
  LogAppendOutcome,
  LogEntry,
  LogSpan,
  LogStore,
  LogStream,
} from '@elanus/core';
import { RECORD_BYTES_MAX, checkAppend, checkStreamName, closedError } from './append-check.ts';

interface StreamData {
  firstSeq: number;
  readonly entries: { readonly subject: string; readonly bytes: Uint8Array }[];
}

/** What a memory store holds: outlives the store, so that a test can open it again. */
export interface MemoryLogContent {
  readonly streams: Map<string, StreamData>;
}

/** What becomes of an append: `applied` and `lost` are answered `unknown`. */
export type LogFault = 'applied' | 'lost' | undefined;

/** How the memory log behaves. */
export interface MemoryLogOptions {
  readonly data?: MemoryLogContent;
  /** Asked at each append; a broker that answers nothing is `applied` or `lost`. */
  readonly fault?: (stream: string, append: LogAppend) => LogFault;
}

/** Holds no streams yet. */
export function memoryLogContent(): MemoryLogContent {
  return { streams: new Map() };
}

/** The parts as one. */
function concat(parts: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.byteLength, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.byteLength;
  }
  return bytes;
}

function unanswered(): LogAppendOutcome {
  return { kind: 'unknown', cause: new ElanusError('unavailable', { what: 'log' }) };
}

/** One handle on a stream's entries. */
class MemoryLogStream implements LogStream {
  readonly name: string;
  readonly #data: StreamData;
  readonly #fault: MemoryLogOptions['fault'];
  readonly #isOpen: () => boolean;
  #closed = false;

  constructor(
    name: string,
    data: StreamData,
    store: { readonly fault: MemoryLogOptions['fault']; readonly isOpen: () => boolean },
  ) {
    this.name = name;
    this.#data = data;
    this.#fault = store.fault;
    this.#isOpen = store.isOpen;
  }

  get #lastSeq(): number {
    return this.#data.firstSeq + this.#data.entries.length - 1;
  }

  /** Stores in the turn of the call, as a broker with one link stores in the order of calls. */
  async append(append: LogAppend): Promise<LogAppendOutcome> {
    checkAppend(append, RECORD_BYTES_MAX);
    if (this.#closed || !this.#isOpen()) {
      return { kind: 'unknown', cause: closedError('log') };
    }
    const fault = this.#fault?.(this.name, append);
    if (fault === 'lost') return unanswered();
    const expected = append.expectedLastSeq;
    if (expected !== undefined && expected !== this.#lastSeq) return { kind: 'mismatch' };
    const { subject, parts, frozen } = append;
    this.#data.entries.push({ subject, bytes: concat([...parts, ...(frozen?.chunks ?? [])]) });
    const seq = this.#lastSeq;
    return fault === 'applied' ? unanswered() : { kind: 'ok', seq };
  }

  scan(range: { readonly fromSeq: number; readonly toSeq?: number }): AsyncIterable<LogEntry> {
    return this.#read(range.fromSeq, Math.min(range.toSeq ?? this.#lastSeq, this.#lastSeq));
  }

  async *#read(fromSeq: number, toSeq: number): AsyncGenerator<LogEntry> {
    for (let seq = fromSeq; seq <= toSeq || seq === fromSeq; seq++) {
      await Promise.resolve();
      const { firstSeq, entries } = this.#data;
      if (seq < firstSeq) throw new ElanusError('log_truncated', { fromSeq: seq, firstSeq });
      const entry = entries[seq - firstSeq];
      if (entry === undefined || seq > toSeq) return;
      yield { seq, subject: entry.subject, bytes: entry.bytes.slice() };
    }
  }

  async span(): Promise<LogSpan> {
    return { firstSeq: this.#data.firstSeq, lastSeq: this.#lastSeq };
  }

  async truncate(belowSeq: number): Promise<void> {
    const below = Math.min(belowSeq, this.#lastSeq + 1);
    if (below <= this.#data.firstSeq) return;
    this.#data.entries.splice(0, below - this.#data.firstSeq);
    this.#data.firstSeq = below;
  }

  async close(): Promise<void> {
    this.#closed = true;
  }
}

class MemoryLogStore implements LogStore {
  readonly recordBytesMax = RECORD_BYTES_MAX;
  readonly #options: MemoryLogOptions;
  readonly #data: MemoryLogContent;
  #closed = false;

  constructor(options: MemoryLogOptions) {
    this.#options = options;
    this.#data = options.data ?? memoryLogContent();
  }

  async open(name: string): Promise<LogStream> {
    checkStreamName(name);
    if (this.#closed) throw closedError('log');
    let data = this.#data.streams.get(name);
    if (data === undefined) {
      data = { firstSeq: 1, entries: [] };
      this.#data.streams.set(name, data);
    }
    const { fault } = this.#options;
    return new MemoryLogStream(name, data, { fault, isOpen: () => !this.#closed });
  }

  async list(): Promise<readonly string[]> {
    return [...this.#data.streams.keys()].sort();
  }

  async remove(name: string): Promise<void> {
    checkStreamName(name);
    this.#data.streams.delete(name);
  }

  async close(): Promise<void> {
    this.#closed = true;
  }
}

/**
 * A log in memory. As a broker does, it refuses a mismatch alone and stores what later happens to
 * match (strays); it answers `unknown` where the hook says so.
 */
export function memoryLogStore(options: MemoryLogOptions = {}): LogStore {
  return new MemoryLogStore(options);
}
