import { ElanusError, assert } from '@elanus/core';
import type { FileHandle, Fs, LogAppend, LogAppendOutcome, LogEntry, LogSpan } from '@elanus/core';
import { closedError } from './append-check.ts';
import { FrameReader } from './frame-reader.ts';
import { FLAG_MARK, SEGMENT_HEADER_BYTES, frameBytes, segmentHeader } from './frame.ts';
import { Chunks, Group } from './group.ts';
import type { Segment } from './segment.ts';
import { addPlace, placeOf, recoverSegments, segmentPath } from './segment.ts';

/** What an acknowledged record survives: `process` a kill, `power` a power cut. */
export type Durability = 'process' | 'power';

/** How a local stream writes. */
export interface LocalStreamOptions {
  readonly fs: Fs;
  readonly folder: string;
  readonly durability: Durability;
  /** A file is closed and the next begun at this size. */
  readonly segmentBytes: number;
  /** Bytes written and synced at once, unless one record is larger. */
  readonly groupBytesMax: number;
}

/**
 * One stream on disk. Appends are stamped and captured in the turn of the call; whatever came while
 * a group was written goes into the next one, which is written while the one before is synced. A
 * failed write is undone and answered `unknown`; after a failed sync nothing is believed any more
 * and every append is `unknown`.
 */
export class LocalStream {
  readonly #options: LocalStreamOptions;
  readonly #segments: Segment[];
  #handle: FileHandle;
  /** Newest seq given out; expectations compare with it. */
  #accepted: number;
  /** Newest seq acknowledged; readers see up to it. */
  #stored: number;
  /** Records below it are known to survive power loss. */
  #synced: number;
  /** Groups that wait to be written. */
  readonly #groups: Group[] = [];
  /** Groups written and not yet given to a sync. */
  readonly #written: Group[] = [];
  /** Bytes written and not yet acknowledged. */
  #unsyncedBytes = 0;
  #syncing = false;
  /** Other work waits for the drain to end. */
  #jobs = 0;
  /** Wakes the drain: a group came, or a sync ended. */
  #wake: (() => void) | undefined;
  readonly #memory = new Chunks();
  #failure: unknown;
  /** The failure stays until the log is opened again. */
  #isStuck = false;
  #pumping = false;
  #marked: boolean;
  /** The tail of the queue of file work: one thing at a time. */
  #work: Promise<unknown> = Promise.resolve();

  private constructor(
    options: LocalStreamOptions,
    state: { readonly segments: Segment[]; readonly handle: FileHandle; readonly marked: boolean },
  ) {
    this.#options = options;
    this.#segments = state.segments;
    this.#handle = state.handle;
    this.#marked = state.marked;
    this.#accepted = this.#active.lastSeq;
    this.#stored = this.#accepted;
    this.#synced = this.#accepted + 1;
  }

  /** Checks, repairs and opens a stream's folder, which exists. */
  static async open(options: LocalStreamOptions): Promise<LocalStream> {
    const { fs, folder } = options;
    const { segments, marked } = await recoverSegments(fs, folder);
    const last = segments.at(-1);
    if (last === undefined) {
      const made = await createSegment(options, { firstSeq: 1, synced: 1 });
      return new LocalStream(options, { segments: [made.segment], handle: made.handle, marked });
    }
    // A killed process may have left pages that only the page cache holds.
    for (const segment of segments.slice(0, -1)) await syncFile(fs, segment.path);
    await fs.syncFolder(folder);
    const handle = await fs.open(last.path, 'write');
    await handle.sync();
    return new LocalStream(options, { segments, handle, marked });
  }

  get #active(): Segment {
    const segment = this.#segments.at(-1);
    assert(segment !== undefined, 'a stream has a segment');
    return segment;
  }

  append(append: LogAppend, payloadBytes: number): Promise<LogAppendOutcome> | LogAppendOutcome {
    if (this.#failure !== undefined) return { kind: 'unknown', cause: this.#failure };
    const { expectedLastSeq, subject } = append;
    if (expectedLastSeq !== undefined && expectedLastSeq !== this.#accepted) {
      return { kind: 'mismatch' };
    }
    this.#accepted += 1;
    const stamp = { seq: this.#accepted, synced: this.#synced, flags: 0, payloadBytes };
    const group = this.#groupFor(frameBytes(subject.length, payloadBytes));
    const outcome = new Promise<LogAppendOutcome>((settle) => {
      group.add({ ...append, ...stamp }, settle);
    });
    this.#pump();
    return outcome;
  }

  #groupFor(bytes: number): Group {
    const last = this.#groups.at(-1);
    if (last !== undefined && last.used + bytes <= this.#options.groupBytesMax) return last;
    const group = new Group(this.#memory);
    this.#groups.push(group);
    return group;
  }

  /** Runs file work when nothing is being written, after all that was asked before. */
  async #job<T>(work: () => Promise<T>): Promise<T> {
    this.#jobs += 1;
    this.#wake?.();
    const result = this.#work.then(work);
    this.#work = result.catch(() => undefined);
    try {
      return await result;
    } finally {
      this.#jobs -= 1;
    }
  }

  #pump(): void {
    this.#wake?.();
    if (this.#pumping) return;
    this.#pumping = true;
    this.#work = this.#work.then(() => this.#drain());
  }

  /** Writes groups one after the other, each while the one before is synced, until all is quiet. */
  async #drain(): Promise<void> {
    for (;;) {
      if (!this.#syncing && this.#written.length > 0) void this.#sync();
      const group = this.#jobs > 0 ? undefined : this.#groups[0];
      if (group !== undefined && this.#mayWrite(group)) {
        this.#groups.shift();
        await this.#write(group);
      } else if (this.#unsyncedBytes > 0) {
        await new Promise<void>((wake) => {
          this.#wake = wake;
        });
      } else if (group === undefined) {
        break;
      }
    }
    this.#pumping = false;
    if (this.#groups.length > 0) this.#pump();
  }

  #isFull(group: Group): boolean {
    const active = this.#active;
    const used = active.end + this.#unsyncedBytes + group.used > this.#options.segmentBytes;
    return used && active.lastSeq >= active.firstSeq;
  }

  /** A new file begins when nothing is unsynced; else a group more may be under way. */
  #mayWrite(group: Group): boolean {
    if (this.#unsyncedBytes === 0) return true;
    const room = this.#unsyncedBytes + group.used <= this.#options.groupBytesMax * 2;
    return room && !this.#isFull(group);
  }

  async #write(group: Group): Promise<void> {
    try {
      if (this.#isFull(group)) await this.#roll();
      await this.#writeGroup(group, this.#active.end + this.#unsyncedBytes);
    } catch (error) {
      await this.#undo(error, group);
      return;
    }
    if (this.#failure !== undefined) {
      settleUnknown([group], this.#failure);
      return;
    }
    this.#unsyncedBytes += group.used;
    if (this.#options.durability === 'process') this.#acknowledge(group);
    else this.#written.push(group);
  }

  #writeGroup(group: Group, offset: number): Promise<void> {
    return this.#handle.writev(group.seal(), offset);
  }

  /** Syncs what has been written and answers it. */
  async #sync(): Promise<void> {
    const groups = this.#written.splice(0);
    this.#syncing = true;
    try {
      await this.#handle.sync();
      for (const group of groups) this.#acknowledge(group);
    } catch (error) {
      this.#fail(error, groups);
    }
    this.#syncing = false;
    this.#wake?.();
  }

  #acknowledge(group: Group): void {
    const active = this.#active;
    for (const { seq, offset } of group.records) addPlace(active, seq, active.end + offset);
    active.end += group.used;
    active.lastSeq += group.records.length;
    this.#unsyncedBytes -= group.used;
    this.#stored = active.lastSeq;
    this.#marked = false;
    if (this.#options.durability === 'power') this.#synced = this.#stored + 1;
    group.settle((seq) => ({ kind: 'ok', seq }));
  }

  /** Takes back what was accepted and not written: its seqs are given out again. */
  async #undo(cause: unknown, group: Group): Promise<void> {
    this.#failure = cause;
    const lost = [group, ...this.#groups.splice(0)];
    while (this.#unsyncedBytes > 0) {
      if (!this.#syncing) await this.#sync();
      else await new Promise<void>((wake) => (this.#wake = wake));
    }
    try {
      if (this.#failure === cause && !this.#isStuck) {
        await this.#handle.truncate(this.#active.end);
        if (this.#options.durability === 'power') await this.#handle.sync();
        this.#accepted = this.#stored;
        this.#failure = undefined;
      }
    } catch {
      // What lies behind the end is unknown: the failure stays.
    }
    settleUnknown(lost, cause);
  }

  /** From here on appends are `unknown`. */
  #fail(cause: unknown, groups: readonly Group[] = []): void {
    this.#failure = cause;
    const lost = [...groups, ...this.#written.splice(0), ...this.#groups.splice(0)];
    this.#unsyncedBytes = 0;
    settleUnknown(lost, cause);
  }

  /** Begins a new file; the one before stays as it is. */
  async #roll(): Promise<void> {
    const old = this.#handle;
    const stored = this.#stored;
    const made = await this.#create({ firstSeq: stored + 1, synced: this.#synced });
    this.#segments.push(made.segment);
    this.#handle = made.handle;
    if (this.#options.durability === 'power') {
      await old.close();
      return;
    }
    // Class `process` gives no promise here: the sync only keeps the unsynced tail short.
    const close = (): Promise<void> => old.close();
    void old.sync().then(
      () => {
        this.#synced = Math.max(this.#synced, stored + 1);
        return close();
      },
      (error: unknown) => {
        this.#fail(error);
        return close();
      },
    );
  }

  /** Makes the next file. One that failed is removed, else nothing may follow. @throws io_error */
  async #create(start: SegmentStart): Promise<NewSegment> {
    try {
      return await createSegment(this.#options, start);
    } catch (error) {
      const { fs, folder } = this.#options;
      try {
        await fs.remove(segmentPath(folder, start.firstSeq));
      } catch {
        // Records of the file before would come to stand behind its name.
        this.#isStuck = true;
        this.#failure = error;
      }
      throw error;
    }
  }

  span(): LogSpan {
    const first = this.#segments[0];
    assert(first !== undefined, 'a stream has a segment');
    return { firstSeq: first.firstSeq, lastSeq: this.#stored };
  }

  /** Deletes files whose records all lie below, oldest first, so that no hole can appear. */
  truncate(belowSeq: number): Promise<void> {
    return this.#job(async () => {
      if (this.#failure !== undefined) throw this.#failure;
      const active = this.#active;
      if (belowSeq > active.lastSeq && active.lastSeq >= active.firstSeq) await this.#roll();
      for (;;) {
        const first = this.#segments[0];
        if (first === undefined || this.#segments.length === 1 || first.lastSeq >= belowSeq) return;
        this.#segments.shift();
        try {
          await this.#options.fs.remove(first.path);
        } catch (error) {
          // It stays in the way: were one behind it removed next time, that would be a hole.
          this.#segments.unshift(first);
          throw error;
        }
        await this.#options.fs.syncFolder(this.#options.folder);
      }
    });
  }

  scan(range: { readonly fromSeq: number; readonly toSeq?: number }): AsyncIterable<LogEntry> {
    return this.#read(range.fromSeq, Math.min(range.toSeq ?? this.#stored, this.#stored));
  }

  async *#read(fromSeq: number, toSeq: number): AsyncGenerator<LogEntry> {
    let seq = fromSeq;
    do {
      const { firstSeq } = this.span();
      if (seq < firstSeq) throw new ElanusError('log_truncated', { fromSeq: seq, firstSeq });
      if (seq > toSeq) return;
      const segment = this.#segments.find((candidate) => candidate.lastSeq >= seq);
      assert(segment !== undefined, 'stored records lie in a segment');
      const last = Math.min(toSeq, segment.lastSeq);
      for await (const entry of readSegment(this.#options.fs, segment, { seq, last })) {
        yield entry;
        seq = entry.seq + 1;
      }
    } while (seq <= toSeq);
  }

  /** Waits for what was appended; leaves a mark that vouches for it. */
  close(): Promise<void> {
    return this.#job(async () => {
      try {
        if (this.#failure === undefined && !this.#marked) await this.#mark();
      } catch {
        // Without the mark the next opening can only tell less about a damaged tail.
      }
      this.#failure ??= closedError('log');
      await this.#handle.close();
    });
  }

  async #mark(): Promise<void> {
    await this.#handle.sync();
    const seq = this.#stored + 1;
    const group = new Group(this.#memory);
    const empty = { subject: '', parts: [], payloadBytes: 0 };
    group.add({ seq, synced: seq, flags: FLAG_MARK, ...empty }, () => undefined);
    await this.#writeGroup(group, this.#active.end);
    await this.#handle.sync();
  }
}

function settleUnknown(groups: readonly Group[], cause: unknown): void {
  for (const group of groups) group.settle(() => ({ kind: 'unknown', cause }));
}

async function syncFile(fs: Fs, path: string): Promise<void> {
  const handle = await fs.open(path, 'write');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

interface SegmentStart {
  readonly firstSeq: number;
  readonly synced: number;
}

interface NewSegment {
  readonly segment: Segment;
  readonly handle: FileHandle;
}

/** Makes a file; when it fails, it may be there. */
async function createSegment(
  options: LocalStreamOptions,
  start: SegmentStart,
): Promise<NewSegment> {
  const { fs, folder, durability } = options;
  const { firstSeq, synced } = start;
  const path = segmentPath(folder, firstSeq);
  const handle = await fs.open(path, 'create');
  try {
    await handle.write(segmentHeader(firstSeq, synced), 0);
    if (durability === 'power') {
      await handle.sync();
      await fs.syncFolder(folder);
    }
  } catch (error) {
    await handle.close();
    throw error;
  }
  const end = SEGMENT_HEADER_BYTES;
  return { segment: { path, firstSeq, lastSeq: firstSeq - 1, end, places: [] }, handle };
}

/** Records `seq..last` of one file. Each is checked again: disks rot while we run. */
async function* readSegment(
  fs: Fs,
  segment: Segment,
  range: { readonly seq: number; readonly last: number },
): AsyncGenerator<LogEntry> {
  const handle = await fs.open(segment.path, 'read').catch((error: ElanusError) => {
    if (error.code !== 'file_not_found') throw error;
    const firstSeq = segment.lastSeq + 1;
    throw new ElanusError('log_truncated', { fromSeq: range.seq, firstSeq });
  });
  try {
    const reader = new FrameReader(handle, { from: placeOf(segment, range.seq), end: segment.end });
    for (let next: number | undefined; next === undefined || next <= range.last; ) {
      const offset = reader.offset;
      const frame = await reader.next();
      const broken = typeof frame === 'string' || frame.seq !== (next ?? frame.seq);
      if (broken || (next === undefined && frame.seq > range.seq)) {
        const path = `${fs.root}/${segment.path}`;
        const why = `record ${next ?? range.seq} cannot be read`;
        throw new ElanusError('log_corrupt', { path, offset, why });
      }
      if ((frame.flags & FLAG_MARK) !== 0) continue;
      next = frame.seq + 1;
      if (frame.seq < range.seq) continue;
      const bytes = new Uint8Array(frame.payloadEnd - frame.payloadStart);
      bytes.set(reader.window.subarray(frame.payloadStart, frame.payloadEnd));
      yield { seq: frame.seq, subject: frame.subject, bytes };
    }
  } finally {
    await handle.close();
  }
}
