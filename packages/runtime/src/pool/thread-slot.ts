/**
 * Bytes of one task and of its answer in memory that a thread shares with its caller. A thread that
 * is asked again and again looks at the slot for a while before it sleeps: neither a message nor
 * the other processor has to be woken for the next task then, which take longer than short ones.
 *
 * Tasks come one at a time: bytes belong to the caller until it asks, then to the thread until it
 * has answered.
 */
import { systemClock } from '../clock/system.ts';

/** Words of the head: what the thread does, which input is meant, and how many bytes there are. */
const STATE = 0;
const INPUT = 1;
const LENGTH = 2;
const HEAD_BYTES = 64;
/** Bytes of the vectors of a batch, or of its hits; longer ones travel in messages. */
const ROOM = 256 * 1024;

const [AWAY, LOOKING, ASKED] = [0, 1, 2];

/** How long a thread looks, in milliseconds: as long as an answer and the next question take. */
const LOOK_MS = 0.5;

/** What was asked. */
export interface Asked {
  readonly input: number;
  readonly body: Uint8Array;
}

/** Both sides' view of a slot; see the file's header. */
export class ThreadSlot {
  readonly memory: SharedArrayBuffer;
  readonly #head: Int32Array;
  readonly #bytes: Uint8Array;
  /** When the thread had answered last. */
  #answeredMs = -Infinity;

  /** A new one, or another thread's. */
  constructor(memory: SharedArrayBuffer = new SharedArrayBuffer(HEAD_BYTES + ROOM)) {
    this.memory = memory;
    this.#head = new Int32Array(memory, 0, HEAD_BYTES / 4);
    this.#bytes = new Uint8Array(memory, HEAD_BYTES);
  }

  /** Whether so many bytes have room. */
  static fits(bytes: number): boolean {
    return bytes <= ROOM;
  }

  /** Caller: leaves a task; false: the thread does not look, it needs a message. */
  ask(input: number, body: Uint8Array): boolean {
    this.put(body);
    this.#head[INPUT] = input;
    return Atomics.compareExchange(this.#head, STATE, LOOKING, ASKED) === LOOKING;
  }

  /** Caller: a message is about to come. */
  lookAway(): void {
    Atomics.compareExchange(this.#head, STATE, LOOKING, AWAY);
  }

  /** Thread: what it was asked. */
  asked(): Asked {
    return { input: this.#head[INPUT] ?? 0, body: this.take() };
  }

  /** Leaves bytes for the other side. */
  put(bytes: Uint8Array): void {
    this.#bytes.set(bytes);
    this.#head[LENGTH] = bytes.length;
  }

  /** A copy of the bytes that the other side left. */
  take(): Uint8Array {
    return this.#bytes.slice(0, this.#head[LENGTH]);
  }

  /**
   * Thread: is going to look, when the last task came soon after the one before; to be said before
   * the answer is sent, so that whoever has it can ask.
   */
  willLook(beganMs: number): boolean {
    if (beganMs - this.#answeredMs > LOOK_MS) return false;
    Atomics.store(this.#head, STATE, LOOKING);
    return true;
  }

  /** Thread: an answer has been sent. */
  answered(): void {
    this.#answeredMs = systemClock.monoMs();
  }

  /** Thread: looks for the next task; false: it shall go back to its messages. */
  look(): boolean {
    const until = systemClock.monoMs() + LOOK_MS;
    while (Atomics.load(this.#head, STATE) === LOOKING) {
      if (systemClock.monoMs() > until) this.lookAway();
    }
    return Atomics.exchange(this.#head, STATE, AWAY) === ASKED;
  }
}
