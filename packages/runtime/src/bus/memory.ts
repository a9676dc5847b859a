import { ElanusError, assert, isElanusError } from '@elanus/core';
import type { Awaitable, Bus, BusAnswer, BusCaller, BusMessage } from '@elanus/core';
import type { CallOptions, Clock } from '@elanus/core';

/** A handler's failure as callers see it: ours as it is, anything else is a bug behind the bus. */
function asElanusError(error: unknown): unknown {
  if (isElanusError(error)) return error;
  const why = error instanceof Error ? error.message : String(error);
  return new ElanusError('internal', { why }, { cause: error });
}

/** A call, as its handler sees the caller and the bus watches it. */
class Call implements BusCaller {
  /** Whose signal ends the call. */
  readonly caller: BusCaller | CallOptions | undefined;
  readonly timeoutMs: number | undefined;
  /** When it was known that there is something to wait for. */
  begunMs = 0;
  /** Ends its timer and stops listening; undefined while nobody watches. */
  leave: (() => void) | undefined;
  over = false;
  #own: AbortController | undefined;
  #why: ElanusError | undefined;

  constructor(options: CallOptions) {
    this.caller = options.signal === undefined ? options.parent : options;
    this.timeoutMs = options.timeoutMs;
  }

  get signal(): AbortSignal {
    // Without a deadline only the caller's signal can end the call: the handler has it as it is.
    const signal = this.timeoutMs === undefined ? this.caller?.signal : undefined;
    if (signal !== undefined) return signal;
    if (this.#own === undefined) {
      this.#own = new AbortController();
      if (this.#why !== undefined) this.#own.abort(this.#why);
    }
    return this.#own.signal;
  }

  /** Tells the handler that nobody waits for its answer. */
  giveUp(why: ElanusError): void {
    this.#why = why;
    this.#own?.abort(why);
  }

  end(): void {
    this.over = true;
    this.leave?.();
  }
}

/** A call that was not answered in its turn, with what tells its caller that it never will be. */
interface Watched {
  readonly call: Call;
  readonly reject: (error: ElanusError) => void;
}

class MemoryBus implements Bus {
  readonly #clock: Clock;
  readonly #handlers = new Map<string, BusAnswer>();
  /**
   * Calls that began in this turn. Most are answered before it ends: a timer and a listener for
   * each would cost more than the rest of the way. Those that are not are watched from then on.
   */
  #young: Watched[] = [];

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  request(subject: string, message: BusMessage, options: CallOptions = {}): Awaitable<BusMessage> {
    const handler = this.#handlers.get(subject);
    if (handler === undefined) throw new ElanusError('unavailable', { what: subject });
    if (options.signal?.aborted === true) throw new ElanusError('cancelled', {});
    const call = new Call(options);
    let answer: Awaitable<BusMessage>;
    try {
      answer = handler(message, call);
    } catch (error) {
      throw asElanusError(error);
    }
    return answer instanceof Promise ? this.#later(call, answer) : answer;
  }

  #later(call: Call, answer: Promise<BusMessage>): Promise<BusMessage> {
    return new Promise((resolve, reject) => {
      answer.then(
        (reply) => {
          call.end();
          resolve(reply);
        },
        (error: unknown) => {
          call.end();
          reject(asElanusError(error) as Error);
        },
      );
      if (call.timeoutMs === undefined && call.caller === undefined) return;
      if (call.timeoutMs !== undefined) call.begunMs = this.#clock.monoMs();
      this.#watchLater({ call, reject });
    });
  }

  #watchLater(one: Watched): void {
    if (this.#young.push(one) > 1) return;
    void this.#clock.turn().then(() => {
      const young = this.#young;
      this.#young = [];
      for (const watched of young) if (!watched.call.over) this.#watch(watched);
    });
  }

  #watch({ call, reject }: Watched): void {
    const { timeoutMs, begunMs } = call;
    const caller = call.caller?.signal;
    const giveUp = (why: ElanusError): void => {
      call.end();
      reject(why);
      call.giveUp(why);
    };
    const onAbort = (): void => giveUp(new ElanusError('cancelled', {}));
    if (caller?.aborted === true) {
      onAbort();
      return;
    }
    caller?.addEventListener('abort', onAbort, { once: true });
    let stopTimer: (() => void) | undefined;
    if (timeoutMs !== undefined) {
      const leftMs = Math.max(0, timeoutMs - (this.#clock.monoMs() - begunMs));
      stopTimer = this.#clock.after(leftMs, () => {
        giveUp(new ElanusError('deadline_exceeded', { timeoutMs }));
      });
    }
    call.leave = () => {
      stopTimer?.();
      caller?.removeEventListener('abort', onAbort);
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

/**
 * The bus within one process: messages travel by reference, a handler starts in the caller's turn,
 * and an answer that it has at once is the caller's in the same turn. A caller that gives up
 * (deadline, abort) is answered in the next turn at the latest; the handler's signal tells it.
 */
export function memoryBus(clock: Clock): Bus {
  return new MemoryBus(clock);
}
