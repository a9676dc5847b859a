import { ElanusError } from '@elanus/core';
import type { MetaChange, MetaUpdate } from '@elanus/core';

/** Transactions kept for watches; older ones are compacted away. */
const UPDATES_MAX = 10_000;

/** The changes since opening (or the last compaction), and those who wait for more. */
export class History {
  readonly #updates: MetaUpdate[] = [];
  /** Watches may start here or later. */
  #compacted: number;
  #wake: (() => void)[] = [];
  #closed = false;

  /** Knows nothing up to and including `revision`. */
  constructor(revision: number) {
    this.#compacted = revision + 1;
  }

  /** Adds the changes of one transaction and wakes the watches. */
  add(update: MetaUpdate): void {
    this.#updates.push(update);
    if (this.#updates.length > UPDATES_MAX) {
      const gone = this.#updates.splice(0, UPDATES_MAX / 2).at(-1);
      this.#compacted = (gone?.revision ?? 0) + 1;
    }
    this.#wakeAll();
  }

  /** Forgets what is below. */
  compact(revision: number): void {
    if (revision <= this.#compacted) return;
    this.#compacted = revision;
    const keep = this.#updates.findIndex((update) => update.revision >= revision);
    this.#updates.splice(0, keep < 0 ? this.#updates.length : keep);
    this.#wakeAll();
  }

  /** Ends all watches. */
  close(): void {
    this.#closed = true;
    this.#wakeAll();
  }

  #wakeAll(): void {
    const wake = this.#wake;
    this.#wake = [];
    for (const one of wake) one();
  }

  async *watch(
    prefix: string,
    options: { readonly fromRevision: number; readonly signal: AbortSignal },
  ): AsyncGenerator<MetaUpdate> {
    let from = options.fromRevision;
    while (!options.signal.aborted && !this.#closed) {
      if (from < this.#compacted) {
        const compacted = this.#compacted;
        throw new ElanusError('revision_compacted', { fromRevision: from, compacted });
      }
      const update = this.#next(prefix, from);
      if (update !== undefined) {
        from = update.revision + 1;
        yield update;
        continue;
      }
      from = Math.max(from, (this.#updates.at(-1)?.revision ?? 0) + 1);
      await this.#sleep(options.signal);
    }
  }

  /** The first update at or after a revision that touches the prefix. */
  #next(prefix: string, from: number): MetaUpdate | undefined {
    for (let i = this.#firstAt(from); i < this.#updates.length; i++) {
      const update = this.#updates[i];
      const changes = update?.changes.filter(({ key }) => key.startsWith(prefix)) ?? [];
      if (update !== undefined && changes.length > 0) {
        return { revision: update.revision, changes: changes.map(copyChange) };
      }
    }
    return undefined;
  }

  #firstAt(revision: number): number {
    let low = 0;
    let high = this.#updates.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#updates[middle]?.revision ?? 0) < revision) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  #sleep(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const wake = (): void => {
        signal.removeEventListener('abort', wake);
        resolve();
      };
      signal.addEventListener('abort', wake, { once: true });
      this.#wake.push(wake);
    });
  }
}

function copyChange(change: MetaChange): MetaChange {
  return { ...change, value: change.value?.slice() };
}
