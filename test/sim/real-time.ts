/** Real time and randomness, taken away while a seed runs: what asks for them would not replay. */

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

/** Runs what must not see real time. */
export async function virtually<T>(work: () => Promise<T>): Promise<T> {
  const allow = forbidRealTime();
  return work().finally(allow);
}
