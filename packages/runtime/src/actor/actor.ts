import { ElanusError, isElanusError } from '@elanus/core';
import type { Clock } from '@elanus/core';

/** Owns its state. `handle` runs to completion; work it starts comes back as another message. */
export interface Actor<Message> {
  readonly name: string;
  /** Messages that may wait; one more is refused with `queue_full`. */
  readonly mailboxMax: number;
  handle(message: Message): void;
}

/** How others reach a running actor. */
export interface ActorRef<Message> {
  /** @throws ElanusError queue_full; unavailable when it has stopped. */
  tell(message: Message): void;
  /** Messages that wait. */
  readonly pending: number;
  /** Drops what waits; nothing is handled any more. */
  stop(): void;
}

/** How an actor is kept running. */
export interface ActorOptions<Message> {
  readonly clock: Clock;
  /** Makes the actor, again after each failure: its state begins anew. */
  readonly start: (self: ActorRef<Message>) => Actor<Message>;
  /** Failures within `windowMs` that are answered by a restart. Default 3 in a minute. */
  readonly restartsMax?: number;
  readonly windowMs?: number;
  /** Told when the actor is given up: too many failures, or one that is a bug of ours. */
  readonly onGiveUp: (error: unknown) => void;
}

/** Messages are handled for so long before the event loop gets a turn. */
const TURN_MS = 2;

class Runner<Message> implements ActorRef<Message> {
  readonly #options: ActorOptions<Message>;
  #actor: Actor<Message>;
  #mailbox: Message[] = [];
  #scheduled = false;
  #stopped = false;
  /** When it failed, monotonic ms, oldest first. */
  readonly #failures: number[] = [];

  constructor(options: ActorOptions<Message>) {
    this.#options = options;
    this.#actor = options.start(this);
  }

  get pending(): number {
    return this.#mailbox.length;
  }

  tell(message: Message): void {
    const { name, mailboxMax } = this.#actor;
    if (this.#stopped) throw new ElanusError('unavailable', { what: name });
    if (this.#mailbox.length >= mailboxMax) {
      throw new ElanusError('queue_full', { what: name, retryAfterMs: TURN_MS });
    }
    this.#mailbox.push(message);
    if (this.#scheduled) return;
    this.#scheduled = true;
    void this.#drain();
  }

  async #drain(): Promise<void> {
    const { clock } = this.#options;
    while (this.#mailbox.length > 0) {
      await clock.turn();
      const end = clock.monoMs() + TURN_MS;
      const batch = this.#mailbox;
      this.#mailbox = [];
      let done = 0;
      do this.#handle(batch[done++] as Message);
      while (done < batch.length && !this.#stopped && clock.monoMs() < end);
      if (!this.#stopped) this.#mailbox = [...batch.slice(done), ...this.#mailbox];
    }
    this.#scheduled = false;
  }

  #handle(message: Message): void {
    if (this.#stopped) return;
    try {
      this.#actor.handle(message);
    } catch (error) {
      this.#failed(error);
    }
  }

  /** Failures of the world are survived by starting anew; failed assertions are not. */
  #failed(error: unknown): void {
    const { clock, restartsMax = 3, windowMs = 60_000 } = this.#options;
    const now = clock.monoMs();
    this.#failures.push(now);
    while ((this.#failures[0] ?? now) < now - windowMs) this.#failures.shift();
    if (isElanusError(error) && this.#failures.length <= restartsMax) {
      this.#actor = this.#options.start(this);
      return;
    }
    this.stop();
    this.#options.onGiveUp(error);
  }

  stop(): void {
    this.#stopped = true;
    this.#mailbox = [];
  }
}

/** Starts an actor with its mailbox, under supervision. */
export function startActor<Message>(options: ActorOptions<Message>): ActorRef<Message> {
  return new Runner(options);
}
