/** What clients do with the rows, and what they note of it. */
import {
  BOUNDED_STALENESS_MS,
  isElanusError,
  makeIdempotencyKey,
} from '../../packages/core/src/index.ts';
import type { EventLoop, SeededRng } from '../../packages/testkit/src/index.ts';
import type { Violation } from './checker.ts';
import type { ExtraField, History, Read, Write } from './history.ts';
import { isTyped, nameOf } from './life.ts';
import type { Act, Plan } from './plan.ts';
import type { Sightings } from './rare.ts';
import { allFields, distanceOf, extraDefault, isWhole, rowOf } from './rows.ts';
import type { Rows, SimRow } from './rows.ts';

/** A life that clients know: where its rows are, and which it is. */
export interface OpenLife {
  readonly rows: Rows;
  readonly number: number;
  readonly startedMs: number;
  /** The calendar by which clients name their writes. */
  readonly wallMs: () => number;
}

/** A field that was added, from when it was answered until it gets another name or goes. */
export interface Extra extends ExtraField {
  endedMs: number;
  goneMs: number;
}

/** What clients share. */
export interface ClientContext {
  readonly plan: Plan;
  readonly loop: EventLoop;
  readonly history: History;
  readonly sightings: Sightings;
  /** The database, once it is open; undefined when it cannot be opened any more. */
  readonly opened: () => Promise<OpenLife | undefined>;
  /** Fields added to the collection as it is now. */
  readonly extras: () => readonly Extra[];
  /** When the collection was dropped last, or its drop began. */
  readonly droppedMs: () => number;
  readonly say: (violation: Violation) => void;
}

/** Errors after which nothing has happened. */
const REFUSED: ReadonlySet<string> = new Set(['invalid', 'already_exists', 'not_found']);
/** Refusals that what was answered before is news to the database. */
const NEWS: ReadonlySet<string> = new Set(['key_exists', 'idempotency_mismatch']);
const STRONG = { consistency: 'strong' } as const;
const RETRY_SHARE = 0.5;
/** Instants that clients may ask for. */
const INSTANTS_MAX = 40;

/** One client: asks for one thing after the other. */
export class Client {
  readonly #context: ClientContext;
  readonly #rng: SeededRng;
  readonly #lane: number;
  readonly #instants: { readonly at: bigint; readonly ms: number }[] = [];

  /** `lane`: which client it is. */
  constructor(context: ClientContext, rng: SeededRng, lane = -1) {
    this.#context = context;
    this.#rng = rng;
    this.#lane = lane;
  }

  /** Does one thing. */
  async act(): Promise<void> {
    const life = await this.#context.opened();
    if (life === undefined) return;
    const act = this.#choose();
    if (act === 'get') await this.get(life, this.#keys(20));
    else if (act === 'getAt') await this.#getAt(life);
    else if (act === 'bounded' || act === 'eventual') await this.#lagging(life, act);
    else if (act === 'session') await this.#session(life);
    else if (act === 'scan') await this.#scan(life);
    else if (act === 'count') await this.#count(life);
    else if (act === 'search') await this.#search(life);
    else if (act === 'deleteWhere') await this.#deleteWhere(life);
    else await this.#write(life, act);
  }

  #choose(): Act {
    const acts = Object.entries(this.#context.plan.acts) as [Act, number][];
    let left = this.#rng.share() * acts.reduce((sum, [, weight]) => sum + weight, 0);
    for (const [act, weight] of acts) {
      left -= weight;
      if (left < 0) return act;
    }
    return 'get';
  }

  /** Added fields that are there for sure, as far as a handle knows of them. */
  #known({ rows }: OpenLife): readonly Extra[] {
    const { extras, loop } = this.#context;
    return extras().filter(({ name, endedMs, goneMs }) => {
      const isThere = endedMs < loop.nowMs && goneMs > loop.nowMs;
      return isThere && rows.schema.fields.some((field) => field.name === name);
    });
  }

  #keys(most: number): number[] {
    const { keys } = this.#context.plan;
    const count = 1 + this.#rng.below(most);
    return [...new Set(Array.from({ length: count }, () => this.#rng.below(keys)))];
  }

  async #write(life: OpenLife, kind: 'upsert' | 'insert' | 'delete'): Promise<void> {
    const { history, loop, plan } = this.#context;
    const more = this.#known(life).filter(() => this.#rng.chance(0.5));
    const ids = this.#keys(8);
    const lane = this.#lane;
    const begun = { kind, ids, extras: more, invokedMs: loop.nowMs, life: life.number, lane };
    const write = history.begin(begun);
    loop.note(`${kind} ${write.tag} of ${ids.join()}`);
    const key = makeIdempotencyKey(life.wallMs(), this.#rng.bytes(16));
    await this.#send(life, write, key);
    while (write.outcome === 'unknown' && this.#rng.chance(RETRY_SHARE)) {
      await loop.sleep(this.#rng.below(3_000), 'retry');
      const next = await this.#context.opened();
      // Made again it is another collection, which knows nothing of what was sent to the other.
      if (next === undefined || this.#context.droppedMs() >= write.invokedMs) return;
      write.outcome = 'pending';
      write.endedMs = undefined;
      await this.#send(next, write, key);
    }
    if (write.outcome === 'ok' && this.#rng.chance(plan.repeatShare))
      await this.#repeat(write, key);
  }

  /** Sends a write again that was answered: it has no other effect, and the same answer. */
  async #repeat(write: Write, key: string): Promise<void> {
    const { loop, opened, sightings, say } = this.#context;
    await loop.sleep(this.#rng.below(10_000), 'repeat');
    const life = await opened();
    // Made again it is another collection, which knows nothing of what was sent to the other.
    if (life === undefined || this.#context.plan.dropEveryMs > 0) return;
    const wrong = (what: string): void => {
      say({ invariant: 'W5 repeat', what: `write ${write.tag} sent again: ${what}` });
    };
    try {
      const { timestamp } = await this.#call(life, write, key);
      if (timestamp !== write.timestamp) wrong(`at ${timestamp}, not ${write.timestamp}`);
      sightings.see('answered write repeated');
      if (life.number !== write.life) sightings.see('answered write repeated to a later process');
    } catch (error) {
      this.#checkTyped('repeat', error);
      if (isElanusError(error) && NEWS.has(error.code)) wrong(error.message);
      if (isElanusError(error, 'idempotency_expired')) sightings.see('retry refused as too old');
    }
  }

  async #send(life: OpenLife, write: Write, key: string): Promise<void> {
    const { loop, sightings, say } = this.#context;
    const isRetry = write.life !== life.number;
    const sentMs = loop.nowMs;
    try {
      const { timestamp } = await this.#call(life, write, key);
      if (write.outcome !== 'pending') return;
      write.outcome = 'ok';
      write.endedMs = loop.nowMs;
      write.timestamp = timestamp;
      this.#remember(timestamp);
      if (isRetry) {
        const later = this.#context.history.writes.some((other) => {
          return (other.endedMs ?? sentMs) < sentMs && (other.timestamp ?? 0n) > timestamp;
        });
        const how = later || write.seenMs < sentMs ? 'answered' : 'executed';
        sightings.see(`retry ${how} by a later process`);
      }
    } catch (error) {
      loop.note(`write ${write.tag}: ${nameOf(error)}`);
      if (isElanusError(error, 'idempotency_mismatch')) {
        say({ invariant: 'W5 retry', what: `write ${write.tag} sent again: ${error.message}` });
      }
      if (isElanusError(error, 'key_exists') && this.#isOwn(write, sentMs)) {
        say({ invariant: 'W5 retry', what: `write ${write.tag} met its own rows: ${key}` });
      }
      if (isElanusError(error, 'idempotency_expired')) sightings.see('retry refused as too old');
      this.#failed(write, error, sentMs > write.invokedMs);
    }
  }

  /** Whether a write had happened when it was sent again: then its own rows are no reason. */
  #isOwn(write: Write, sentMs: number): boolean {
    return this.#context.plan.shards === 1 && write.seenMs < sentMs;
  }

  #call(life: OpenLife, write: Write, key: string): Promise<{ readonly timestamp: bigint }> {
    const { kind, ids, tag, extras } = write;
    const options = { idempotencyKey: key };
    if (kind === 'delete') return life.rows.delete({ ids: [...ids] }, options);
    const names = extras.map(({ name }) => name);
    const batch = ids.map((id) => rowOf(tag, id, names)) as never[];
    return kind === 'insert' ? life.rows.insert(batch, options) : life.rows.upsert(batch, options);
  }

  /** Once sent again, a refusal says nothing of the attempt before. */
  #failed(write: Write, error: unknown, isAgain: boolean): void {
    const { sightings } = this.#context;
    this.#checkTyped(`write ${write.tag}`, error);
    if (write.outcome !== 'pending') return;
    // Who is told that there is no such collection may have written to one that was dropped since.
    const gone = this.#context.droppedMs() >= write.invokedMs;
    const refused = isElanusError(error) && REFUSED.has(error.kind) && !isAgain && !gone;
    // What is unknown may still happen while its process lives: its end says when that is over.
    write.endedMs = refused ? this.#context.loop.nowMs : undefined;
    write.outcome = refused ? 'fail' : 'unknown';
    if (!refused) sightings.see('write of unknown outcome');
    if (isElanusError(error, 'key_exists')) sightings.see('insert refused');
    if (isElanusError(error, 'disk_full')) sightings.see('disk full told to a client');
  }

  #remember(at: bigint): void {
    this.#instants.push({ at, ms: this.#context.loop.nowMs });
    if (this.#instants.length > INSTANTS_MAX) this.#instants.shift();
  }

  #checkTyped(what: string, error: unknown): void {
    if (isTyped(error)) return;
    this.#context.say({ invariant: 'L2 typed errors', what: `${what}: ${String(error)}` });
  }

  async #deleteWhere(life: OpenLife): Promise<void> {
    const { history, loop, plan, sightings } = this.#context;
    const from = this.#rng.below(plan.keys);
    const to = Math.min(plan.keys, from + 1 + this.#rng.below(10));
    const ids = Array.from({ length: to - from }, (_, i) => from + i);
    const begun = { kind: 'deleteWhere' as const, ids, invokedMs: loop.nowMs, life: life.number };
    const write = history.begin(begun);
    try {
      const filter = { id: { gte: from, lt: to } };
      const { count } = await life.rows.delete({ filter }, STRONG);
      if (count > 0) sightings.see('deleted by filter');
      if (write.outcome !== 'pending') return;
      write.outcome = 'ok';
      write.endedMs = loop.nowMs;
    } catch (error) {
      this.#failed(write, error, false);
    }
  }

  /** A strong read of some keys. */
  async get(life: OpenLife, ids: readonly number[]): Promise<void> {
    await this.#reading(life, { how: 'get', ids }, (select) =>
      life.rows.get([...ids], { ...STRONG, select }),
    );
  }

  /** A read that has to see what this client wrote and saw, and may miss what others did. */
  async #session(life: OpenLife): Promise<void> {
    const ids = this.#keys(20);
    await this.#reading(life, { how: 'get', ids, session: this.#lane }, (select) => {
      return life.rows.get([...ids], { consistency: 'session', select });
    });
  }

  /** A read that may be behind: by so much, or as far as it likes. */
  async #lagging(life: OpenLife, consistency: 'bounded' | 'eventual'): Promise<void> {
    const ids = this.#keys(20);
    const { faults } = this.#context.plan;
    // By the calendar of who is asked, which may be as far from that of the owner.
    const boundMs = BOUNDED_STALENESS_MS + 2 * faults.clockMs;
    const staleMs = consistency === 'bounded' ? boundMs : Infinity;
    const read = await this.#reading(life, { how: 'get', ids, staleMs }, (select) => {
      return life.rows.get([...ids], { consistency, select });
    });
    if (read !== undefined && this.#isBehind(read)) {
      this.#context.sightings.see(`${consistency} read behind`);
    }
  }

  /** Whether a read lacks what had been acknowledged when it began. */
  #isBehind({ found, invokedMs }: Read): boolean {
    const { history } = this.#context;
    return history.writes.some(({ ids, kind, timestamp = 0n, endedMs = Infinity }) => {
      if (endedMs >= invokedMs || kind === 'drop' || kind === 'deleteWhere') return false;
      return ids.some((id) => {
        const tag = found.get(id);
        const shown = tag === undefined ? undefined : history.of(tag);
        return shown?.timestamp !== undefined && shown.timestamp < timestamp;
      });
    });
  }

  async #getAt(life: OpenLife): Promise<void> {
    const since = this.#context.droppedMs();
    const known = this.#instants.filter(({ ms }) => ms > since);
    if (known.length === 0) return;
    const { at, ms } = this.#rng.pick(known);
    const ids = this.#keys(20);
    const { sightings } = this.#context;
    try {
      const consistency = { at };
      const read = await this.#reading(life, { how: 'get', ids, at }, (select) => {
        return life.rows.get([...ids], { consistency, select });
      });
      if (read === undefined) return;
      if (ms < life.startedMs) sightings.see('past read over a restart');
      if (this.#isOver(read, at)) sightings.see('past read of what is no more');
    } catch (error) {
      if (isElanusError(error, 'timestamp_out_of_range')) sightings.see('past read refused');
    }
  }

  /** Whether something that a read of an instant found had been written over when it began. */
  #isOver({ found, invokedMs }: Read, at: bigint): boolean {
    return this.#context.history.writes.some(({ ids, timestamp = 0n, endedMs = Infinity }) => {
      if (timestamp <= at || endedMs >= invokedMs) return false;
      return ids.some((id) => found.get(id) !== undefined);
    });
  }

  #everyKey(): number[] {
    return Array.from({ length: this.#context.plan.keys }, (_, id) => id);
  }

  async #scan(life: OpenLife): Promise<void> {
    const pageRows = 5 + this.#rng.below(40);
    await this.#reading(life, { how: 'scan', ids: this.#everyKey() }, async (select) => {
      const rows: SimRow[] = [];
      let pages = 0;
      for await (const page of life.rows.scan({ ...STRONG, select, pageRows })) {
        rows.push(...(page as unknown as SimRow[]));
        pages++;
      }
      if (pages > 1) this.#context.sightings.see('scan of several pages');
      return rows;
    });
  }

  async #search(life: OpenLife): Promise<void> {
    const vector = [this.#rng.below(100), this.#rng.below(100), this.#rng.below(7), 1];
    const limit = 1_000;
    await this.#reading(life, { how: 'search', ids: this.#everyKey() }, async (select) => {
      const hits = await life.rows.search({ ...STRONG, select, vector, limit });
      const rows = hits as unknown as (SimRow & { readonly score: number })[];
      let last = 0;
      for (const row of rows) {
        const right = row.score === distanceOf(row, vector) && row.score >= last;
        last = row.score;
        if (right) continue;
        const what = `row ${row.id} of ${row.tag} at ${row.score} behind ${last}`;
        this.#context.say({ invariant: 'R7 distance', what });
      }
      return rows;
    });
  }

  async #count(life: OpenLife): Promise<void> {
    const { loop, history } = this.#context;
    const invokedMs = loop.nowMs;
    try {
      const count = await life.rows.count(STRONG);
      history.counts.push({ invokedMs, endedMs: loop.nowMs, count });
    } catch (error) {
      this.#readFailed('count', error);
    }
  }

  #readFailed(how: string, error: unknown): void {
    const { loop, sightings } = this.#context;
    loop.note(`${how}: ${nameOf(error)}`);
    this.#checkTyped(how, error);
    sightings.see('read failed');
  }

  /** Reads, checks each row by itself, and notes which write each key shows. */
  async #reading(
    life: OpenLife,
    {
      how,
      ids,
      at,
      session,
      staleMs,
    }: Pick<Read, 'how' | 'session' | 'staleMs'> & {
      readonly ids: readonly number[];
      readonly at?: bigint;
    },
    send: (select: never[]) => Promise<readonly unknown[]>,
  ): Promise<Read | undefined> {
    const { loop, history } = this.#context;
    const invokedMs = loop.nowMs;
    const known = this.#known(life);
    try {
      const rows = await send(allFields(known.map(({ name }) => name)));
      const found = new Map<number, number | undefined>(ids.map((id) => [id, undefined]));
      for (const row of rows) {
        if (row === null || row === undefined) continue;
        const { id, tag } = row as SimRow;
        found.set(id, tag);
        this.#checkRow(row as SimRow, known);
      }
      const read = { how, invokedMs, endedMs: loop.nowMs, found, at, session, staleMs };
      history.saw(read, this.#lane);
      return read;
    } catch (error) {
      this.#readFailed(how, error);
      if (at !== undefined) throw error;
      return undefined;
    }
  }

  #checkRow(row: SimRow, known: readonly Extra[]): void {
    const write = this.#context.history.of(row.tag);
    let right = isWhole(row);
    for (const { name, n, goneMs } of known) {
      // It went, or got another name, while it was read: then it may be missing.
      if (row[name] === undefined && goneMs < this.#context.loop.nowMs) continue;
      const isNamed = write?.extras.some((extra) => extra.n === n) === true;
      const want = isNamed ? row.tag : extraDefault(n);
      right &&= row[name] === want;
      if (want !== row.tag) this.#context.sightings.see('field added');
    }
    if (right) return;
    const text = JSON.stringify({ ...row, text: undefined });
    this.#context.say({ invariant: 'S2 mixed', what: `row is not as written: ${text}` });
  }
}
