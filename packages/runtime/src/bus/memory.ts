import { ElanusError, assert, isElanusError } from '@elanus/core';
import type { Bus, BusAnswer, BusMessage, CallOptions, Clock } from '@elanus/core';

/** A handler's failure as callers see it: ours as it is, anything else is a bug behind the bus. */
function asElanusError(error: unknown): unknown {
  if (isElanusError(error)) return error;
  const why = error instanceof Error ? error.message : String(error);
  return new ElanusError('internal', { why }, { cause: error });
}

class MemoryBus implements Bus {
  readonly #clock: Clock;
  readonly #handlers = new Map<string, BusAnswer>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  request(subject: string, message: BusMessage, options: CallOptions = {}): Promise<BusMessage> {
    const handler = this.#handlers.get(subject);
    const { signal, timeoutMs } = options;
    if (handler === undefined) {
      return Promise.reject(new ElanusError('unavailable', { what: subject }));
    }
    if (signal?.aborted) return Promise.reject(new ElanusError('cancelled', {}));
    const caller = new AbortController();
    return new Promise((resolve, reject) => {
      let cancelTimer: (() => void) | undefined;
      const leave = (): void => {
        cancelTimer?.();
        signal?.removeEventListener('abort', onAbort);
      };
      const giveUp = (error: ElanusError): void => {
        leave();
        reject(error);
        caller.abort(error);
      };
      const onAbort = (): void => giveUp(new ElanusError('cancelled', {}));
      signal?.addEventListener('abort', onAbort, { once: true });
      if (timeoutMs !== undefined) {
        cancelTimer = this.#clock.after(timeoutMs, () => {
          giveUp(new ElanusError('deadline_exceeded', { timeoutMs }));
        });
      }
      handler(message, caller.signal).then(
        (reply) => {
          leave();
          resolve(reply);
        },
        (error: unknown) => {
          leave();
          reject(asElanusError(error) as Error);
        },
      );
    });
  }

  serve(subject: string, handler: BusAnswer): () => void {
    assert(!this.#handlers.has(subject), `one handler on ${subject}`);
    this.#handlers.set(subject, handler);
    return () => {
      if (this.#handlers.get(subject) === handler) this.#handlers.delete(subject);
    };
  }
}

/**
 * The bus within one process: messages travel by reference, a handler starts in the caller's turn.
 * A caller that gives up (deadline, abort) is answered at once; the handler's signal tells it.
 */
export function memoryBus(clock: Clock): Bus {
  return new MemoryBus(clock);
}
