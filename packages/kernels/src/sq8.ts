import { assert } from '@elanus/core';

/**
 * 8-bit codes: every number x becomes a code c in 0..255 with x ~ low + c * step, one grid for all
 * dimensions. Rows and queries lie on the same grid, so their errors cancel for near neighbours.
 */
export interface Sq8Grid {
  readonly low: number;
  readonly step: number;
}

/** A query on the grid, as `Kernels.scanSq8` takes it. */
export interface Sq8Query {
  /** [sq8Stride(dim)] codes minus 128, padded with 0 */
  readonly codes: Int8Array;
  /** Sum of the squared codes. */
  readonly term: number;
  /** How far the query's numbers lie outside the grid, summed, in steps. */
  readonly overshoot: number;
}

/** Bytes of one row of codes: `dim` rounded up to 16, so that no kernel needs a tail. */
export function sq8Stride(dim: number): number {
  return (dim + 15) & ~15;
}

/** Share of the sampled numbers cut off at each end: outliers must not coarsen the grid. */
const TAIL = 0.0005;
/** Room beyond the cut, as a share of the span. */
const MARGIN = 0.1;

/**
 * Chooses the grid from a sample of the numbers that will be encoded.
 *
 * @param sample any numbers of the rows, in any order; sorted in place
 * @param symmetric the grid is centred on 0, so that a scaled query always fits (IP and COSINE)
 */
export function trainSq8(sample: Float32Array, symmetric: boolean): Sq8Grid {
  assert(sample.length > 0, 'a sample to train on');
  sample.sort();
  const cut = Math.floor(sample.length * TAIL);
  const least = sample[0] ?? 0;
  const most = sample[sample.length - 1] ?? 0;
  const low = sample[cut] ?? 0;
  const high = sample[sample.length - 1 - cut] ?? 0;
  const room = (high - low) * MARGIN;
  let from = Math.max(least, low - room);
  let to = Math.min(most, high + room);
  if (symmetric) {
    to = Math.max(Math.abs(from), Math.abs(to));
    from = -to;
  }
  const step = Math.fround((to - from) / 255);
  // Equal numbers everywhere, or a span too small for float32: any grid serves, all codes are 0.
  return { low: Math.fround(from), step: step > 1e-30 && Number.isFinite(step) ? step : 1 };
}

/** Puts `query` times `scale` on the grid. Few searches do more work in JavaScript than this. */
export function encodeQuerySq8(query: Float32Array, grid: Sq8Grid, scale: number): Sq8Query {
  const { low, step } = grid;
  const codes = new Int8Array(sq8Stride(query.length));
  let term = 0;
  let overshoot = 0;
  for (let i = 0; i < query.length; i++) {
    const exact = ((query[i] ?? 0) * scale - low) / step;
    let code = 0;
    if (exact >= 0 && exact <= 255) code = (exact + 0.5) | 0;
    else {
      code = exact > 255 ? 255 : 0;
      overshoot += Math.abs(exact - code);
    }
    codes[i] = code - 128;
    term += code * code;
  }
  return { codes, term, overshoot };
}
