/**
 * The two 16-bit floats, as bits in 16-bit integers: `Float16Array` is not on every Node we run on,
 * and bfloat16 has no array at all. Conversions round once, from the double that was given.
 */

/** A float of 16 bits. */
export type HalfType = 'float16' | 'bfloat16';

interface Layout {
  readonly mantissa: number;
  readonly bias: number;
  /** Bits of infinity: what finite numbers stay below. */
  readonly infinity: number;
}

const LAYOUTS: Readonly<Record<HalfType, Layout>> = {
  float16: { mantissa: 10, bias: 15, infinity: 0x7c00 },
  bfloat16: { mantissa: 7, bias: 127, infinity: 0x7f80 },
};

const double = new Float64Array(1);
const words = new Uint32Array(double.buffer);
const float = new Float32Array(1);
const floatWord = new Uint32Array(float.buffer);
/** Every machine that runs this is little-endian: see the column frame. */
const HIGH = 1;

/** The whole number nearest to a small positive one, to the even one of two. */
function roundEven(value: number): number {
  const floor = Math.floor(value);
  const rest = value - floor;
  return rest > 0.5 || (rest === 0.5 && (floor & 1) === 1) ? floor + 1 : floor;
}

/** The bits of the number nearest to `value`, to the even one of two; NaN stays one. */
function bitsOf(value: number, layout: Layout): number {
  const { mantissa, bias, infinity } = layout;
  double[0] = value;
  const high = words[HIGH] as number;
  const sign = (high >>> 16) & 0x8000;
  const exponent = ((high >>> 20) & 0x7ff) - 1023;
  if (exponent > bias) return sign | infinity | (Number.isNaN(value) ? 1 : 0);
  if (exponent < 1 - bias) {
    return sign | roundEven(Math.abs(value) * 2 ** (bias - 1 + mantissa));
  }
  const shift = 20 - mantissa;
  const kept = (high & 0xfffff) >>> shift;
  const rest = high & ((1 << shift) - 1);
  const half = 1 << (shift - 1);
  const up = rest > half || (rest === half && (words[1 - HIGH] !== 0 || (kept & 1) === 1));
  // A carry out of the mantissa is the next exponent, and at last infinity.
  return sign | ((((exponent + bias) << mantissa) | kept) + (up ? 1 : 0));
}

/** `bitsOf` for the bits of a float32: a few whole-number steps. */
function brainOfFloat(word: number): number {
  if ((word & 0x7fff_ffff) > 0x7f80_0000) return (word >>> 16) | 0x40;
  return (word + 0x7fff + ((word >>> 16) & 1)) >>> 16;
}

/** The same for float16; what is below its smallest normal number takes the long way. */
function halfOfFloat(word: number, value: number): number {
  const rest = word & 0x7fff_ffff;
  const sign = (word >>> 16) & 0x8000;
  if (rest >= 0x4780_0000) return sign | 0x7c00 | (rest > 0x7f80_0000 ? 1 : 0);
  if (rest < 0x3880_0000) return sign | roundEven(Math.abs(value) * 2 ** 24);
  const moved = rest - 0x3800_0000;
  return sign | ((moved + 0xfff + ((moved >>> 13) & 1)) >>> 13);
}

/** `writeHalves` for the most common source, ten times as fast. */
function writeFloats(
  type: HalfType,
  values: Float32Array,
  to: { readonly into: Uint16Array; readonly at: number },
): number {
  const source = new Uint32Array(values.buffer, values.byteOffset, values.length);
  const { into, at } = to;
  const half = type === 'float16';
  for (let i = 0; i < source.length; i++) {
    const word = source[i] as number;
    into[at + i] = half ? halfOfFloat(word, values[i] as number) : brainOfFloat(word);
  }
  return findNotFiniteHalf(type, into.subarray(at, at + source.length));
}

/**
 * Writes the bits of `values` from `at` on, each rounded to the nearest, to the even one of two.
 * @returns position of the first that is NaN or becomes infinite, else -1
 */
export function writeHalves(
  type: HalfType,
  values: ArrayLike<number>,
  to: { readonly into: Uint16Array; readonly at: number },
): number {
  if (values instanceof Float32Array) return writeFloats(type, values, to);
  const layout = LAYOUTS[type];
  const { into, at } = to;
  let bad = -1;
  for (let i = 0; i < values.length; i++) {
    const bits = bitsOf(values[i] as number, layout);
    into[at + i] = bits;
    if (bad < 0 && (bits & layout.infinity) === layout.infinity) bad = i;
  }
  return bad;
}

/** Position of the first NaN or infinity among bits, or -1. */
export function findNotFiniteHalf(type: HalfType, bits: Uint16Array): number {
  const { infinity } = LAYOUTS[type];
  for (let i = 0; i < bits.length; i++) {
    if (((bits[i] as number) & infinity) === infinity) return i;
  }
  return -1;
}

/** The number that 16 bits stand for, exactly. */
export function halfToNumber(type: HalfType, bits: number): number {
  if (type === 'bfloat16') {
    floatWord[0] = bits << 16;
    return float[0] as number;
  }
  const exponent = (bits >>> 10) & 0x1f;
  const rest = bits & 0x3ff;
  const sign = bits & 0x8000 ? -1 : 1;
  if (exponent === 0x1f) return rest === 0 ? sign * Infinity : Number.NaN;
  return sign * (exponent === 0 ? rest * 2 ** -24 : (1024 + rest) * 2 ** (exponent - 25));
}

/** The numbers that bits stand for, exactly. */
export function halvesToFloats(type: HalfType, bits: Uint16Array): Float32Array {
  return Float32Array.from(bits, (one) => halfToNumber(type, one));
}
