import { ROW_ELEMENTS } from './element.ts';
import type { NativeAddon } from './native.ts';
import { rightCalls } from './right-arguments.ts';

/**
 * Calls every function of the addon with right arguments of which some are made wrong: numbers at
 * edges, arrays of other lengths, types and contents, anything at all. Whatever comes, it throws
 * TypeError or RangeError, or does no harm: scripts/sanitize.mjs runs this where each byte that is
 * read or written beyond an array ends the process.
 */
export interface FuzzOutcome {
  readonly calls: number;
  /** Calls that were taken: without some, nothing behind the checks was tried. */
  readonly taken: number;
  /** What was thrown that is neither TypeError nor RangeError, with the call. */
  readonly strange: readonly string[];
}

const NUMBERS = [-1, 0, 1, 2, 3, 7, 8, 15, 16, 17, 31, 32, 39, 40, 41, 63, 64, 65, 100, 127].concat(
  [255, 256, 511, 512, 1024, 32_768, 32_769, 65_536, 2 ** 31 - 1, 2 ** 31, 2 ** 32 - 1, 2 ** 32],
  [2 ** 53, 1e18, 1e300, 0.5, -0.5, Number.NaN, Infinity, -Infinity],
);
type Numbers = Float32Array | Float64Array | Uint32Array | Uint16Array | Uint8Array | Int8Array;
const ARRAYS: readonly ((from: ArrayBufferLike) => Numbers)[] = [
  (from) => new Float32Array(from),
  (from) => new Float64Array(from),
  (from) => new Uint32Array(from),
  (from) => new Uint16Array(from),
  (from) => new Uint8Array(from),
  (from) => new Int8Array(from),
];

function randomOf(seed: number): (below: number) => number {
  let state = seed | 1;
  return (below) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return Math.floor(((state >>> 0) / 2 ** 32) * below);
  };
}

type Random = ReturnType<typeof randomOf>;

const pick = <T>(random: Random, from: readonly T[]): T => from[random(from.length)] as T;

/** Bytes of a value as another array; copies are exactly as long as they say. */
function otherArray(random: Random, value: Numbers): unknown {
  const make = pick(random, ARRAYS);
  const length = pick(random, [0, 1, 16, 64, value.length, random(2 * value.length + 2)]);
  return make(random(2) === 0 ? new ArrayBuffer(length * 8) : new SharedArrayBuffer(length * 8));
}

function otherContents(random: Random, value: Numbers): Numbers {
  const copy = value.slice();
  for (let n = 1 + random(8); n > 0 && copy.length > 0; n--) {
    copy[random(copy.length)] = pick(random, NUMBERS);
  }
  return copy;
}

const isNumbers = (value: unknown): value is Numbers =>
  ArrayBuffer.isView(value) && !(value instanceof DataView);

function wrong(random: Random, value: unknown): unknown {
  const kind = random(12);
  if (kind === 0) return pick(random, [undefined, null, {}, [], 'x', 1n, Symbol('s'), () => 1]);
  if (typeof value === 'number') {
    return random(2) === 0 ? pick(random, NUMBERS) : value + random(5) - 2;
  }
  if (!isNumbers(value)) return pick(random, NUMBERS);
  if (kind < 3) return otherArray(random, value);
  if (kind < 6) return value.slice(0, random(value.length + 1));
  return otherContents(random, value);
}

/** A copy that ends where the original does, so that a sanitizer sees what lies behind it. */
function copied(value: unknown): unknown {
  return isNumbers(value) ? value.slice() : value;
}

/** Fuzzes the door until `until` says so. */
export function fuzzDoor(
  addon: NativeAddon,
  options: { readonly seed: number; readonly until: (calls: number) => boolean },
): FuzzOutcome {
  const random = randomOf(options.seed);
  const right = addon.isas
    .filter((isa) => isa !== null)
    .flatMap((isa) => ROW_ELEMENTS.flatMap((element) => rightCalls(addon, isa, element)));
  let [calls, taken] = [0, 0];
  const strange: string[] = [];
  for (; !options.until(calls); calls++) {
    const { name, args } = pick(random, right);
    const changed = args.map(copied);
    for (let n = random(4); n > 0; n--) {
      const at = random(changed.length);
      changed[at] = wrong(random, changed[at]);
    }
    try {
      const call = addon[name as 'popcount'] as (...args: readonly unknown[]) => unknown;
      call(...changed);
      taken++;
    } catch (error) {
      if (error instanceof TypeError || error instanceof RangeError) continue;
      strange.push(`seed ${options.seed}, call ${calls}, ${name}: ${String(error)}`);
    }
  }
  return { calls, taken, strange };
}
