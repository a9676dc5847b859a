/** Time as the code sees it: real in production, virtual in the simulator. */
export interface Clock {
  /** Wall-clock milliseconds since the epoch; may jump. */
  wallMs(): number;
  /** Milliseconds from an arbitrary origin; never goes back. For durations and deadlines. */
  monoMs(): number;
  /** Calls `fire` once after `delayMs`; never keeps the process alive. Returns its cancel. */
  after(delayMs: number, fire: () => void): () => void;
  /** Resolves in a later turn of the event loop: how long work gives way to others. */
  turn(): Promise<void>;
}
