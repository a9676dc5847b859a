/**
 * What one process holds of immutable objects, by name, so that roles that live together hold it
 * once: a data node builds an index over the very rows that the query node beside it serves. In a
 * cluster each process has its own, and finds there only what is its own.
 */
import { assert } from '@elanus/core';

interface Held<T> {
  readonly value: T;
  /** One for the holder, one for each lease. */
  uses: number;
  isHeld: boolean;
}

/** A value that is not freed before `release`. */
export interface Lease<T> {
  readonly value: T;
  readonly release: () => void;
}

/** See the file's header. */
export class Resident<T> {
  readonly #held = new Map<string, Held<T>>();
  readonly #free: (value: T) => void;

  /** `free` runs once for each value, when its holder has dropped it and nobody leases it. */
  constructor(free: (value: T) => void) {
    this.#free = free;
  }

  /** Gives a value to be held under the object's name. */
  hold(name: string, value: T): void {
    assert(!this.#held.has(name), 'an object is held once');
    this.#held.set(name, { value, uses: 1, isHeld: true });
  }

  /** The holder needs it no longer. */
  drop(name: string): void {
    const held = this.#held.get(name);
    if (held?.isHeld !== true) return;
    held.isHeld = false;
    this.#leave(name);
  }

  /** The value of an object that is held here; undefined when it is not. */
  lease(name: string): Lease<T> | undefined {
    const held = this.#held.get(name);
    if (held?.isHeld !== true) return undefined;
    held.uses++;
    let released = false;
    const release = (): void => {
      if (released) return;
      released = true;
      this.#leave(name);
    };
    return { value: held.value, release };
  }

  #leave(name: string): void {
    const held = this.#held.get(name);
    assert(held !== undefined, 'who uses it keeps it');
    held.uses--;
    if (held.uses > 0) return;
    this.#held.delete(name);
    this.#free(held.value);
  }
}
