import type { FileHandle } from '@elanus/core';
import { RECORD_BYTES_MAX } from './append-check.ts';
import type { Frame } from './frame.ts';
import { findFrame, frameBytes, readFrame } from './frame.ts';

/** Bytes read at once: what one turn of the event loop checks. */
const READ_BYTES = 512 * 1024;

/** The largest payload of a frame that we wrote. */
const PAYLOAD_MAX = RECORD_BYTES_MAX;

/**
 * Reads frames one after the other through a window, whose memory is used again and again: fresh
 * pages cost more than the copy into them.
 */
export class FrameReader {
  readonly #handle: FileHandle;
  readonly #end: number;
  #memory: Buffer = Buffer.alloc(0);
  /** What has been read of the file, a part of the memory. */
  #view: Buffer = Buffer.alloc(0);
  #base: number;
  #at = 0;

  /** Reads from the byte offset `from` to `end`. */
  constructor(handle: FileHandle, range: { readonly from: number; readonly end: number }) {
    this.#handle = handle;
    this.#base = range.from;
    this.#end = range.end;
  }

  /** The offset of the next frame in the file. */
  get offset(): number {
    return this.#base + this.#at;
  }

  /** The buffer that the last frame's offsets refer to; the next frame may overwrite it. */
  get window(): Buffer {
    return this.#view;
  }

  /** The next frame; `end` behind the last; `bad` where none begins, and the offset stays. */
  async next(): Promise<Frame | 'end' | 'bad'> {
    for (;;) {
      const frame = readFrame(this.#view, this.#at, PAYLOAD_MAX);
      if (frame === undefined) return 'bad';
      if (typeof frame !== 'number') {
        this.#at = frame.end;
        return frame;
      }
      if (this.offset === this.#end) return 'end';
      if (!(await this.#fill(frame))) return 'bad';
    }
  }

  /** The next valid frame behind a bad place. */
  async skip(): Promise<Frame | undefined> {
    this.#at += 8;
    for (;;) {
      const found = findFrame(this.#view, Math.min(this.#at, this.#view.length));
      if (found < 0) {
        this.#at = Math.max(this.#at, this.#view.length & ~7);
        if (!(await this.#fill(8))) return undefined;
        continue;
      }
      this.#at = found;
      if (found % 8 === 0) {
        const frame = await this.next();
        if (typeof frame !== 'string') return frame;
      }
      this.#at = (this.#at & ~7) + 8;
    }
  }

  /**
   * Moves the window so that it holds `need` bytes from the offset; false when the file does not.
   */
  async #fill(need: number): Promise<boolean> {
    const offset = this.offset;
    const have = Math.max(0, this.#view.length - this.#at);
    const want = Math.min(Math.max(need, have + READ_BYTES), this.#end - offset);
    if (want < need || want <= have) return false;
    const from = Math.min(this.#at, this.#view.length);
    if (want > this.#memory.length) {
      this.#memory = Buffer.allocUnsafeSlow(want);
      this.#view.copy(this.#memory, 0, from);
    } else {
      this.#memory.copyWithin(0, from, from + have);
    }
    const got = await this.#handle.read(this.#memory.subarray(have, want), offset + have);
    this.#view = this.#memory.subarray(0, have + got);
    this.#base = offset;
    this.#at = 0;
    return have + got >= need;
  }
}

/** Bytes a frame of the largest record takes. */
export const FRAME_BYTES_MAX = frameBytes(128, PAYLOAD_MAX);
