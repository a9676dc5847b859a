/**
 * 8-bit codes for rows that still grow: once long searches come, full chunks get them one after the
 * other, on the threads that build indexes, and searches then read a quarter of the bytes. Rows
 * that nobody searches cost nothing. Codes go with their chunk; nothing of them is stored.
 */
import type { Pool } from '@elanus/core';
import { indexThreads, loadIndexKinds, type IndexFile } from '@elanus/index';
import type { KernelChoice, Kernels } from '@elanus/kernels';
import type { GrowingSegment, UncodedChunk } from '@elanus/segment';

/** See the file's header. */
export class GrowingCodes {
  readonly #pool: Pool;
  readonly #choice: KernelChoice;
  readonly #kernels: Kernels;
  #running = false;
  /** Why the last build failed, for people; its rows go on being scanned. */
  lastFailure: unknown;

  constructor(options: {
    readonly pool: Pool;
    readonly choice: KernelChoice;
    readonly kernels: Kernels;
  }) {
    this.#pool = options.pool;
    this.#choice = options.choice;
    this.#kernels = options.kernels;
  }

  /** Begins to code what is full, unless that runs already. */
  kick(segments: () => Iterable<GrowingSegment>): void {
    if (this.#running) return;
    const next = (): UncodedChunk | undefined => {
      for (const rows of segments()) {
        const [chunk] = rows.uncoded();
        if (chunk !== undefined) return chunk;
      }
      return undefined;
    };
    const first = next();
    if (first === undefined) return;
    this.#running = true;
    void this.#codeAll(first, next).finally(() => {
      this.#running = false;
    });
  }

  async #codeAll(first: UncodedChunk, next: () => UncodedChunk | undefined): Promise<void> {
    try {
      for (let chunk: UncodedChunk | undefined = first; chunk !== undefined; chunk = next()) {
        await this.#code(chunk);
      }
    } catch (error) {
      this.lastFailure = error;
    }
  }

  async #code({ column, metric, take }: UncodedChunk): Promise<void> {
    const control = new Int32Array(new SharedArrayBuffer(8));
    const input = { kernels: this.#choice, kind: 'FLAT_SQ8', metric, column, control };
    const task = { entry: indexThreads.build, name: 'build', input };
    const file = (await this.#pool.run(task)) as IndexFile | undefined;
    if (file === undefined) return;
    const { builtHandle } = await loadIndexKinds();
    if (!take(builtHandle(file, column))) this.#kernels.discard(file.memory);
  }
}
