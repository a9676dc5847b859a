/** A message between actors: a JSON-visible header and raw bodies that are never re-encoded. */
export interface BusMessage {
  readonly header: unknown;
  /** In process they travel by reference; the receiver must not change them. */
  readonly bodies?: readonly ArrayBufferView[];
}

/** How long a call may take and who may end it. */
export interface CallOptions {
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
}

/** Answers calls on a subject. `signal` fires when the caller gave up. */
export type BusAnswer = (message: BusMessage, signal: AbortSignal) => Promise<BusMessage>;

/** Request and reply between actors; in process now, NATS in a cluster. */
export interface Bus {
  /** @throws the handler's ElanusError; `unavailable` when nobody serves; `deadline_exceeded`. */
  request(subject: string, message: BusMessage, options?: CallOptions): Promise<BusMessage>;
  /** Serves a subject until the returned function is called. */
  serve(subject: string, handler: BusAnswer): () => void;
}
