import type { LogAppend, LogAppendOutcome } from '@elanus/core';
import { assert } from '@elanus/core';
import { FRAME_BYTES_MAX } from './frame-reader.ts';
import type { FrameInput } from './frame.ts';
import { FRAME_HEADER_BYTES, frameBytes, sealFrame, writeFrameHead } from './frame.ts';

/** Bytes of a chunk: any record fits, and none ever moves. */
const CHUNK_BYTES = Math.max(1024 * 1024, FRAME_BYTES_MAX);

/** Chunks kept for later: what a busy stream writes while one group is synced. */
const SPARES_MAX = 16;

/** Memory for groups, used again and again: fresh pages cost more than the copy into them. */
export class Chunks {
  readonly #spares: Buffer[] = [];

  take(): Buffer {
    return this.#spares.pop() ?? Buffer.allocUnsafeSlow(CHUNK_BYTES);
  }

  give(chunk: Buffer): void {
    if (this.#spares.length < SPARES_MAX) this.#spares.push(chunk);
  }
}

/** Frozen chunks below it are copied all the same: a piece of its own costs more. */
const PIECE_BYTES_MIN = 4096;

/** A record on its way into a group. */
export type GroupInput = FrameInput & Pick<LogAppend, 'parts' | 'frozen'>;

const sum = (list: readonly Uint8Array[]): number =>
  list.reduce((total, { length }) => total + length, 0);

/** Bytes of a buffer that are to be written. */
interface Piece {
  readonly buffer: Uint8Array;
  readonly from: number;
  to: number;
}

/**
 * Records that are written and synced together. Adding one captures its parts and refers to its
 * frozen bytes; checksums are computed when the group is sealed, in another turn.
 */
export class Group {
  readonly #memory: Chunks;
  readonly #chunks: { readonly buffer: Buffer; used: number }[] = [];
  readonly #pieces: Piece[] = [];
  /** The beginning of each frame, and what is known of the rest. */
  readonly #frames: {
    readonly head: Buffer;
    readonly rest: { readonly crc32: number; readonly bytes: number };
  }[] = [];
  #used = 0;
  /** Seq of each record with its offset in the group and who waits for it. */
  readonly records: {
    readonly seq: number;
    readonly offset: number;
    readonly settle: (outcome: LogAppendOutcome) => void;
  }[] = [];

  constructor(memory: Chunks) {
    this.#memory = memory;
  }

  /** Bytes in use. */
  get used(): number {
    return this.#used;
  }

  /** Adds a record behind the others. */
  add(input: GroupInput, settle: (outcome: LogAppendOutcome) => void): void {
    const { subject, payloadBytes, parts, frozen } = input;
    const { chunks = [], crc32 = 0 } = frozen ?? {};
    const bytes = frameBytes(subject.length, payloadBytes);
    const isKept = (chunk: Uint8Array): boolean => chunk.length >= PIECE_BYTES_MIN;
    const kept = sum(chunks.filter(isKept));
    const memory = this.#memoryFor(bytes - kept);
    const { buffer } = memory;
    let from = memory.used;
    let at = writeFrameHead(buffer, from, input);
    for (const part of parts) {
      buffer.set(part, at);
      at += part.length;
    }
    this.#frames.push({ head: buffer.subarray(from, at), rest: { crc32, bytes: sum(chunks) } });
    for (const chunk of chunks) {
      if (isKept(chunk)) {
        this.#push(buffer, from, at);
        this.#push(chunk, 0, chunk.length);
        from = at;
      } else {
        buffer.set(chunk, at);
        at += chunk.length;
      }
    }
    const end = at + bytes - (FRAME_HEADER_BYTES + subject.length + payloadBytes);
    buffer.fill(0, at, end);
    this.#push(buffer, from, end);
    memory.used = end;
    this.records.push({ seq: input.seq, offset: this.#used, settle });
    this.#used += bytes;
  }

  #memoryFor(bytes: number): { readonly buffer: Buffer; used: number } {
    assert(bytes <= CHUNK_BYTES, 'a record fits a chunk');
    const last = this.#chunks.at(-1);
    if (last !== undefined && last.used + bytes <= CHUNK_BYTES) return last;
    const chunk = { buffer: this.#memory.take(), used: 0 };
    this.#chunks.push(chunk);
    return chunk;
  }

  #push(buffer: Uint8Array, from: number, to: number): void {
    if (to === from) return;
    const last = this.#pieces.at(-1);
    if (last?.buffer === buffer && last.to === from) last.to = to;
    else this.#pieces.push({ buffer, from, to });
  }

  /** Computes the checksums. Returns what is to be written, in order. */
  seal(): readonly Uint8Array[] {
    for (const { head, rest } of this.#frames.splice(0)) sealFrame(head, rest);
    return this.#pieces.map(({ buffer, from, to }) => buffer.subarray(from, to));
  }

  /** Answers all that wait, and gives the memory back. */
  settle(outcome: (seq: number) => LogAppendOutcome): void {
    for (const record of this.records) record.settle(outcome(record.seq));
    this.#pieces.length = 0;
    for (const { buffer } of this.#chunks.splice(0)) this.#memory.give(buffer);
  }
}
