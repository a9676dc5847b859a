/**
 * One seed of the embedded database: clients write and read while its process is killed, power
 * fails, the disk refuses and metadata does not answer; then all is healed, and what is found is
 * held against the history.
 */
import {
  collection,
  connect,
  t,
  type Collection,
  type Db,
} from '../../packages/client/src/index.ts';
import { isElanusError } from '../../packages/core/src/index.ts';
import { startEmbedded } from '../../packages/elanus/src/embedded.ts';
import { flushShard, invoke } from '../../packages/protocol/src/index.ts';
import type { OpenWorld } from '../../packages/runtime/src/index.ts';
import {
  EventLoop,
  SeededRng,
  SimMachine,
  type LoopEnd,
  type MachineFaults,
} from '../../packages/testkit/src/index.ts';
import { check, type Violation } from './checker.ts';
import { History, type Write } from './history.ts';

const DIM = 4;
const CHAOS_MS = 80_000;
/** A healed database answers within so long. */
const HEALED_MS = 40_000;
const TIMEOUT_MS = 5_000;
/** A process that starts takes about so long to open its database. */
const STARTING_MS = 100;
/** Errors after which nothing has happened. */
const REFUSED: ReadonlySet<string> = new Set(['invalid', 'already_exists', 'not_found']);

const rowsOf = (shards: number) =>
  collection(
    'rows',
    {
      id: t.int64({ primary: true, as: 'number' }),
      tag: t.int64({ as: 'number' }),
      text: t.varchar({ maxLength: 256 }),
      vec: t.vector(DIM, { metric: 'l2' }),
    },
    { shards },
  );
type Fields = ReturnType<typeof rowsOf> extends { readonly fields: infer S } ? S : never;

/** What a seed does to its machine and its clients. */
interface Plan {
  readonly faults: MachineFaults;
  readonly clients: number;
  readonly keys: number;
  readonly shards: number;
  readonly thinkMs: number;
  readonly stopsEveryMs: number;
  readonly powerShare: number;
  /** How often a process is stopped again while it starts. */
  readonly againShare: number;
  readonly flushEveryMs: number;
}

/** What came of a seed. */
export interface SeedResult extends LoopEnd {
  readonly seed: number;
  readonly violations: readonly Violation[];
  readonly injected: number;
  readonly writes: number;
  readonly acknowledged: number;
  readonly reads: number;
  readonly starts: number;
}

/** Every seed has some of the faults, each as strong as it likes. */
function planOf(rng: SeededRng): Plan {
  const some = (share: number, most: number): number =>
    rng.chance(share) ? most * rng.share() : 0;
  return {
    faults: {
      disk: some(0.5, 0.05),
      meta: some(0.4, 0.1),
      clockMs: some(0.5, 3_600_000),
      pace: { callMs: 0.05 + some(0.5, 5), syncMs: 0.5 + some(0.5, 50) },
    },
    clients: 2 + rng.below(6),
    keys: 20 + rng.below(200),
    shards: 1 + rng.below(2),
    thinkMs: 5 + rng.below(400),
    stopsEveryMs: 2_000 + rng.below(30_000),
    powerShare: rng.share(),
    againShare: some(0.6, 0.9),
    flushEveryMs: 200 + rng.below(10_000),
  };
}

const textOf = (tag: number, id: number): string => `${tag}/${id} `.repeat(1 + ((tag + id) % 12));
const vectorOf = (tag: number, id: number): number[] => [tag % 97, id % 89, tag % 7, 1];

/** A database that is open, and the process it lives in. */
interface Life {
  readonly world: OpenWorld;
  readonly db: Db;
  readonly rows: Collection<Fields, false>;
  readonly number: number;
}

class Run {
  readonly #seed: number;
  readonly #rng: SeededRng;
  readonly #loop: EventLoop;
  readonly #machine: SimMachine;
  readonly #plan: Plan;
  readonly #history = new History();
  readonly #found: Violation[] = [];
  #life: Promise<Life> | undefined;
  #lives = 0;
  #ending = false;

  constructor(seed: number) {
    this.#seed = seed;
    this.#rng = new SeededRng(seed);
    this.#loop = new EventLoop(new SeededRng(seed, 2));
    this.#plan = planOf(this.#rng);
    const { faults } = this.#plan;
    this.#machine = new SimMachine({ loop: this.#loop, seed, faults });
  }

  async result(): Promise<SeedResult> {
    let last: ReadonlyMap<number, number | undefined> = new Map();
    const end = await this.#loop.run(async () => {
      this.#start();
      const { clients } = this.#plan;
      const lanes = Array.from({ length: clients }, (_, i) => this.#client(i));
      await Promise.all([...lanes, this.#trouble(), this.#flusher()]);
      this.#machine.heal();
      this.#stop(false);
      this.#start();
      last = await this.#healed();
    });
    const { writes, reads } = this.#history;
    return {
      ...end,
      seed: this.#seed,
      violations: [...this.#found, ...check(this.#history, { last, shards: this.#plan.shards })],
      injected: this.#machine.injected,
      writes: writes.length,
      acknowledged: writes.filter(({ outcome }) => outcome === 'ok').length,
      reads: reads.length,
      starts: this.#lives,
    };
  }

  /** The database, once it is open; undefined when it cannot be opened any more. */
  #opened(): Promise<Life | undefined> {
    return this.#life?.catch(() => undefined) ?? Promise.resolve(undefined);
  }

  #start(): void {
    const number = ++this.#lives;
    this.#loop.note(`start ${number}`);
    this.#life = this.#open(number);
    this.#life.catch(() => undefined);
  }

  async #open(number: number): Promise<Life> {
    for (;;) {
      try {
        const world = await this.#machine.boot();
        const database = await startEmbedded({ world, durability: 'power', kernels: 'auto' });
        const { clock, rng } = world;
        const sleep = (ms: number): Promise<void> => this.#loop.sleep(ms, 'client waits');
        const platform = {
          random: (length: number) => rng.bytes(length),
          nowMs: () => clock.wallMs(),
          sleep,
        };
        const db = connect(database, { platform, timeoutMs: TIMEOUT_MS });
        return { world, db, rows: await db.collection(rowsOf(this.#plan.shards)), number };
      } catch (error) {
        // A disk that fails while it is opened: whoever runs the database starts it again.
        this.#loop.note(`not opened: ${nameOf(error)}`);
        if (isElanusError(error) && /corrupt|regressed/.test(error.code)) {
          this.#found.push({ invariant: 'W5 readable', what: `opening: ${error.message}` });
          throw error;
        }
        await this.#loop.sleep(500, 'started again');
      }
    }
  }

  /** Ends the process: killed, or without power. */
  #stop(power: boolean): void {
    this.#loop.note(power ? 'power loss' : 'kill');
    if (power) this.#machine.powerLoss();
    else this.#machine.kill();
    this.#history.crashed(this.#loop.nowMs);
  }

  async #trouble(): Promise<void> {
    const { stopsEveryMs, powerShare, againShare } = this.#plan;
    while (this.#loop.nowMs < CHAOS_MS) {
      const again = this.#rng.chance(againShare);
      const waitMs = again ? STARTING_MS : stopsEveryMs * 2;
      await this.#loop.sleep(waitMs * this.#rng.share(), 'trouble');
      this.#stop(this.#rng.chance(powerShare));
      await this.#loop.sleep(this.#rng.below(1_000), 'restart');
      this.#start();
    }
    this.#ending = true;
  }

  async #flusher(): Promise<void> {
    while (!this.#ending) {
      await this.#loop.sleep(this.#plan.flushEveryMs * (0.5 + this.#rng.share()), 'flusher');
      const shard = this.#rng.below(this.#plan.shards);
      void this.#life
        ?.then(async ({ world }) => {
          await invoke(world.bus, flushShard, { header: { collectionId: 1, shard } });
        })
        .catch(() => undefined);
    }
  }

  async #client(lane: number): Promise<void> {
    const rng = new SeededRng(this.#seed, 1_000 + lane);
    while (!this.#ending) {
      await this.#loop.sleep(this.#plan.thinkMs * 2 * rng.share(), 'client');
      // A life may end while something is asked of it: then nobody ever answers.
      const patience = this.#loop.sleep(TIMEOUT_MS * 2, 'client gives up');
      await Promise.race([this.#act(rng), patience]);
    }
  }

  async #act(rng: SeededRng): Promise<void> {
    const life = await this.#opened();
    if (life === undefined) return;
    const kind = rng.below(10);
    if (kind < 6) await this.#write(life, rng);
    else await this.#read(life, this.#keys(rng, 1 + rng.below(20)));
  }

  #keys(rng: SeededRng, count: number): number[] {
    return [...new Set(Array.from({ length: count }, () => rng.below(this.#plan.keys)))];
  }

  async #write(life: Life, rng: SeededRng): Promise<void> {
    const kind = rng.pick(['upsert', 'upsert', 'upsert', 'insert', 'delete'] as const);
    const ids = this.#keys(rng, 1 + rng.below(8));
    const write = this.#history.begin(kind, ids, this.#loop.nowMs);
    this.#loop.note(`${kind} ${write.tag} of ${ids.join()}`);
    try {
      const { timestamp } = await this.#send(life, write);
      this.#settle(write, 'ok');
      // Each shard has an order of its own: of several, only what was over before is before.
      if (this.#plan.shards === 1) write.timestamp = timestamp;
    } catch (error) {
      const refused = isElanusError(error) && REFUSED.has(error.kind);
      this.#failed(`write ${write.tag}`, error);
      this.#settle(write, refused ? 'fail' : 'unknown');
    }
  }

  async #send({ rows }: Life, { kind, ids, tag }: Write): Promise<{ readonly timestamp: bigint }> {
    if (kind === 'delete') return rows.delete({ ids: [...ids] });
    const batch = ids.map((id) => ({ id, tag, text: textOf(tag, id), vec: vectorOf(tag, id) }));
    return kind === 'insert' ? rows.insert(batch) : rows.upsert(batch);
  }

  /** Notes a failure; one that is not ours is a bug. */
  #failed(what: string, error: unknown): void {
    this.#loop.note(`${what}: ${nameOf(error)}`);
    if (isElanusError(error) && error.code !== 'internal') return;
    this.#found.push({ invariant: 'L2 typed errors', what: `${what}: ${String(error)}` });
  }

  #settle(write: Write, outcome: 'ok' | 'fail' | 'unknown'): void {
    if (write.outcome !== 'pending') return;
    write.outcome = outcome;
    // What is unknown may still happen while its process lives: `crashed` says when that is over.
    write.endedMs = outcome === 'unknown' ? undefined : this.#loop.nowMs;
  }

  async #read({ rows }: Life, ids: readonly number[]): Promise<void> {
    const invokedMs = this.#loop.nowMs;
    try {
      const found = await rows.get([...ids], {
        consistency: 'strong',
        select: ['id', 'tag', 'text', 'vec'],
      });
      const tags = new Map<number, number | undefined>(ids.map((id) => [id, undefined]));
      for (const row of found) if (row !== null && row !== undefined) this.#note(tags, row);
      const endedMs = this.#loop.nowMs;
      this.#history.reads.push({ invokedMs, endedMs, found: tags });
    } catch (error) {
      this.#failed('read', error);
    }
  }

  #note(
    tags: Map<number, number | undefined>,
    row: { id: number; tag: number; text: string; vec: ArrayLike<number> },
  ): void {
    const { id, tag, text, vec } = row;
    tags.set(id, tag);
    const same = text === textOf(tag, id) && vectorOf(tag, id).every((one, i) => one === vec[i]);
    if (!same)
      this.#found.push({ invariant: 'R4 mixed', what: `row ${id} of ${tag} is not as written` });
  }

  /** Everything that is there when all is over: read in two ways, which have to agree. */
  async #healed(): Promise<ReadonlyMap<number, number | undefined>> {
    const endedBy = this.#loop.nowMs + HEALED_MS;
    const all = Array.from({ length: this.#plan.keys }, (_, id) => id);
    const work = (async () => {
      const life = await this.#opened();
      if (life === undefined) return;
      await this.#read(life, all);
      const count = await life.rows.count({ consistency: 'strong' });
      return { count, hits: await life.rows.search({ vector: [0, 0, 0, 1], limit: 1_000 }) };
    })();
    const late = this.#loop.sleep(HEALED_MS, 'healed in time').then(() => undefined);
    const done = await Promise.race([work, late]);
    const found = this.#history.reads.at(-1)?.found ?? new Map<number, undefined>();
    if (done === undefined && this.#found.length > 0) return found;
    if (done === undefined) {
      this.#found.push({ invariant: 'L1 healed', what: `no answer by ${endedBy}` });
      return found;
    }
    const there = [...found].filter(([, tag]) => tag !== undefined).map(([id]) => id);
    const hits = done.hits.map(({ id }) => id).sort((a, b) => a - b);
    if (done.count !== there.length || hits.join() !== there.join()) {
      const missing = there.filter((id) => !hits.includes(id));
      const counts = `get finds ${there.length}, count ${done.count}, search ${hits.length}`;
      const what = `${counts}; it lacks ${missing.join()}`;
      this.#found.push({ invariant: 'R5 agree', what });
    }
    return found;
  }
}

function nameOf(error: unknown): string {
  return isElanusError(error) ? error.code : String(error);
}

/** Runs one seed from beginning to end. */
export function runSeed(seed: number): Promise<SeedResult> {
  return new Run(seed).result();
}
