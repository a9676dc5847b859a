import { filterInvalid } from './failure.ts';

/** A compiled pattern of `like`. */
export interface LikeMatcher {
  /** Whether the UTF-8 text `data[start, end)` matches; linear in its length. */
  matches(data: Uint8Array, start: number, end: number): boolean;
}

/** A run between two `%`: found by bytes when plain, else by code points. */
interface Run {
  readonly find: (data: Uint8Array, start: number, end: number) => number;
  /** Where the run ends when `data[start, end)` begins with it, or -1. */
  readonly prefixEnd: (data: Uint8Array, start: number, end: number) => number;
  /** Where the run begins when `data[start, end)` ends with it, or -1. */
  readonly suffixStart: (data: Uint8Array, start: number, end: number) => number;
}

/** Stands for `_` among code points. */
const ANY = -1;
const cache = new Map<string, LikeMatcher>();
const CACHE_MAX = 256;

/**
 * Compiles a pattern: `%` is any run, `_` one character, `\` takes the next character literally.
 * Matching never backtracks over more than one run: time is linear in the text.
 *
 * @throws filter_invalid when the pattern ends in a lone backslash.
 */
export function compileLike(pattern: string, position?: number): LikeMatcher {
  const known = cache.get(pattern);
  if (known !== undefined) return known;
  const matcher = matcherOf(cutRuns(pattern, position).map(makeRun));
  if (cache.size >= CACHE_MAX) cache.clear();
  if (pattern.length < 1024) cache.set(pattern, matcher);
  return matcher;
}

function cutRuns(pattern: string, position?: number): number[][] {
  const runs: number[][] = [[]];
  let escaped = false;
  for (const char of pattern) {
    const run = runs[runs.length - 1] as number[];
    if (escaped) {
      run.push(char.codePointAt(0) ?? 0);
      escaped = false;
    } else if (char === '\\') escaped = true;
    else if (char === '_') run.push(ANY);
    else if (char !== '%') run.push(char.codePointAt(0) ?? 0);
    else runs.push([]);
  }
  if (escaped) {
    throw filterInvalid('the pattern ends in a lone backslash', {
      position,
      hint: 'Write \\\\ for a backslash.',
    });
  }
  return runs.filter((run, index) => run.length > 0 || index === 0 || index === runs.length - 1);
}

const encoder = new TextEncoder();

function makeRun(points: readonly number[]): Run {
  const plain = !points.includes(ANY);
  const text = plain ? points.map((point) => String.fromCodePoint(point)).join('') : '';
  const bytes = encoder.encode(text);
  const ends = plain ? byteEnds(bytes) : pointEnds(points);
  return { find: plain ? byteFinder(bytes) : pointFinder(points), ...ends };
}

function matcherOf(runs: readonly Run[]): LikeMatcher {
  const first = runs[0] as Run;
  const last = runs[runs.length - 1] as Run;
  const matches = (data: Uint8Array, start: number, end: number): boolean => {
    let at = first.prefixEnd(data, start, end);
    if (at < 0) return false;
    if (runs.length === 1) return at === end;
    for (let i = 1; i < runs.length - 1; i++) {
      at = (runs[i] as Run).find(data, at, end);
      if (at < 0) return false;
    }
    return last.suffixStart(data, start, end) >= at;
  };
  return { matches };
}

/** Prefix and suffix of a run without `_`. */
function byteEnds(bytes: Uint8Array): Pick<Run, 'prefixEnd' | 'suffixStart'> {
  const { length } = bytes;
  const standsAt = (data: Uint8Array, from: number): boolean => {
    for (let i = 0; i < length; i++) if (data[from + i] !== bytes[i]) return false;
    return true;
  };
  return {
    prefixEnd: (data, start, end) =>
      end - start >= length && standsAt(data, start) ? start + length : -1,
    suffixStart: (data, start, end) =>
      end - start >= length && standsAt(data, end - length) ? end - length : -1,
  };
}

/** Prefix and suffix of a run with `_`, which is one character of one to four bytes. */
function pointEnds(points: readonly number[]): Pick<Run, 'prefixEnd' | 'suffixStart'> {
  const prefixEnd = (data: Uint8Array, start: number, end: number): number => {
    let at = start;
    for (const point of points) {
      if (at >= end) return -1;
      const next = nextPoint(data, at, end);
      if (point !== ANY && pointAt(data, at, next) !== point) return -1;
      at = next;
    }
    return at;
  };
  const suffixStart = (data: Uint8Array, start: number, end: number): number => {
    let at = end;
    for (let i = points.length - 1; i >= 0; i--) {
      if (at <= start) return -1;
      let from = at - 1;
      while (from > start && ((data[from] as number) & 0xc0) === 0x80) from--;
      if (points[i] !== ANY && pointAt(data, from, at) !== points[i]) return -1;
      at = from;
    }
    return at;
  };
  return { prefixEnd, suffixStart };
}

function nextPoint(data: Uint8Array, at: number, end: number): number {
  let next = at + 1;
  while (next < end && ((data[next] as number) & 0xc0) === 0x80) next++;
  return next;
}

/** The code point in `data[at, end)`, which is one character. */
function pointAt(data: Uint8Array, at: number, end: number): number {
  const lead = data[at] as number;
  if (lead < 0x80) return lead;
  let point = lead & (end - at === 2 ? 0x1f : end - at === 3 ? 0x0f : 0x07);
  for (let i = at + 1; i < end; i++) point = (point << 6) | ((data[i] as number) & 0x3f);
  return point;
}

/** Knuth, Morris and Pratt: the end of the first place where the bytes stand, or -1. */
function byteFinder(bytes: Uint8Array): Run['find'] {
  const back = new Int32Array(bytes.length + 1);
  for (let i = 1, k = 0; i < bytes.length; i++) {
    while (k > 0 && bytes[i] !== bytes[k]) k = back[k - 1] as number;
    if (bytes[i] === bytes[k]) k++;
    back[i] = k;
  }
  return (data, start, end) => {
    if (bytes.length === 0) return start;
    let k = 0;
    for (let at = start; at < end; at++) {
      const byte = data[at];
      while (k > 0 && byte !== bytes[k]) k = back[k - 1] as number;
      if (byte === bytes[k]) k++;
      if (k === bytes.length) return at + 1;
    }
    return -1;
  };
}

/** Shift-and over code points, 32 pattern positions a word: no backtracking with `_` either. */
function pointFinder(points: readonly number[]): Run['find'] {
  const words = (points.length + 31) >>> 5;
  const any = new Uint32Array(words);
  const masks = new Map<number, Uint32Array>();
  points.forEach((point, i) => {
    if (point === ANY) any[i >>> 5] = (any[i >>> 5] as number) | (1 << (i & 31));
  });
  points.forEach((point, i) => {
    if (point === ANY) return;
    const mask = masks.get(point) ?? any.slice();
    mask[i >>> 5] = (mask[i >>> 5] as number) | (1 << (i & 31));
    masks.set(point, mask);
  });
  const last = points.length - 1;
  return (data, start, end) => {
    const state = new Uint32Array(words);
    let at = start;
    while (at < end) {
      const next = nextPoint(data, at, end);
      const mask = masks.get(pointAt(data, at, next)) ?? any;
      let carry = 1;
      for (let w = 0; w < words; w++) {
        const word = state[w] as number;
        state[w] = ((word << 1) | carry) & (mask[w] as number);
        carry = word >>> 31;
      }
      if ((((state[last >>> 5] as number) >>> (last & 31)) & 1) === 1) return next;
      at = next;
    }
    return -1;
  };
}
