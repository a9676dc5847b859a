/** Real time and randomness, taken away while a seed runs: what asks for them would not replay. */

import type { Violation } from './checker.ts';

const TRAPPED = [
  [globalThis, 'setTimeout'],
  [globalThis, 'setInterval'],
  [Date, 'now'],
  [performance, 'now'],
  [Math, 'random'],
] as const;

/** Makes them throw until the returned function is called. */
function forbidRealTime(): () => void {
  const kept = TRAPPED.map(([owner, name]) => {
    const real = Reflect.get(owner, name) as unknown;
    const trap = (): never => {
      throw new Error(`${name} is real: in a simulation it comes from the World`);
    };
    Reflect.set(owner, name, trap);
    return { owner, name, real };
  });
  return () => {
    for (const { owner, name, real } of kept) Reflect.set(owner, name, real);
  };
}

/**
 * Runs what must not see real time. What nobody handles ends a process: it is told as a crash, and
 * the run goes on.
 */
export async function virtually<T>(
  work: () => Promise<T>,
  crashed: (error: unknown) => void,
): Promise<T> {
  const allow = forbidRealTime();
  process.on('unhandledRejection', crashed);
  try {
    return await work();
  } finally {
    process.off('unhandledRejection', crashed);
    allow();
  }
}

/** So, with crashes among the violations. */
export async function violating<T extends { readonly violations: readonly Violation[] }>(
  work: () => Promise<T>,
): Promise<T> {
  const crashes: Violation[] = [];
  const result = await virtually(work, (error) => {
    const what = error instanceof Error ? (error.stack ?? error.message) : String(error);
    crashes.push({ invariant: 'L2 crash', what: what.split('\n').slice(0, 3).join(' ') });
  });
  return { ...result, violations: [...crashes, ...result.violations] };
}
