import { ElanusError, assert, isElanusError } from '@elanus/core';
import type { Bus, BusAnswer, BusMessage, CallOptions, Clock } from '@elanus/core';

/** A handler's failure as callers see it: ours as it is, anything else is a bug behind the bus. */
function asElanusError(error: unknown): unknown {
  if (isElanusError(error)) return error;
  const why = error instanceof Error ? error.message : String(error);
  return new ElanusError('internal', { why }, { cause: error });
}

/** A call under way. */
interface Call {
  readonly signal: AbortSignal | undefined;
  readonly timeoutMs: number | undefined;
  readonly begunMs: number;
  /** Tells the caller why it gets no answer, and the handler that nobody waits for one. */
  readonly giveUp: (error: ElanusError) => void;
  /** Ends its timer and stops listening; undefined while nobody watches. */
  leave: (() => void) | undefined;
  over: boolean;
}

class MemoryBus implements Bus {
  readonly #clock: Clock;
  readonly #handlers = new Map<string, BusAnswer>();
  /**
   * Calls that began in this turn. Most are answered before it ends: a timer and a listener for
   * each would cost more than the rest of the way. Those that are not are watched from then on.
   */
  #young: Call[] = [];

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
    // Without a deadline only the caller's signal can end the call: the handler has it as it is.
    const timed = timeoutMs !== undefined;
    const own = timed || signal === undefined ? new AbortController() : undefined;
    return new Promise((resolve, reject) => {
      const call: Call = {
        signal,
        timeoutMs,
        begunMs: timed ? this.#clock.monoMs() : 0,
        giveUp: (error) => {
          end(call);
          reject(error);
          own?.abort(error);
        },
        leave: undefined,
        over: false,
      };
      answerOf(handler, message, own?.signal ?? (signal as AbortSignal)).then(
        (reply) => {
          end(call);
          resolve(reply);
        },
        (error: unknown) => {
          end(call);
          reject(asElanusError(error) as Error);
        },
      );
      if (timed || signal !== undefined) this.#watchLater(call);
    });
  }

  #watchLater(call: Call): void {
    if (this.#young.push(call) > 1) return;
    void this.#clock.turn().then(() => {
      const young = this.#young;
      this.#young = [];
      for (const one of young) if (!one.over) this.#watch(one);
    });
  }

  #watch(call: Call): void {
    const { signal, timeoutMs, begunMs, giveUp } = call;
    const onAbort = (): void => giveUp(new ElanusError('cancelled', {}));
    if (signal?.aborted === true) {
      onAbort();
      return;
    }
    signal?.addEventListener('abort', onAbort, { once: true });
    let stopTimer: (() => void) | undefined;
    if (timeoutMs !== undefined) {
      const leftMs = Math.max(0, timeoutMs - (this.#clock.monoMs() - begunMs));
      stopTimer = this.#clock.after(leftMs, () => {
        giveUp(new ElanusError('deadline_exceeded', { timeoutMs }));
      });
    }
    call.leave = () => {
      stopTimer?.();
      signal?.removeEventListener('abort', onAbort);
    };
  }

  serve(subject: string, handler: BusAnswer): () => void {
    assert(!this.#handlers.has(subject), `one handler on ${subject}`);
    this.#handlers.set(subject, handler);
    return () => {
      if (this.#handlers.get(subject) === handler) this.#handlers.delete(subject);
    };
  }
}

function end(call: Call): void {
  call.over = true;
  call.leave?.();
}

/** What a handler answers; one that throws fails like one that rejects. */
function answerOf(
  handler: BusAnswer,
  message: BusMessage,
  signal: AbortSignal,
): Promise<BusMessage> {
  try {
    return handler(message, signal);
  } catch (error) {
    return Promise.reject(error as Error);
  }
}

/**
 * The bus within one process: messages travel by reference, a handler starts in the caller's turn.
 * A caller that gives up (deadline, abort) is answered in the next turn at the latest; the
 * handler's signal tells it.
 */
export function memoryBus(clock: Clock): Bus {
  return new MemoryBus(clock);
}
