/** Runs the ends in reverse order, all of them, and throws the first failure. */
export class Ends {
  readonly #ends: (() => Promise<void> | void)[] = [];
  #closing: Promise<void> | undefined;

  add(end: () => Promise<void> | void): void {
    this.#ends.push(end);
  }

  close(): Promise<void> {
    this.#closing ??= this.#run();
    return this.#closing;
  }

  async #run(): Promise<void> {
    const failures: unknown[] = [];
    for (const end of this.#ends.reverse()) {
      try {
        await end();
      } catch (error) {
        failures.push(error);
      }
    }
    if (failures.length > 0) throw failures[0];
  }
}
