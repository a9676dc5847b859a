/** What the client needs from where it runs; given in tests, taken from the platform otherwise. */
export interface Platform {
  /** `length` random bytes. */
  random(length: number): Uint8Array;
  /** Wall-clock milliseconds. */
  nowMs(): number;
  /** Resolves after a while, or rejects with the signal's reason. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
}

/** The platform's own randomness and timers: browsers, edge runtimes, Node, Bun, Deno. */
export function defaultPlatform(): Platform {
  return {
    random: (length) => crypto.getRandomValues(new Uint8Array(length)),
    nowMs: () => Date.now(),
    sleep: (ms, signal) =>
      new Promise((resolve, reject) => {
        const done = (): void => {
          signal?.removeEventListener('abort', stop);
          resolve();
        };
        const timer = setTimeout(done, ms);
        const stop = (): void => {
          clearTimeout(timer);
          reject(signal?.reason);
        };
        if (signal?.aborted === true) stop();
        else signal?.addEventListener('abort', stop, { once: true });
      }),
  };
}
