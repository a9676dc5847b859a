import type { Rng } from '@elanus/core';

/** Random numbers that a seed decides: sfc32, which passes PractRand. */
export class SeededRng implements Rng {
  #a: number;
  #b: number;
  #c = 0x9e3779b9;
  #counter = 1;

  /** `seed` and `stream`: whole numbers; each pair is a sequence of its own. */
  constructor(seed: number, stream = 0) {
    this.#a = seed >>> 0;
    this.#b = (Math.floor(seed / 2 ** 32) ^ Math.imul(stream + 1, 0x85ebca6b)) >>> 0;
    for (let n = 0; n < 12; n++) this.u32();
  }

  u32(): number {
    const sum = (this.#a + this.#b + this.#counter) | 0;
    this.#counter = (this.#counter + 1) | 0;
    this.#a = this.#b ^ (this.#b >>> 9);
    this.#b = (this.#c + (this.#c << 3)) | 0;
    this.#c = ((this.#c << 21) | (this.#c >>> 11)) + sum;
    return sum >>> 0;
  }

  bytes(length: number): Uint8Array {
    return new Uint8Array(length).map(() => this.u32() >>> 24);
  }

  /** A number of [0, 1). */
  share(): number {
    return this.u32() / 2 ** 32;
  }

  /** A whole number of [0, below). */
  below(below: number): number {
    return Math.floor(this.share() * below);
  }

  /** Whether something of that probability happens. */
  chance(probability: number): boolean {
    return this.share() < probability;
  }

  /** One of a list that is not empty. */
  pick<T>(list: readonly T[]): T {
    return list[this.below(list.length)] as T;
  }
}
