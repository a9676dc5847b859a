/**
 * States what must be true here. A failure is a bug in Elanus, never bad input: bad input is
 * refused at the border with an `ElanusError`. Stays on in production; cheap conditions only.
 *
 * @throws Error with the reason; the process border turns it into an `internal` failure.
 */
export function assert(condition: unknown, why: string): asserts condition {
  if (!condition) throw new Error(`assertion failed: ${why}`);
}

/** Marks a branch the compiler knows to be unreachable, so that a new case fails to compile. */
export function assertNever(value: never, what: string): never {
  throw new Error(`assertion failed: unexpected ${what} ${String(value)}`);
}
