import type { LogAppendOutcome } from '@elanus/core';
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

/** Kept parts below it are copied all the same: a piece of its own costs more. */
const PIECE_BYTES_MIN = 4096;

/** A record on its way into a group. */
export interface GroupInput extends FrameInput {
  readonly parts: readonly Uint8Array[];
  /** The parts never change, and need no copy. */
  readonly frozen: boolean;
}

/** Bytes of a buffer that are to be written. */
interface Piece {
  readonly buffer: Uint8Array;
  readonly from: number;
  to: number;
}

/**
 * Records that are written and synced together. Adding one captures its parts, by a copy where
 * they may change; checksums are computed when the group is sealed, in another turn.
 */
export class Group {
  readonly #memory: Chunks;
  readonly #chunks: { readonly buffer: Buffer; used: number }[] = [];
  readonly #pieces: Piece[] = [];
  readonly #frames: (readonly [Buffer, ...Uint8Array[]])[] = [];
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
    const { subject, payloadBytes, parts } = input;
    const bytes = frameBytes(subject.length, payloadBytes);
    const isKept = (part: Uint8Array): boolean => {
      return input.frozen && part.length >= PIECE_BYTES_MIN;
    };
    const kept = parts.reduce((sum, part) => sum + (isKept(part) ? part.length : 0), 0);
    const chunk = this.#chunkFor(bytes - kept);
    const { buffer } = chunk;
    let from = chunk.used;
    let at = writeFrameHead(buffer, from, input);
    let head: Buffer | undefined;
    const rest: Uint8Array[] = [];
    const cut = (): void => {
      const piece = buffer.subarray(from, at);
      if (head === undefined) head = piece;
      else if (piece.length > 0) rest.push(piece);
      this.#push(buffer, from, at);
      from = at;
    };
    for (const part of parts) {
      if (isKept(part)) {
        cut();
        rest.push(part);
        this.#push(part, 0, part.length);
      } else {
        buffer.set(part, at);
        at += part.length;
      }
    }
    cut();
    assert(head !== undefined, 'a frame has a head');
    this.#frames.push([head, ...rest]);
    chunk.used = from + bytes - (FRAME_HEADER_BYTES + subject.length + payloadBytes);
    buffer.fill(0, from, chunk.used);
    this.#push(buffer, from, chunk.used);
    this.records.push({ seq: input.seq, offset: this.#used, settle });
    this.#used += bytes;
  }

  #chunkFor(bytes: number): { readonly buffer: Buffer; used: number } {
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
    for (const frame of this.#frames.splice(0)) sealFrame(frame);
    return this.#pieces.map(({ buffer, from, to }) => buffer.subarray(from, to));
  }

  /** Answers all that wait, and gives the memory back. */
  settle(outcome: (seq: number) => LogAppendOutcome): void {
    for (const record of this.records) record.settle(outcome(record.seq));
    this.#pieces.length = 0;
    for (const { buffer } of this.#chunks.splice(0)) this.#memory.give(buffer);
  }
}
