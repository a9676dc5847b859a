import type { Awaitable } from '../awaitable.ts';

/** A message between actors: a JSON-visible header and raw bodies that are never re-encoded. */
export interface BusMessage {
  readonly header: unknown;
  /** In process they travel by reference; the receiver must not change them. */
  readonly bodies?: readonly ArrayBufferView[];
  /**
   * In process only: an object by which whoever was answered may ask the same again with less; what
   * it is, the call says. A bus between processes leaves it out.
   */
  readonly standing?: unknown;
}

/** How long a call may take and who may end it. */
export interface CallOptions {
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
  /** The call that this one is part of: when its caller gives up, this one ends too. */
  readonly parent?: BusCaller;
}

/** Who asked, as the handler of a call sees them. */
export interface BusCaller {
  /** Fires when the caller gave up. Made when it is first asked for: who waits asks for it. */
  readonly signal: AbortSignal;
}

/**
 * Answers calls on a subject: in the turn of the call when there is nothing to wait for. A handler
 * that throws fails like one that rejects.
 */
export type BusAnswer = (message: BusMessage, caller: BusCaller) => Awaitable<BusMessage>;

/** Request and reply between actors; in process now, NATS in a cluster. */
export interface Bus {
  /**
   * Sends a request. A bus may answer in the turn of the call, and then throws what went wrong;
   * with `await` both forms are one.
   *
   * @throws the handler's ElanusError; `unavailable` when nobody serves; `deadline_exceeded`.
   */
  request(subject: string, message: BusMessage, options?: CallOptions): Awaitable<BusMessage>;
  /** Serves a subject until the returned function is called. */
  serve(subject: string, handler: BusAnswer): () => void;
}
