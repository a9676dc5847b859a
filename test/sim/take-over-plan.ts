import { NO_FAULTS, SeededRng } from '../../packages/testkit/src/index.ts';
import type { NetworkFaults } from '../../packages/testkit/src/index.ts';
import type { Role } from './cast.ts';
import { planOf, smallerPlans, type Plan } from './plan.ts';

/** What a seed does to processes that take a channel from each other. */
export interface TakeOverPlan extends Plan {
  /** What the processes run. */
  readonly cast: readonly Role[];
  readonly leaseMs: number;
  /** What goes wrong between processes; undefined: they know nothing of each other. */
  readonly network: NetworkFaults | undefined;
  /** Whether all is dropped at the end: nothing may be left. */
  readonly dropAll: boolean;
  /** What happens to a process, by weight. */
  readonly troubles: Readonly<Record<Trouble, number>>;
}

/**
 * What can happen to a process that leads, or waits. `late`: what it sends arrives when another
 * takes over; `rob`: the metadata forget that it leads, and nobody tells it; `part`: it does not
 * hear the other processes, they do not hear it, or both.
 */
export type Trouble =
  | 'kill'
  | 'freeze'
  | 'cut'
  | 'cut from the log'
  | 'late'
  | 'rob'
  | 'part'
  | 'hand over';

/** Every seed has some of the troubles. */
export function takeOverPlanOf(seed: number): TakeOverPlan {
  const base = planOf(seed);
  const rng = new SeededRng(seed, 4);
  const ops = new SeededRng(seed, 6);
  const some = (share: number, most: number): number =>
    rng.chance(share) ? most * rng.share() : 0;
  return {
    ...base,
    faults: {
      ...NO_FAULTS,
      meta: some(0.3, 0.05),
      log: some(0.4, 0.1),
      objects: some(0.2, 0.05),
      pool: 0,
      clockMs: some(0.4, 120_000),
      pace: { ...NO_FAULTS.pace, metaMs: 0.5 + some(0.6, 30) },
    },
    cast: Array.from({ length: 2 + rng.below(2) }, () => 'all'),
    network: undefined,
    leaseMs: 1_500 + rng.below(4_000),
    clients: 2 + rng.below(8),
    keys: 20 + rng.below(100),
    thinkMs: 5 + rng.below(200),
    chaosMs: 60_000,
    stopsEveryMs: 1_000 + rng.below(8_000),
    flushEveryMs: 500 + rng.below(25_000),
    alterEveryMs: ops.chance(0.5) ? 1_000 + ops.below(10_000) : 0,
    dropEveryMs: ops.chance(0.4) ? 5_000 + ops.below(25_000) : 0,
    acts: {
      ...base.acts,
      session: 1 + rng.below(3),
      bounded: ops.below(3),
      eventual: ops.below(3),
    },
    dropAll: ops.chance(0.25),
    troubles: {
      kill: some(0.6, 1),
      freeze: 0.2 + some(0.8, 2),
      cut: 0.2 + some(0.7, 1.5),
      'cut from the log': some(0.7, 1),
      late: 0.2 + some(0.7, 2),
      rob: 0.3 + some(0.7, 2),
      part: 0,
      'hand over': some(0.5, 0.5),
    },
  };
}

/** Plans with less in them. */
export function smallerTakeOvers(
  plan: TakeOverPlan,
): readonly { readonly without: string; readonly plan: TakeOverPlan }[] {
  const cuts = smallerPlans(plan).map(({ without, plan: cut }) => {
    return { without, plan: { ...plan, ...cut } };
  });
  plan.cast.forEach((role, i) => {
    const others = plan.cast.filter((_, at) => at !== i);
    const isLast = role === 'all' ? others.length < 2 : !others.includes(role);
    if (!isLast) cuts.unshift({ without: `process ${i}`, plan: { ...plan, cast: others } });
  });
  if (plan.dropAll) cuts.push({ without: 'drop at the end', plan: { ...plan, dropAll: false } });
  if (plan.network !== undefined) {
    const network = { lose: 0, twice: 0, late: 0 };
    cuts.push({ without: 'faults of the network', plan: { ...plan, network } });
  }
  for (const name of Object.keys(plan.troubles) as Trouble[]) {
    if (plan.troubles[name] === 0) continue;
    const troubles = { ...plan.troubles, [name]: 0 };
    cuts.push({ without: name, plan: { ...plan, troubles } });
  }
  return cuts;
}

/** The roles in processes of their own, on a network that loses messages. */
export function rolesPlanOf(seed: number): TakeOverPlan {
  const base = takeOverPlanOf(seed);
  const rng = new SeededRng(seed, 5);
  const some = (share: number, most: number): number =>
    rng.chance(share) ? most * rng.share() : 0;
  const times = (role: Role, least: number, more: number): Role[] =>
    Array.from({ length: least + rng.below(more + 1) }, () => role);
  return {
    ...base,
    cast: [
      ...times('coordinator', 1, 2),
      ...times('streaming', 1, 2),
      ...times('data', 1, 1),
      ...times('proxy', 1, 2),
    ],
    network: { lose: some(0.6, 0.02), twice: some(0.6, 0.05), late: some(0.6, 0.05) },
    troubles: { ...base.troubles, part: 0.3 + some(0.7, 2) },
  };
}
