/**
 * Which segments a read uses, as numbered, immutable snapshots. A read pins the one it began with;
 * what a newer one replaced is released when its last pin goes.
 */
export interface Pinned {
  /** Ends the read. Twice is a bug. */
  unpin(): void;
}

interface Version {
  pins: number;
  /** Runs when this version and all before it have no pins. */
  release: (() => void)[];
}

/** See the file's header. */
export class Distribution {
  readonly #versions: Version[] = [{ pins: 0, release: [] }];

  /** Pins the current version. */
  pin(): Pinned {
    const version = this.#current();
    version.pins++;
    return {
      unpin: () => {
        version.pins--;
        this.#sweep();
      },
    };
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
