/**
 * Which segments a read uses, as numbered, immutable snapshots. A read pins the one it began with;
 * what a newer one replaced is released when its last pin goes.
 */
import { andFinally, type Awaitable } from '@elanus/core';

interface Version {
  pins: number;
  /** Runs when this version and all before it have no pins. */
  release: (() => void)[];
}

/** See the file's header. */
export class Distribution {
  readonly #versions: Version[] = [{ pins: 0, release: [] }];

  /** Runs a read that has the current version pinned until it ends. */
  read<T>(run: () => Awaitable<T>): Awaitable<T> {
    const version = this.#current();
    version.pins++;
    return andFinally(run, () => {
      version.pins--;
      if (this.#versions.length > 1) this.#sweep();
    });
  }

  /** Begins a new version; `release` runs when nobody reads an older one any more. */
  replaced(release: () => void): void {
    this.#current().release.push(release);
    this.#versions.push({ pins: 0, release: [] });
    this.#sweep();
  }

  #current(): Version {
    const current = this.#versions[this.#versions.length - 1];
    if (current === undefined) throw new Error('assertion failed: a version is current');
    return current;
  }

  #sweep(): void {
    while (this.#versions.length > 1 && this.#versions[0]?.pins === 0) {
      for (const release of this.#versions.shift()?.release ?? []) release();
    }
  }
}
