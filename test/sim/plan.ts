/** What a seed does to its machine and its clients. */
import { NO_FAULTS, SeededRng, type MachineFaults } from '../../packages/testkit/src/index.ts';
import { switchesOf, type Switched } from './rare-paths.ts';

/** See the file's header. Every number is one that a shrinker may lower. */
export interface Plan {
  readonly faults: MachineFaults;
  readonly clients: number;
  readonly keys: number;
  readonly shards: number;
  readonly thinkMs: number;
  /** Clients act and processes are stopped for so long; then all is healed. */
  readonly chaosMs: number;
  readonly stopsEveryMs: number;
  readonly powerShare: number;
  /** How often a process is stopped again while it starts. */
  readonly againShare: number;
  readonly flushEveryMs: number;
  /** A field is added, or the collection dropped and made again, about so often; 0: never. */
  readonly alterEveryMs: number;
  readonly dropEveryMs: number;
  /** How often an alter takes a field away or gives it another name, where one was added. */
  readonly renameShare: number;
  /** A compaction is asked for about so often; 0: never. */
  readonly compactEveryMs: number;
  readonly logFileBytes: number;
  /** Constants of the product that are something else. */
  readonly switches: Switched;
  /** How often a write that was answered is sent again. */
  readonly repeatShare: number;
  /** What clients do, by weight. */
  readonly acts: Readonly<Record<Act, number>>;
}

/** What a client can do. */
export type Act =
  | 'upsert'
  | 'insert'
  | 'delete'
  | 'deleteWhere'
  | 'get'
  | 'getAt'
  | 'session'
  | 'bounded'
  | 'eventual'
  | 'scan'
  | 'count'
  | 'search';

const CHAOS_MS = 80_000;

/** Every seed has some of the faults, each as strong as it likes. */
export function planOf(seed: number): Plan {
  const rng = new SeededRng(seed);
  const some = (share: number, most: number): number =>
    rng.chance(share) ? most * rng.share() : 0;
  return {
    faults: {
      disk: some(0.4, 0.05),
      meta: some(0.4, 0.1),
      log: some(0.3, 0.1),
      objects: some(0.3, 0.1),
      pool: some(0.2, 0.1),
      clockMs: some(0.5, 3_600_000),
      pace: {
        callMs: 0.05 + some(0.5, 5),
        syncMs: 0.5 + some(0.5, 50),
        metaMs: 1 + some(0.3, 100),
      },
    },
    clients: 2 + rng.below(6),
    keys: 20 + rng.below(200),
    shards: 1 + rng.below(2),
    // Few seeds write so much that segments get an index, which takes its time.
    thinkMs: rng.chance(0.05) ? 30 : 100 + rng.below(600),
    chaosMs: CHAOS_MS,
    stopsEveryMs: 2_000 + rng.below(30_000),
    powerShare: rng.share(),
    againShare: some(0.6, 0.9),
    flushEveryMs: 200 + rng.below(10_000),
    alterEveryMs: rng.chance(0.4) ? 5_000 + rng.below(40_000) : 0,
    dropEveryMs: rng.chance(0.25) ? 15_000 + rng.below(60_000) : 0,
    logFileBytes: 2 ** (12 + rng.below(8)),
    acts: {
      upsert: 4,
      insert: 1,
      delete: 1,
      deleteWhere: rng.chance(0.5) ? 0.3 : 0,
      get: 3,
      getAt: rng.chance(0.6) ? 1 : 0,
      session: 0,
      bounded: 0,
      eventual: 0,
      scan: rng.chance(0.5) ? 0.5 : 0,
      count: 0.5,
      search: 0.5,
    },
    repeatShare: some(0.6, 0.3),
    switches: switchesOf(new SeededRng(seed, 5)),
    compactEveryMs: rng.chance(0.3) ? 5_000 + rng.below(30_000) : 0,
    renameShare: some(0.7, 0.6),
  };
}

/** Plans with less in them, the boldest cuts first. */
export function smallerPlans(plan: Plan): readonly { readonly without: string; plan: Plan }[] {
  const cuts: { without: string; plan: Plan }[] = [];
  const cut = (without: string, change: Partial<Plan>): void => {
    cuts.push({ without, plan: { ...plan, ...change } });
  };
  if (plan.chaosMs > 1_000) {
    cut('half of the time', { chaosMs: plan.chaosMs / 2 });
    cut('a tenth of the time', { chaosMs: plan.chaosMs * 0.9 });
  }
  if (plan.clients > 1) {
    cut('all clients but one', { clients: 1 });
    cut('one client', { clients: plan.clients - 1 });
  }
  for (const name of ['disk', 'meta', 'log', 'objects', 'pool', 'clockMs'] as const) {
    if (plan.faults[name] > 0) cut(`${name} faults`, { faults: { ...plan.faults, [name]: 0 } });
  }
  const { pace } = NO_FAULTS;
  if (plan.faults.pace.callMs !== pace.callMs || plan.faults.pace.metaMs !== pace.metaMs)
    cut('slow disks', { faults: { ...plan.faults, pace } });
  for (const act of Object.keys(plan.acts) as Act[]) {
    if (plan.acts[act] > 0) cut(`${act} calls`, { acts: { ...plan.acts, [act]: 0 } });
  }
  if (plan.powerShare > 0) cut('power losses', { powerShare: 0 });
  if (plan.againShare > 0) cut('stops while it starts', { againShare: 0 });
  if (plan.alterEveryMs > 0) cut('alters', { alterEveryMs: 0 });
  if (plan.renameShare > 0) cut('fields renamed and dropped', { renameShare: 0 });
  if (plan.compactEveryMs > 0) cut('compactions', { compactEveryMs: 0 });
  if (plan.repeatShare > 0) cut('repeats', { repeatShare: 0 });
  if (plan.dropEveryMs > 0) cut('drops', { dropEveryMs: 0 });
  if (plan.stopsEveryMs < plan.chaosMs) cut('stops', { stopsEveryMs: plan.chaosMs * 4 });
  for (const id of Object.keys(plan.switches)) {
    const { [id]: _, ...switches } = plan.switches;
    cut(id, { switches });
  }
  if (plan.flushEveryMs < plan.chaosMs) cut('flushes', { flushEveryMs: plan.chaosMs * 4 });
  if (plan.keys > 2) cut('half of the keys', { keys: plan.keys >> 1 });
  if (plan.shards > 1) cut('a shard', { shards: 1 });
  return cuts;
}
