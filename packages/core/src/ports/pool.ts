/** A pure function on another thread: inputs and outputs are structured-clonable. */
export interface PoolTask {
  /** File URL of the thread entry; it exports functions by `name`. */
  readonly entry: string;
  readonly name: string;
  readonly input: unknown;
  /**
   * Bytes of this call alone, which the function gets as its second argument; it answers at once,
   * with bytes of its own or with undefined. Such a task may come again and again with one and the
   * same `input`, never changed: threads are sent that once, and the bytes in shared memory.
   */
  readonly body?: Uint8Array | undefined;
}

/** Threads, owned by Piscina in production and inline in the simulator. */
export interface Pool {
  /**
   * Runs a task and returns its output. Errors keep code and details.
   * @throws ElanusError queue_full when too many wait
   */
  run(task: PoolTask, options?: { readonly signal?: AbortSignal }): Promise<unknown>;
  /** Tasks waiting or running. */
  readonly pending: number;
  readonly threads: number;
  close(): Promise<void>;
}
