import type { Fs, LogAppend, LogAppendOutcome, LogEntry, LogSpan } from '@elanus/core';
import type { LogStore, LogStream } from '@elanus/core';
import { listFolder, makeFolder } from '../fs/folder.ts';
import { RECORD_BYTES_MAX, checkAppend, checkStreamName, closedError } from './append-check.ts';
import type { Durability } from './local-stream.ts';
import { LocalStream } from './local-stream.ts';

/** How a local log is kept. */
export interface LocalLogOptions {
  readonly fs: Fs;
  /** Where in the file system, `''` for its root. Default `log`. */
  readonly folder?: string;
  /** Default `power`. */
  readonly durability?: Durability;
  /** Default 64 MiB. */
  readonly segmentBytes?: number;
  /** Default 8 MiB. */
  readonly groupBytesMax?: number;
}

/** Where a stream goes before its files are deleted; no stream can have this name. */
const REMOVED = '.removed';

interface Shared {
  readonly stream: Promise<LocalStream>;
  handles: number;
}

/** One of several handles on a stream; knows its own appends in flight. */
class LocalLogHandle implements LogStream {
  readonly name: string;
  readonly #stream: LocalStream;
  readonly #release: () => Promise<void>;
  readonly #inFlight = new Set<Promise<unknown>>();
  #closed = false;

  constructor(name: string, stream: LocalStream, release: () => Promise<void>) {
    this.name = name;
    this.#stream = stream;
    this.#release = release;
  }

  async append(append: LogAppend): Promise<LogAppendOutcome> {
    const payloadBytes = checkAppend(append, RECORD_BYTES_MAX);
    if (this.#closed) return { kind: 'unknown', cause: closedError('log') };
    const outcome = this.#stream.append(append, payloadBytes);
    if (!(outcome instanceof Promise)) return outcome;
    this.#inFlight.add(outcome);
    try {
      return await outcome;
    } finally {
      this.#inFlight.delete(outcome);
    }
  }

  scan(range: { readonly fromSeq: number; readonly toSeq?: number }): AsyncIterable<LogEntry> {
    return this.#stream.scan(range);
  }

  async span(): Promise<LogSpan> {
    return this.#stream.span();
  }

  truncate(belowSeq: number): Promise<void> {
    return this.#stream.truncate(belowSeq);
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await Promise.all(this.#inFlight);
    await this.#release();
  }
}

class LocalLogStore implements LogStore {
  readonly recordBytesMax = RECORD_BYTES_MAX;
  readonly #options: LocalLogOptions;
  readonly #folder: string;
  readonly #open = new Map<string, Shared>();
  readonly #handles = new Set<LocalLogHandle>();
  /** Closing and removing wait for one another, so that no folder has two writers. */
  #work: Promise<unknown> = Promise.resolve();
  #closed = false;

  constructor(options: LocalLogOptions) {
    this.#options = options;
    this.#folder = options.folder ?? 'log';
  }

  #path(name: string): string {
    return this.#folder === '' ? name : `${this.#folder}/${name}`;
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#work.then(work);
    this.#work = result.catch(() => undefined);
    return result;
  }

  async open(name: string): Promise<LogStream> {
    checkStreamName(name);
    if (this.#closed) throw closedError('log');
    return this.#inTurn(async () => {
      let shared = this.#open.get(name);
      if (shared === undefined) {
        shared = { stream: this.#start(name), handles: 0 };
        await shared.stream;
        this.#open.set(name, shared);
      }
      shared.handles += 1;
      const found = shared;
      const handle: LocalLogHandle = new LocalLogHandle(name, await shared.stream, () => {
        this.#handles.delete(handle);
        return this.#inTurn(() => this.#release(name, found));
      });
      this.#handles.add(handle);
      return handle;
    });
  }

  async #start(name: string): Promise<LocalStream> {
    const { fs, durability, segmentBytes, groupBytesMax } = this.#options;
    const folder = this.#path(name);
    await makeFolder(fs, folder);
    return LocalStream.open({
      fs,
      folder,
      durability: durability ?? 'power',
      segmentBytes: segmentBytes ?? 64 * 1024 * 1024,
      groupBytesMax: groupBytesMax ?? 8 * 1024 * 1024,
    });
  }

  async #release(name: string, shared: Shared): Promise<void> {
    shared.handles -= 1;
    if (shared.handles > 0 || this.#open.get(name) !== shared) return;
    this.#open.delete(name);
    await (await shared.stream).close();
  }

  async list(): Promise<readonly string[]> {
    const names = await listFolder(this.#options.fs, this.#folder);
    return names.filter((name) => !name.startsWith('.'));
  }

  async remove(name: string): Promise<void> {
    checkStreamName(name);
    await this.#inTurn(async () => {
      const shared = this.#open.get(name);
      this.#open.delete(name);
      if (shared !== undefined) await (await shared.stream).close();
      const { fs } = this.#options;
      if ((await fs.stat(this.#path(name))) === undefined) return;
      // Moved away first: a half-deleted stream would look damaged.
      await fs.remove(this.#path(REMOVED));
      await fs.rename(this.#path(name), this.#path(REMOVED));
      await fs.syncFolder(this.#folder);
      await fs.remove(this.#path(REMOVED));
    });
  }

  async close(): Promise<void> {
    this.#closed = true;
    await Promise.all([...this.#handles].map((handle) => handle.close()));
    await this.#work;
  }
}

/**
 * The embedded log: append-only files, one folder a stream, group commit. Opening a stream reads
 * and checks its files, cuts a torn tail, and refuses damage before it.
 */
export function localLogStore(options: LocalLogOptions): LogStore {
  return new LocalLogStore(options);
}
