import { closeSync, openSync, readFileSync, rmSync, writeSync } from 'node:fs';
import { wholeSum } from './row-sum.ts';

/** Less than a sector: a disk that loses power has the old text or the new one. */
const BYTES = 32;

const textOf = (revision: number): string => {
  const sum = wholeSum({ revision, rows: 0, total: 0 });
  return `${revision} ${sum}`.padEnd(BYTES - 1).concat('\n');
};

/**
 * The newest revision that was acknowledged, in a file beside the database. sqlite opens an older
 * state without a word when its journal was cut short or is gone; by this it is noticed.
 *
 * Raised behind each commit and never synced: what it names is safe already, so power loss may
 * leave it behind and never ahead. Only for class `power`: elsewhere a commit may be lost.
 */
export class HighMark {
  /** What it was when it was opened; 0: there was none. */
  readonly revision: number;
  readonly #file: number;

  /** Opens the mark of a database, or begins it; undefined: it is damaged. */
  static open(path: string): HighMark | undefined {
    let text = '';
    try {
      text = readFileSync(path, 'latin1');
    } catch {
      // A database that has none was written by nobody, or before there were any.
    }
    const isBegun = !/^\0*$/.test(text);
    const revision = isBegun ? Number(text.slice(0, text.indexOf(' '))) : 0;
    if (isBegun && text !== textOf(revision)) return undefined;
    return new HighMark(path, revision);
  }

  private constructor(path: string, revision: number) {
    this.revision = revision;
    this.#file = openSync(path, revision === 0 ? 'w' : 'r+');
  }

  /** Notes that a revision was acknowledged. */
  raise(revision: number): void {
    writeSync(this.#file, textOf(revision), 0, 'latin1');
  }

  close(): void {
    closeSync(this.#file);
  }

  /** Forgets a mark: what comes may be lost with the power. */
  static remove(path: string): void {
    rmSync(path, { force: true });
  }
}
