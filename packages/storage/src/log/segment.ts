import { ElanusError } from '@elanus/core';
import type { Fs } from '@elanus/core';
import { listFolder } from '../fs/folder.ts';
import { FrameReader } from './frame-reader.ts';
import type { Frame } from './frame.ts';
import { FLAG_MARK, LOG_FORMAT, SEGMENT_HEADER_BYTES, readSegmentHeader } from './frame.ts';

/** A file of the log, as far as it is valid. */
export interface Segment {
  readonly path: string;
  readonly firstSeq: number;
  /** Seq of the last record; `firstSeq - 1` when there is none. */
  lastSeq: number;
  /** Bytes of the file that count. */
  end: number;
  /** Some records' places, so that a scan need not read the file from its start. */
  readonly places: { readonly seq: number; readonly offset: number }[];
}

/** What opening found. */
export interface Recovered {
  readonly segments: Segment[];
  /** The last frame is a mark: the log was closed, nothing came after. */
  readonly marked: boolean;
}

/** Bytes between two remembered places. */
const PLACE_EVERY_BYTES = 256 * 1024;

const SEGMENT_NAME = /^(\d{16})\.log$/;

/** The path of the segment whose first record has `firstSeq`. */
export function segmentPath(folder: string, firstSeq: number): string {
  return `${folder}/${String(firstSeq).padStart(16, '0')}.log`;
}

/** Remembers where a record lies, if the last such place is far enough back. */
export function addPlace(segment: Segment, seq: number, offset: number): void {
  const last = segment.places.at(-1)?.offset ?? SEGMENT_HEADER_BYTES;
  if (offset - last >= PLACE_EVERY_BYTES) segment.places.push({ seq, offset });
}

/** The last remembered offset at or before a record. */
export function placeOf(segment: Segment, seq: number): number {
  const place = segment.places.findLast((candidate) => candidate.seq <= seq);
  return place?.offset ?? SEGMENT_HEADER_BYTES;
}

/** Where the valid log ends although something follows. */
interface Damage {
  readonly seq: number;
  readonly path: string;
  readonly offset: number;
  readonly file: number;
}

/** Walks the files of a stream in order, stops at the first damage, then looks for witnesses. */
class Walk {
  readonly segments: Segment[] = [];
  readonly #fs: Fs;
  readonly #folder: string;
  damage: Damage | undefined;
  /** Highest `synced` claimed behind the damage. */
  witness = 0;
  marked = false;

  constructor(fs: Fs, folder: string) {
    this.#fs = fs;
    this.#folder = folder;
  }

  async file(index: number, nameSeq: number): Promise<void> {
    const path = segmentPath(this.#folder, nameSeq);
    const handle = await this.#fs.open(path, 'read');
    try {
      const size = await handle.size();
      const bytes = Buffer.alloc(SEGMENT_HEADER_BYTES);
      const got = await handle.read(bytes, 0);
      const header = readSegmentHeader(bytes.subarray(0, got));
      if (header !== undefined && header.version > LOG_FORMAT) {
        const { version } = header;
        throw new ElanusError('format_too_new', { what: path, version, supported: LOG_FORMAT });
      }
      const previous = this.segments.at(-1);
      const seq = previous === undefined ? nameSeq : previous.lastSeq + 1;
      if (this.damage === undefined && header?.firstSeq !== seq) {
        this.damage = { seq, path, offset: 0, file: index };
      }
      if (this.damage !== undefined) this.witness = Math.max(this.witness, header?.synced ?? 0);
      const range = { from: SEGMENT_HEADER_BYTES, end: Math.max(size, SEGMENT_HEADER_BYTES) };
      const reader = new FrameReader(handle, range);
      if (this.damage === undefined) await this.#valid({ path, reader, seq, index });
      if (this.damage !== undefined) await this.#witnesses(reader);
    } finally {
      await handle.close();
    }
  }

  async #valid(file: {
    readonly path: string;
    readonly reader: FrameReader;
    readonly seq: number;
    readonly index: number;
  }): Promise<void> {
    const { path, reader, seq: firstSeq, index } = file;
    const end = SEGMENT_HEADER_BYTES;
    const segment: Segment = { path, firstSeq, lastSeq: firstSeq - 1, end, places: [] };
    this.segments.push(segment);
    this.marked = false;
    for (;;) {
      const offset = reader.offset;
      const frame = await reader.next();
      if (frame === 'end') return;
      const seq = segment.lastSeq + 1;
      if (frame === 'bad' || frame.seq !== seq) {
        this.damage = { seq, path, offset, file: index };
        if (frame !== 'bad') this.#claim(frame);
        return;
      }
      segment.end = reader.offset;
      this.marked = (frame.flags & FLAG_MARK) !== 0;
      if (this.marked) continue;
      segment.lastSeq = seq;
      addPlace(segment, seq, offset);
    }
  }

  #claim(frame: Frame): void {
    this.witness = Math.max(this.witness, frame.synced);
  }

  async #witnesses(reader: FrameReader): Promise<void> {
    for (;;) {
      const next = await reader.next();
      if (next === 'end') return;
      const frame = next === 'bad' ? await reader.skip() : next;
      if (frame === undefined) return;
      this.#claim(frame);
    }
  }
}

/**
 * Reads and checks every file of a stream. A torn tail is cut off: records that were never known to
 * be safe. Damage below a record that was is refused. Costs one read of the whole log.
 *
 * @throws ElanusError log_corrupt with file and offset; format_too_new
 */
export async function recoverSegments(fs: Fs, folder: string): Promise<Recovered> {
  const names = (await listFolder(fs, folder)).flatMap((name) => {
    const match = SEGMENT_NAME.exec(name);
    return match === null ? [] : [Number(match[1])];
  });
  const walk = new Walk(fs, folder);
  for (const [index, nameSeq] of names.entries()) await walk.file(index, nameSeq);
  const { damage, segments } = walk;
  if (damage === undefined) return { segments, marked: walk.marked };
  const { path, offset, seq } = damage;
  if (walk.witness > seq) {
    const why = `record ${seq} is missing or broken, later ones are there`;
    throw new ElanusError('log_corrupt', { path: `${fs.root}/${path}`, offset, why });
  }
  await cut(fs, damage, { folder, names });
  return { segments, marked: false };
}

async function cut(
  fs: Fs,
  damage: Damage,
  files: { readonly folder: string; readonly names: readonly number[] },
): Promise<void> {
  const keep = damage.offset >= SEGMENT_HEADER_BYTES;
  if (keep) {
    const handle = await fs.open(damage.path, 'write');
    try {
      await handle.truncate(damage.offset);
      await handle.sync();
    } finally {
      await handle.close();
    }
  }
  for (const nameSeq of files.names.slice(damage.file + (keep ? 1 : 0)).reverse()) {
    await fs.remove(segmentPath(files.folder, nameSeq));
  }
  await fs.syncFolder(files.folder);
}
