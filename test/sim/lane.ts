/** A client of several machines: its database, and its handle on the rows, which may be old. */
import { connect, type Db } from '../../packages/client/src/index.ts';
import { isElanusError } from '../../packages/core/src/index.ts';
import type { EventLoop, SeededRng } from '../../packages/testkit/src/index.ts';
import type { Violation } from './checker.ts';
import { isTyped, nameOf, TIMEOUT_MS } from './life.ts';
import type { OperatedLife } from './operators.ts';
import type { Sightings } from './rare.ts';
import { roaming, type Remote } from './remote.ts';
import { openRows, type Rows } from './rows.ts';

/** What a lane goes over. */
export interface LaneOptions {
  readonly loop: EventLoop;
  readonly rng: SeededRng;
  readonly remotes: readonly Remote[];
  readonly shards: number;
  readonly sightings: Sightings;
  /** Counts changes of the collection that are known to all who ask. */
  readonly changes: () => number;
  /** Counts those who have led. */
  readonly reigns: () => number;
  readonly say: (violation: Violation) => void;
}

const EPOCH_MS = Date.UTC(2030, 0, 1);
/** The rows are opened again so long after that has failed. */
const AGAIN_MS = 200;
/** How often a client goes on with what it knows of a collection that has changed. */
const OLD_SHARE = 0.5;

/** See the file's header. */
export class Lane {
  readonly #options: LaneOptions;
  readonly #db: Db;
  readonly #wallMs: () => number;
  readonly #startedMs: number;
  #rows: Rows | undefined;
  /** The change that the handle is of. */
  #change = 0;

  constructor(options: LaneOptions) {
    this.#options = options;
    const { loop, rng, remotes } = options;
    this.#startedMs = loop.nowMs;
    this.#wallMs = () => EPOCH_MS + Math.floor(loop.nowMs);
    const database = roaming(remotes, rng.below(remotes.length), {
      moved: () => options.sightings.see('client went on elsewhere'),
      refused: (error) => this.#refused(error),
    });
    const platform = {
      random: (length: number) => rng.bytes(length),
      nowMs: this.#wallMs,
      sleep: (ms: number): Promise<void> => loop.sleep(ms, 'client waits'),
    };
    this.#db = connect(database, { platform, timeoutMs: TIMEOUT_MS });
  }

  /** The rows, made when they are not there; undefined when that failed. */
  async opened(): Promise<OperatedLife | undefined> {
    const { rng, changes, reigns } = this.#options;
    const change = changes();
    if (this.#rows === undefined || (this.#change < change && !rng.chance(OLD_SHARE))) {
      if (!(await this.#open(change))) return undefined;
    }
    const rows = this.#rows;
    if (rows === undefined) return undefined;
    const known = { db: this.#db, startedMs: this.#startedMs, wallMs: this.#wallMs };
    return { ...known, rows, number: reigns() };
  }

  async #open(change: number): Promise<boolean> {
    const { loop, shards, say } = this.#options;
    try {
      this.#rows = await openRows(this.#db, shards);
      this.#change = change;
      return true;
    } catch (error) {
      loop.note(`no rows: ${nameOf(error)}`);
      if (!isTyped(error)) say({ invariant: 'L2 typed errors', what: String(error) });
      await loop.sleep(AGAIN_MS, 'opened again');
      return false;
    }
  }

  #refused(error: unknown): void {
    const { sightings } = this.#options;
    if (!isElanusError(error)) return;
    if (error.kind === 'not_found') {
      if (this.#rows !== undefined) sightings.see('client met a dropped collection');
      this.#rows = undefined;
    } else if (error.code === 'unknown_field' || error.code === 'schema_version_stale') {
      this.#change = -1;
      sightings.see('old definition refused');
    }
  }
}
