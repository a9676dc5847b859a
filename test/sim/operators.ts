/**
 * What operators of a seed do meanwhile: they change the schema, compact, drop the collection and
 * make it again. What came of it is noted for the clients and for the checker.
 */
import type { Db } from '../../packages/client/src/index.ts';
import { SeededRng, type EventLoop } from '../../packages/testkit/src/index.ts';
import type { Violation } from './checker.ts';
import type { Extra, OpenLife } from './clients.ts';
import type { History, Write } from './history.ts';
import { isTyped, nameOf, TIMEOUT_MS } from './life.ts';
import type { Plan } from './plan.ts';
import type { Sightings } from './rare.ts';
import { addExtra, extraName, NAME, openRows, type Rows } from './rows.ts';

/** What they work on. */
export type OperatedLife = OpenLife & { readonly db: Db };

/** Where they work. */
export interface OperatorContext<L extends OperatedLife = OperatedLife> {
  readonly seed: number;
  readonly plan: Plan;
  readonly loop: EventLoop;
  readonly history: History;
  readonly sightings: Sightings;
  readonly isEnding: () => boolean;
  /** Whether somebody answers for the catalog. */
  readonly isLed: () => boolean;
  /** Counts those who have led, or processes: what lives are numbered by. */
  readonly lives: () => number;
  /** A database that is open; undefined: there is none now. */
  readonly opened: () => Promise<L | undefined>;
  /** What the collection is now, where it has changed. */
  readonly reopened: (life: L, rows: Rows) => void;
  readonly say: (violation: Violation) => void;
}

/** How often it is looked for what became of a drop that nobody answered. */
const GONE_MS = 500;

/** See the file's header. */
export class Operators<L extends OperatedLife = OperatedLife> {
  readonly #context: OperatorContext<L>;
  #extras: Extra[] = [];
  #extrasMade = 0;
  #droppedMs = -Infinity;

  constructor(context: OperatorContext<L>) {
    this.#context = context;
  }

  /** Fields added to the collection as it is now. */
  get extras(): readonly Extra[] {
    return this.#extras;
  }

  /** When the collection was dropped last; infinite while a drop may still happen. */
  get droppedMs(): number {
    return this.#droppedMs;
  }

  /** All of what the plan has, until the end. */
  run(): readonly Promise<void>[] {
    return [this.#alters(), this.#drops(), this.#compacts()];
  }

  /** Does something now and then, until the end; what fails is noted. */
  async often(everyMs: number, what: string, work: (life: L) => Promise<void>): Promise<void> {
    if (everyMs === 0) return;
    const { seed, loop, plan, isEnding, opened, say } = this.#context;
    const rng = new SeededRng(seed, 500 + what.length);
    while (!isEnding()) {
      await loop.sleep(Math.min(everyMs * (0.5 + rng.share()), plan.chaosMs), what);
      if (isEnding()) return;
      const patience = loop.sleep(TIMEOUT_MS * 2, `${what} given up`);
      const done = opened().then((life) => (life === undefined ? undefined : work(life)));
      const failed = (error: unknown): void => {
        loop.note(`${what}: ${nameOf(error)}`);
        if (isTyped(error)) return;
        say({ invariant: 'L2 typed errors', what: `${what}: ${String(error)}` });
      };
      await Promise.race([done.catch(failed), patience]);
    }
  }

  /** Adds a field, gives one another name, or takes one away. */
  #alters(): Promise<void> {
    const { plan, seed } = this.#context;
    const rng = new SeededRng(seed, 510);
    const { isLed, lives, sightings } = this.#context;
    return this.often(plan.alterEveryMs, 'alter', async (life) => {
      if (this.#droppedMs === Infinity) return;
      const known = this.#extras.filter(({ endedMs, goneMs }) => {
        return endedMs < Infinity && goneMs === Infinity;
      });
      const one = known.length > 0 && rng.chance(plan.renameShare) ? rng.pick(known) : undefined;
      if (!isLed()) sightings.see('alter while nobody leads');
      if (one === undefined) await this.#add(life);
      else if (rng.chance(0.5)) await this.#rename(life, one);
      else await this.#remove(life, one);
      if (lives() !== life.number) sightings.see('alter answered under a later leader');
      await this.#reopen(life);
    });
  }

  async #add(life: L): Promise<void> {
    const n = ++this.#extrasMade;
    const extra = this.#begin(extraName(n), n);
    await this.#answered(addExtra(life.db, n));
    extra.endedMs = this.#context.loop.nowMs;
  }

  async #rename(life: L, extra: Extra): Promise<void> {
    const { loop, sightings } = this.#context;
    extra.goneMs = loop.nowMs;
    const to = this.#begin(`${extra.name}x`, extra.n);
    await this.#answered(life.db.alter(NAME, { rename: { [extra.name]: to.name } }));
    to.endedMs = loop.nowMs;
    sightings.see('field renamed');
  }

  async #remove(life: L, extra: Extra): Promise<void> {
    const { loop, sightings } = this.#context;
    extra.goneMs = loop.nowMs;
    await this.#answered(life.db.alter(NAME, { drop: [extra.name] }));
    sightings.see('field dropped');
  }

  /** A field whose name nobody uses before it is there for sure. */
  #begin(name: string, n: number): Extra {
    const extra = { name, n, endedMs: Infinity, goneMs: Infinity };
    this.#extras.push(extra);
    return extra;
  }

  async #answered(altered: Promise<unknown>): Promise<void> {
    try {
      await altered;
    } catch (error) {
      this.#context.sightings.see('alter not answered');
      throw error;
    }
  }

  /** Asks for a compaction. */
  #compacts(): Promise<void> {
    const { plan, sightings } = this.#context;
    return this.often(plan.compactEveryMs, 'compaction', async ({ rows }) => {
      const { after, before } = await rows.compact({ timeoutMs: TIMEOUT_MS });
      const few = after.segments < before.segments;
      sightings.see(few ? 'compacted on request' : 'nothing to compact');
    });
  }

  /** Drops the collection, and makes it again. */
  #drops(): Promise<void> {
    const { plan, history, loop, sightings, isLed, lives } = this.#context;
    return this.often(plan.dropEveryMs, 'drop', async (life) => {
      // One whose drop may still happen is not dropped again.
      if (this.#droppedMs === Infinity) return;
      // The handle at hand may be of one that was dropped before.
      const { collectionId } = (await openRows(life.db, plan.shards)).schema;
      const ids = Array.from({ length: plan.keys }, (_, id) => id);
      const begun = { kind: 'drop', ids, invokedMs: loop.nowMs, life: life.number } as const;
      const write = history.begin(begun);
      this.#droppedMs = Infinity;
      this.#extras = [];
      if (!isLed()) sightings.see('drop while nobody leads');
      try {
        await life.db.drop(NAME);
        if (lives() !== life.number) sightings.see('drop answered under a later leader');
      } catch (error) {
        if (write.outcome === 'pending') write.outcome = 'unknown';
        sightings.see('drop not answered');
        loop.note(`drop: ${nameOf(error)}`);
        if (!isTyped(error)) throw error;
        if (!(await this.#seenGone(collectionId))) return;
        sightings.see('drop not answered had happened');
      }
      this.#happened(write);
      this.#droppedMs = loop.nowMs;
      await this.#reopen(life);
      sightings.see('dropped and made again');
    });
  }

  /** Whether a collection whose drop was not answered has gone: another has its name. */
  async #seenGone(collectionId: number): Promise<boolean> {
    const { loop, plan, isEnding, opened } = this.#context;
    while (!isEnding()) {
      await loop.sleep(GONE_MS, 'drop looked for');
      const life = await opened();
      if (life === undefined) continue;
      const rows = await openRows(life.db, plan.shards).catch(() => undefined);
      if (rows !== undefined && rows.schema.collectionId !== collectionId) return true;
    }
    return false;
  }

  #happened(write: Write): void {
    write.outcome = 'ok';
    write.endedMs ??= this.#context.loop.nowMs;
  }

  /** Clients go on with what the collection is now. */
  async #reopen(life: L): Promise<void> {
    const { plan, reopened } = this.#context;
    reopened(life, await openRows(life.db, plan.shards));
  }
}
