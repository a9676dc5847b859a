import type { LogAppendOutcome } from '@elanus/core';
import { assert } from '@elanus/core';
import { FRAME_BYTES_MAX } from './frame-reader.ts';
import type { FrameInput } from './frame.ts';
import { frameBytes, writeFrame } from './frame.ts';

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

/** Records that are written and synced together. Appends copy into it: the capture at the call. */
export class Group {
  readonly #memory: Chunks;
  readonly #chunks: { readonly buffer: Buffer; used: number }[] = [];
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

  /** What is to be written, in order. */
  get parts(): readonly Buffer[] {
    return this.#chunks.map(({ buffer, used }) => buffer.subarray(0, used));
  }

  /** Adds a record behind the others. */
  add(input: FrameInput, settle: (outcome: LogAppendOutcome) => void): void {
    const bytes = frameBytes(input.subject.length, input.payloadBytes);
    assert(bytes <= CHUNK_BYTES, 'a record fits a chunk');
    let chunk = this.#chunks.at(-1);
    if (chunk === undefined || chunk.used + bytes > CHUNK_BYTES) {
      chunk = { buffer: this.#memory.take(), used: 0 };
      this.#chunks.push(chunk);
    }
    this.records.push({ seq: input.seq, offset: this.#used, settle });
    chunk.used = writeFrame(chunk.buffer, chunk.used, input);
    this.#used += bytes;
  }

  /** Answers all that wait, and gives the memory back. */
  settle(outcome: (seq: number) => LogAppendOutcome): void {
    for (const record of this.records) record.settle(outcome(record.seq));
    for (const { buffer } of this.#chunks.splice(0)) this.#memory.give(buffer);
  }
}
