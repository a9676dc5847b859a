/** Worlds that a seed can run in. */
import { runSeed, type SeedResult } from './embedded-run.ts';
import { planOf, smallerPlans, type Plan } from './plan.ts';
import { switchPaths } from './rare-paths.ts';
import { RARE, ROLES_RARE, TAKE_OVER_RARE } from './rare.ts';
import {
  rolesPlanOf,
  smallerTakeOvers,
  takeOverPlanOf,
  type TakeOverPlan,
} from './take-over-plan.ts';
import { runTakeOver } from './take-over-run.ts';

/** One of them. A plan is only passed on: what it holds is the scenario's. */
export interface Scenario {
  planOf(seed: number): object;
  run(seed: number, plan: object): Promise<SeedResult>;
  smaller(plan: object): readonly { readonly without: string; readonly plan: object }[];
  /** Situations that enough seeds reach. */
  readonly rare: Readonly<Record<string, string>>;
}

function switched<P extends Plan>(plan: P, run: (plan: P) => Promise<SeedResult>) {
  switchPaths(plan.switches);
  return run(plan);
}

/** By name. */
export const SCENARIOS: Readonly<Record<string, Scenario>> = {
  embedded: {
    planOf,
    run: (seed, plan) => switched(plan as Plan, (own) => runSeed(seed, own)),
    smaller: (plan) => smallerPlans(plan as Plan),
    rare: RARE,
  },
  'take-over': {
    planOf: takeOverPlanOf,
    run: (seed, plan) => switched(plan as TakeOverPlan, (own) => runTakeOver(seed, own)),
    smaller: (plan) => smallerTakeOvers(plan as TakeOverPlan),
    rare: TAKE_OVER_RARE,
  },
  roles: {
    planOf: rolesPlanOf,
    run: (seed, plan) => switched(plan as TakeOverPlan, (own) => runTakeOver(seed, own)),
    smaller: (plan) => smallerTakeOvers(plan as TakeOverPlan),
    rare: ROLES_RARE,
  },
};
