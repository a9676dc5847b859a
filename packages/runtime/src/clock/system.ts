import type { Clock } from '@elanus/core';

/** The longest delay that `setTimeout` takes. */
const DELAY_MS_MAX = 2 ** 31 - 1;

/** The machine's clocks. Timers never keep the process alive. */
export const systemClock: Clock = {
  wallMs: () => Date.now(),
  monoMs: () => performance.now(),
  after: (delayMs, fire) => {
    const timer = setTimeout(fire, Math.min(delayMs, DELAY_MS_MAX));
    timer.unref();
    return () => clearTimeout(timer);
  },
  turn: () => new Promise((resolve) => setImmediate(resolve)),
};
