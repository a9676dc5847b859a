import type { LogAppendOutcome } from '@elanus/core';
import type { FrameInput } from './frame.ts';
import { frameBytes, writeFrame } from './frame.ts';

const FIRST_BYTES = 256 * 1024;

/** Records that are written and synced together. Appends copy into it: the capture at the call. */
export class Group {
  #buffer: Buffer;
  #used = 0;
  /** Seq of each record with its offset in the group and who waits for it. */
  readonly records: {
    readonly seq: number;
    readonly offset: number;
    readonly settle: (outcome: LogAppendOutcome) => void;
  }[] = [];

  constructor(buffer?: Buffer) {
    this.#buffer = buffer ?? Buffer.allocUnsafeSlow(FIRST_BYTES);
  }

  /** Bytes in use. */
  get used(): number {
    return this.#used;
  }

  /** What is to be written. */
  get bytes(): Buffer {
    return this.#buffer.subarray(0, this.#used);
  }

  /** The buffer, for the next group. */
  get buffer(): Buffer {
    return this.#buffer;
  }

  /** Adds a record; one that does not fit makes the buffer grow by doubling. */
  add(input: FrameInput, settle: (outcome: LogAppendOutcome) => void): void {
    const need = this.#used + frameBytes(input.subject.length, input.payloadBytes);
    if (need > this.#buffer.length) {
      const grown = Buffer.allocUnsafeSlow(Math.max(need, this.#buffer.length * 2));
      this.#buffer.copy(grown, 0, 0, this.#used);
      this.#buffer = grown;
    }
    this.records.push({ seq: input.seq, offset: this.#used, settle });
    this.#used = writeFrame(this.#buffer, this.#used, input);
  }

  /** Answers all that wait. */
  settle(outcome: (seq: number) => LogAppendOutcome): void {
    for (const record of this.records) record.settle(outcome(record.seq));
  }
}
