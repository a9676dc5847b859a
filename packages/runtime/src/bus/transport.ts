/** Takes what was sent to a subject; the bytes are the receiver's. */
export type Receive = (bytes: Uint8Array) => void;

/**
 * How messages get from process to process: by subject, at most once, in no promised order. What is
 * sent may never arrive, and arrives though its sender has died. NATS is one.
 */
export interface Transport {
  /** The longest message it carries, in bytes. */
  readonly messageBytesMax: number;
  /**
   * Sends to one of those who listen. The bytes are taken in the call. `nobody` is told when none
   * does, as far as that is known. @throws never
   */
  send(subject: string, bytes: Uint8Array, nobody: () => void): void;
  /** Listens until the returned function is called. Several who listen share what comes. */
  listen(subject: string, receive: Receive): () => void;
}
