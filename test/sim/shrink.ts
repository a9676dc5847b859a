/** A smaller plan of a seed, as bad as the whole one: fewer clients, faults, acts. */
import { violating } from './real-time.ts';
import type { Scenario } from './scenarios.ts';

/** A smaller plan, and what it no longer has. */
export interface Shrunk {
  readonly plan: object;
  readonly without: readonly string[];
  readonly tries: number;
}

/** Seeds run while shrinking, at most. */
const TRIES_MAX = 80;

/** Removes what is not needed for a violation of `invariant`, until nothing more can go. */
export async function shrink(
  scenario: Scenario,
  {
    seed,
    plan,
    invariant,
  }: { readonly seed: number; readonly plan: object; readonly invariant: string },
): Promise<Shrunk> {
  const without: string[] = [];
  let smallest = plan;
  let tries = 0;
  for (let found = true; found && tries < TRIES_MAX; ) {
    found = false;
    for (const cut of scenario.smaller(smallest)) {
      if (++tries > TRIES_MAX) break;
      const { violations } = await violating(() => scenario.run(seed, cut.plan));
      if (!violations.some((one) => one.invariant === invariant)) continue;
      smallest = cut.plan;
      without.push(cut.without);
      found = true;
      break;
    }
  }
  return { plan: smallest, without, tries };
}
