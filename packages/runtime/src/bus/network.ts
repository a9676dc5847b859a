/**
 * The bus between processes, over a transport that loses messages.
 *
 *     who asks ── ask ──▶ one of those who serve the subject
 *              ◀─ working ─   every half second, while it is under way
 *              ◀─ answer, refusal ─
 *              ── cancel ─▶   when the caller has given up, or died
 *
 * Whoever is asked and lives says so: a caller that hears nothing for some seconds is told
 * `unavailable`, whether its question, the answer or the other process was lost. What it asked for
 * may have been done all the same, so that what is asked again must be harmless.
 */
import { assert, ElanusError, fromWireError, isElanusError, toWireError } from '@elanus/core';
import type { Bus, BusAnswer, BusCaller, BusMessage, CallOptions, Clock } from '@elanus/core';
import type { Rng, WireError } from '@elanus/core';
import { decodeFrame, encodeFrame } from './frame.ts';
import type { Transport } from './transport.ts';

/** What a bus between processes is made of. */
export interface NetworkBusOptions {
  readonly transport: Transport;
  readonly clock: Clock;
  /** Names this process: unlike any other. */
  readonly rng: Rng;
}

/** A bus that can be left. */
export interface NetworkBus extends Bus {
  /** Serves and hears nothing any more; who waits for an answer is told `handle_closed`. */
  close(): void;
}

/** Who answers says so often that it is at work. */
const WORKING_MS = 500;
/** ... and who was not heard of for so long is taken for gone. */
const SILENT_MS = 3_000;
/** Calls that may wait for answers at once. */
const ASKED_MAX = 16_384;
/** A message that a transport delivers twice does so within so many. */
const REMEMBERED = 4_096;

const NONE: readonly ArrayBufferView[] = [];

type Head =
  | { readonly what: 'ask'; readonly id: number; readonly from: string; readonly ms?: number }
  | { readonly what: 'working'; readonly id: number; readonly from: string }
  | { readonly what: 'answer'; readonly id: number }
  | { readonly what: 'refusal'; readonly id: number; readonly error: WireError }
  | { readonly what: 'cancel'; readonly id: number; readonly from: string };

/** A call that waits for its answer. */
interface Asked {
  readonly settle: (message: BusMessage) => void;
  readonly refuse: (error: ElanusError) => void;
  readonly heard: () => void;
}

/** See the file's header. */
export function networkBus(options: NetworkBusOptions): NetworkBus {
  return new Network(options);
}

class Network implements NetworkBus {
  readonly #transport: Transport;
  readonly #clock: Clock;
  /** Where answers to us go. */
  readonly #inbox: string;
  readonly #asked = new Map<number, Asked>();
  readonly #answering = new Map<string, Answering>();
  /** Questions that came, oldest first: each is answered once. */
  readonly #seen = new Set<string>();
  readonly #served = new Map<string, () => void>();
  readonly #leave: () => void;
  #next = 1;
  #closed = false;

  constructor({ transport, clock, rng }: NetworkBusOptions) {
    this.#transport = transport;
    this.#clock = clock;
    this.#inbox = `elanus.inbox.${Buffer.from(rng.bytes(12)).toString('hex')}`;
    this.#leave = transport.listen(this.#inbox, (bytes) => this.#receive(bytes));
  }

  close(): void {
    this.#closed = true;
    this.#leave();
    for (const end of this.#served.values()) end();
    for (const answering of this.#answering.values()) answering.giveUp('handle_closed');
    for (const { refuse } of this.#asked.values()) {
      refuse(new ElanusError('handle_closed', {}));
    }
  }

  async request(
    subject: string,
    { header, bodies = NONE }: BusMessage,
    options: CallOptions = {},
  ): Promise<BusMessage> {
    if (this.#closed) throw new ElanusError('handle_closed', {});
    const { timeoutMs, signal = options.parent?.signal } = options;
    if (signal?.aborted === true) throw new ElanusError('cancelled', {});
    if (this.#asked.size >= ASKED_MAX) {
      throw new ElanusError('exhausted', { what: 'calls between processes', retryAfterMs: 100 });
    }
    const id = this.#next++;
    const ask: Head = { what: 'ask', id, from: this.#inbox, ...(timeoutMs && { ms: timeoutMs }) };
    const bytes = this.#encode(ask, { header, bodies });
    return new Promise((resolve, reject) => {
      const gone = (): void => {
        const hint = 'No answer came; what was asked for may have been done.';
        refuse(new ElanusError('unavailable', { what: subject, hint }));
      };
      const late = (): void => {
        refuse(new ElanusError('deadline_exceeded', { timeoutMs: timeoutMs ?? 0 }));
      };
      const onAbort = (): void => refuse(new ElanusError('cancelled', {}));
      const stopLate = timeoutMs === undefined ? undefined : this.#clock.after(timeoutMs, late);
      let stopSilence = this.#clock.after(SILENT_MS, gone);
      signal?.addEventListener('abort', onAbort, { once: true });
      const leave = (): boolean => {
        stopLate?.();
        stopSilence();
        signal?.removeEventListener('abort', onAbort);
        return this.#asked.delete(id);
      };
      const refuse = (error: ElanusError): void => {
        if (leave()) reject(error);
      };
      const settle = (message: BusMessage): void => {
        if (leave()) resolve(message);
      };
      const heard = (): void => {
        stopSilence();
        stopSilence = this.#clock.after(SILENT_MS, gone);
      };
      this.#asked.set(id, { settle, refuse, heard });
      const nobody = (): void => refuse(new ElanusError('unavailable', { what: subject }));
      this.#transport.send(subject, bytes, nobody);
    });
  }

  serve(subject: string, handler: BusAnswer): () => void {
    assert(!this.#served.has(subject), `one handler on ${subject}`);
    const leave = this.#transport.listen(subject, (bytes) => this.#answer(handler, bytes));
    const end = (): void => {
      if (this.#served.get(subject) !== end) return;
      this.#served.delete(subject);
      leave();
    };
    this.#served.set(subject, end);
    return end;
  }

  /** @throws ElanusError request_too_large */
  #encode(head: Head, message: BusMessage): Uint8Array {
    const { header, bodies = NONE } = message;
    const bytes = encodeFrame({ head: { ...head, header }, bodies });
    const bytesMax = this.#transport.messageBytesMax;
    if (bytes.length <= bytesMax) return bytes;
    throw new ElanusError('request_too_large', { bytes: bytes.length, bytesMax });
  }

  #send(to: string, head: Head, nobody: () => void = () => undefined): void {
    this.#transport.send(to, encodeFrame({ head, bodies: NONE }), nobody);
  }

  /** Something for us: about what we asked, or about what we answer. */
  #receive(bytes: Uint8Array): void {
    const read = readMessage(bytes);
    if (read === undefined) return;
    const { head, message } = read;
    if (head.what === 'cancel') {
      this.#answering.get(`${head.from} ${head.id}`)?.giveUp('cancelled');
      return;
    }
    const asked = this.#asked.get(head.id);
    if (head.what === 'answer') asked?.settle(message);
    else if (head.what === 'refusal') asked?.refuse(fromWireError(head.error));
    else if (head.what === 'working') {
      if (asked !== undefined) asked.heard();
      // Its caller has given up.
      else this.#send(head.from, { what: 'cancel', id: head.id, from: this.#inbox });
    }
  }

  /** A question for one whom we serve. */
  #answer(handler: BusAnswer, bytes: Uint8Array): void {
    const read = readMessage(bytes);
    if (read?.head.what !== 'ask' || this.#closed) return;
    const { id, from, ms } = read.head;
    const key = `${from} ${id}`;
    if (this.#seen.has(key)) return;
    this.#remember(key);
    const answering = new Answering();
    this.#answering.set(key, answering);
    const nobody = (): void => answering.giveUp('cancelled');
    const work = (): void => {
      this.#send(from, { what: 'working', id, from: this.#inbox }, nobody);
      stopWork = this.#clock.after(WORKING_MS, work);
    };
    let stopWork = this.#clock.after(WORKING_MS, work);
    const stopLate = ms && this.#clock.after(ms, () => answering.giveUp('deadline_exceeded', ms));
    const over = (): void => {
      stopWork();
      if (stopLate) stopLate();
      this.#answering.delete(key);
    };
    void this.#run(handler, read.message, answering).then((answer) => {
      over();
      this.#reply(from, id, answer);
    });
  }

  async #run(
    handler: BusAnswer,
    message: BusMessage,
    caller: BusCaller,
  ): Promise<BusMessage | WireError> {
    try {
      return await handler(message, caller);
    } catch (error) {
      return toWireError(error);
    }
  }

  #reply(to: string, id: number, answer: BusMessage | WireError): void {
    if (this.#closed) return;
    if ('code' in answer) {
      this.#send(to, { what: 'refusal', id, error: answer });
      return;
    }
    try {
      this.#transport.send(to, this.#encode({ what: 'answer', id }, answer), () => undefined);
    } catch (error) {
      this.#send(to, { what: 'refusal', id, error: toWireError(error) });
    }
  }

  #remember(key: string): void {
    this.#seen.add(key);
    if (this.#seen.size <= REMEMBERED) return;
    const [oldest] = this.#seen;
    if (oldest !== undefined) this.#seen.delete(oldest);
  }
}

/** A question under way, as its handler sees who asked. */
class Answering implements BusCaller {
  readonly #gone = new AbortController();

  get signal(): AbortSignal {
    return this.#gone.signal;
  }

  giveUp(why: 'cancelled' | 'handle_closed' | 'deadline_exceeded', timeoutMs = 0): void {
    const error =
      why === 'deadline_exceeded' ? new ElanusError(why, { timeoutMs }) : new ElanusError(why, {});
    this.#gone.abort(error);
  }
}

/** What cannot be read is nobody's: whoever sent it hears nothing. */
function readMessage(bytes: Uint8Array): { head: Head; message: BusMessage } | undefined {
  try {
    const { head, bodies } = decodeFrame(bytes);
    const { header, ...own } = head as Head & { readonly header?: unknown };
    if (typeof own.id !== 'number') return undefined;
    return { head: own as Head, message: { header, bodies } };
  } catch (error) {
    if (isElanusError(error) || error instanceof TypeError) return undefined;
    throw error;
  }
}
