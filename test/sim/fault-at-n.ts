/**
 * Fault at n: one script in which the n-th call of a port goes wrong, for every n: it fails, it is
 * done and fails all the same, the process is killed at it, or the power goes. What failed is asked
 * again with the same idempotency key, so the state after each step is known to the row.
 */
import { flushShard, invoke } from '../../packages/protocol/src/index.ts';
import {
  EventLoop,
  NO_FAULTS,
  SeededRng,
  SimMachine,
  type PortCall,
  type Strike,
} from '../../packages/testkit/src/index.ts';
import type { Violation } from './checker.ts';
import { isDamage, isTyped, nameOf, openLife, type Life } from './life.ts';
import {
  addExtra,
  allFields,
  extraDefault,
  extraName,
  isWhole,
  NAME,
  openRows,
  rowOf,
} from './rows.ts';
import type { Rows, SimRow } from './rows.ts';

/** What goes wrong at the call. */
export const MODES = ['fails', 'applied', 'kill', 'power'] as const;
type Mode = (typeof MODES)[number];
type Port = PortCall['port'];
/** The ports, and how each can go wrong. Timers can only be late. */
export const PORTS: Readonly<Record<Port, readonly Mode[]>> = {
  fs: MODES,
  meta: MODES,
  log: MODES,
  objects: MODES,
  pool: ['fails', 'kill'],
  timer: ['fails', 'kill', 'power'],
};

/** Which call goes wrong, and how. */
export interface Aim {
  readonly port: Port;
  /** 1 for the first. */
  readonly n: number;
  readonly mode: Mode;
}

/** What came of one run. `calls`: of each port. */
export interface AimedResult {
  readonly calls: Readonly<Record<Port, number>>;
  readonly violations: readonly Violation[];
  readonly events: number;
  readonly trace: string;
}

const SEED = 1;
const SHARDS = 1;
/** Each step succeeds within so much virtual time, */
const STEP_MS = 60_000;
/** ... and whoever runs a database starts it again when its log has failed for so long. */
const RESTART_MS = 15_000;
/** A log that failed to sync believes nothing more until it is opened again. */
const LOG_DOWN: ReadonlySet<string> = new Set(['unavailable', 'write_unknown']);

/** What a step works with. */
interface Stage {
  readonly life: Life;
  readonly rows: Rows;
  /** Tags by key: what must be found when the step is done. */
  readonly model: Map<number, number>;
  readonly extras: Set<string>;
  /** Leaves the process; the next step finds another. */
  readonly leave: () => void;
  readonly sleep: (ms: number) => Promise<void>;
}

interface Step {
  readonly name: string;
  readonly run: (stage: Stage) => Promise<void>;
}

const range = (from: number, to: number): number[] =>
  Array.from({ length: to - from }, (_, i) => from + i);

function write(kind: 'insert' | 'upsert', tag: number, ids: readonly number[]): Step {
  return {
    name: `${kind} ${tag}`,
    run: async ({ rows, model, extras }) => {
      const batch = ids.map((id) => rowOf(tag, id, [...extras]));
      await rows[kind](batch as never, { idempotencyKey: `key-${tag}` });
      for (const id of ids) model.set(id, tag);
    },
  };
}

const remove = (tag: number, ids: readonly number[]): Step => ({
  name: `delete ${tag}`,
  run: async ({ rows, model }) => {
    await rows.delete({ ids }, { idempotencyKey: `key-${tag}` });
    for (const id of ids) model.delete(id);
  },
});

const removeFrom = (first: number): Step => ({
  name: `delete from ${first} on`,
  run: async ({ rows, model }) => {
    await rows.delete({ filter: { id: { gte: first } } }, { consistency: 'strong' });
    for (const id of model.keys()) if (id >= first) model.delete(id);
  },
});

const flush: Step = {
  name: 'flush',
  run: async ({ life, rows }) => {
    const { collectionId } = rows.schema;
    await invoke(life.world.bus, flushShard, { header: { collectionId, shard: 0 } });
  },
};

const alter = (n: number): Step => ({
  name: `alter ${n}`,
  run: async ({ life, extras }) => {
    const { schema } = await life.db.describe(NAME);
    const there = schema.fields.some(({ name }) => name === extraName(n));
    if (!there) await addExtra(life.db, n);
    extras.add(extraName(n));
  },
});

const close: Step = {
  name: 'close',
  run: async ({ life, leave }) => {
    leave();
    await life.db.close();
  },
};

const drop: Step = {
  name: 'drop',
  run: async ({ life, model, extras }) => {
    const collections = await life.db.collections();
    if (collections.length > 0) await life.db.drop(NAME);
    model.clear();
    extras.clear();
  },
};

const wait = (ms: number): Step => ({ name: `wait ${ms}`, run: ({ sleep }) => sleep(ms) });

/** Four flushed segments are merged; the second opening replays, the third finds a flush. */
const SCRIPT: readonly Step[] = [
  write('insert', 1, range(0, 40)),
  write('upsert', 2, range(10, 30)),
  flush,
  remove(3, [5, 6, 7]),
  write('insert', 4, range(40, 60)),
  flush,
  removeFrom(52),
  close,
  alter(1),
  write('upsert', 5, range(0, 6)),
  flush,
  write('upsert', 6, range(20, 45)),
  flush,
  wait(3_000),
  write('insert', 7, [100, 101]),
  close,
  wait(500),
  drop,
  write('insert', 8, range(0, 5)),
  close,
];

/** One script with one fault. */
class Aimed {
  readonly #loop = new EventLoop(new SeededRng(SEED, 2));
  readonly #machine: SimMachine;
  readonly #aim: Aim | undefined;
  readonly #calls: Record<Port, number> = {
    fs: 0,
    meta: 0,
    log: 0,
    objects: 0,
    pool: 0,
    timer: 0,
  };
  readonly #violations: Violation[] = [];
  readonly #model = new Map<number, number>();
  readonly #extras = new Set<string>();
  #life: { readonly life: Life; readonly rows: Rows } | undefined;
  #died: () => void = () => undefined;
  #struck = false;
  /** A later opening has found everything: what follows, the run without a fault does too. */
  #settled = false;

  constructor(aim: Aim | undefined) {
    this.#aim = aim;
    const hooks = { strike: (call: PortCall) => this.#strike(call) };
    const rest = { seed: SEED, faults: NO_FAULTS, hooks, logFileBytes: 8_192 };
    this.#machine = new SimMachine({ loop: this.#loop, ...rest });
  }

  async result(): Promise<AimedResult> {
    const end = await this.#loop.run(async () => {
      for (const step of SCRIPT) {
        if (this.#violations.length > 0 || this.#settled) return;
        const struck = this.#struck;
        await this.#patiently(step.name, (stage) => step.run(stage));
        await this.#patiently(`look after ${step.name}`, (stage) => this.#look(stage, step.name));
        this.#settled = struck && step === close;
      }
    });
    const { events, trace } = end;
    return { calls: this.#calls, violations: this.#violations, events, trace };
  }

  #strike({ port }: PortCall): Strike {
    const n = ++this.#calls[port];
    if (this.#aim?.port !== port || this.#aim.n !== n) return undefined;
    this.#struck = true;
    const { mode } = this.#aim;
    if (mode === 'fails' || mode === 'applied') return mode;
    if (mode === 'kill') this.#machine.kill();
    else this.#machine.powerLoss();
    this.#life = undefined;
    this.#died();
    return undefined;
  }

  /** Asks until it is done: what fails is asked again, of another process if need be. */
  async #patiently(what: string, work: (stage: Stage) => Promise<void>): Promise<void> {
    const untilMs = this.#loop.nowMs + STEP_MS;
    const restartMs = this.#loop.nowMs + RESTART_MS;
    let last = 'no answer';
    while (this.#loop.nowMs < untilMs) {
      const dead = new Promise<'died'>((resolve) => {
        this.#died = () => resolve('died');
      });
      const late = this.#loop.sleep(STEP_MS / 4, 'patience').then(() => 'late' as const);
      try {
        const done = await Promise.race([this.#once(work), dead, late]);
        if (done === 'done') return;
        last = done;
        if (done === 'late') this.#life = undefined;
      } catch (error) {
        last = nameOf(error);
        this.#loop.note(`${what}: ${last}`);
        if (!isTyped(error)) return this.#say('L2 typed errors', `${what}: ${String(error)}`);
        if (isDamage(error)) return this.#say('S1 readable', `${what}: ${String(error)}`);
        if (this.#loop.nowMs > restartMs && LOG_DOWN.has(last)) this.#life = undefined;
        await this.#loop.sleep(500, 'asked again');
      }
    }
    this.#say('L1 done in time', `${what}: ${last}`);
  }

  async #once(work: (stage: Stage) => Promise<void>): Promise<'done'> {
    if (this.#life === undefined) {
      const life = await openLife(this.#machine, this.#loop);
      this.#life = { life, rows: await openRows(life.db, SHARDS) };
    }
    const { life } = this.#life;
    const rows = await openRows(life.db, SHARDS);
    const leave = (): void => {
      this.#life = undefined;
    };
    const sleep = (ms: number): Promise<void> => this.#loop.sleep(ms, 'wait');
    await work({ life, rows, model: this.#model, extras: this.#extras, leave, sleep });
    return 'done';
  }

  /** Every way of reading finds what the model has. */
  async #look({ rows, model, extras }: Stage, step: string): Promise<void> {
    const strong = { consistency: 'strong' } as const;
    const found = new Map<number, number>();
    for await (const page of rows.scan({ ...strong, select: allFields(extras), pageRows: 16 })) {
      for (const row of page as unknown as SimRow[]) {
        found.set(row.id, row.tag);
        if (!isWhole(row)) this.#say('R4 mixed', `after ${step}: row ${row.id}`);
        for (const name of extras) {
          const isOld = row.tag < 5;
          const want = isOld ? extraDefault(1) : row.tag;
          if (row[name] !== want) this.#say('R4 mixed', `after ${step}: ${name} of ${row.id}`);
        }
      }
    }
    const text = (of: ReadonlyMap<number, number>): string =>
      [...of].sort(([a], [b]) => a - b).join(' ');
    if (text(found) !== text(model)) {
      this.#say('W1 found', `after ${step}: ${text(found)} instead of ${text(model)}`);
    }
    const count = await rows.count(strong);
    const hits = await rows.search({ ...strong, vector: [0, 0, 0, 1], limit: 500 });
    if (count !== model.size || hits.length !== model.size) {
      const what = `count ${count}, search ${hits.length} instead of ${model.size}`;
      this.#say('R6 agree', `after ${step}: ${what}`);
    }
  }

  #say(invariant: string, what: string): void {
    this.#violations.push({ invariant, what });
  }
}

/** Runs the script with one fault, or none. */
export function runAimed(aim?: Aim): Promise<AimedResult> {
  return new Aimed(aim).result();
}

/** Every call of a script without faults, each in every way it can go wrong. */
export async function allAims(): Promise<readonly Aim[]> {
  const { calls } = await runAimed();
  return Object.entries(PORTS).flatMap(([port, modes]) =>
    range(1, calls[port as Port] + 1).flatMap((n) =>
      modes.map((mode) => ({ port: port as Port, n, mode })),
    ),
  );
}
