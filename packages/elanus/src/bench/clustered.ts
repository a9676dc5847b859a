/** Rows made for a self-check, and queries like them that are none of the rows. */
export interface ClusteredRows {
  /** [rows x dim] */
  readonly rows: Float32Array;
  /** [queries x dim] */
  readonly queries: Float32Array;
}

/** What to make. */
export interface ClusteredShape {
  readonly rows: number;
  readonly queries: number;
  readonly dim: number;
  /** The same seed makes the same rows everywhere. */
  readonly seed: number;
}

const CLUSTERS = 100;
/** Directions in which a cluster is spread: real embeddings vary in few of their dimensions. */
const DIRECTIONS = 16;
/** How far rows lie from the middle of their cluster, and how much noise is on every number. */
const SPREAD = 0.5;
const NOISE = 0.02;

/**
 * Vectors in clusters, each spread along a few directions of its own, less and less. Harder than
 * noise would be easy, easier than words. Cost: rows x dim x 16 multiply-adds.
 */
export function clusteredRows(shape: ClusteredShape): ClusteredRows {
  const { dim } = shape;
  const normal = normalOf(shape.seed);
  const centres = Float32Array.from({ length: CLUSTERS * dim }, normal);
  const directions = Float32Array.from({ length: CLUSTERS * DIRECTIONS * dim }, normal);
  const make = (count: number): Float32Array => {
    const out = new Float32Array(count * dim);
    for (let row = 0; row < count; row++) {
      const cluster = row % CLUSTERS;
      const own = out.subarray(row * dim, (row + 1) * dim);
      own.set(centres.subarray(cluster * dim, (cluster + 1) * dim));
      for (let k = 0; k < DIRECTIONS; k++) {
        const weight = (SPREAD * normal()) / Math.sqrt(k + 1);
        const from = (cluster * DIRECTIONS + k) * dim;
        for (let i = 0; i < dim; i++) own[i] = (own[i] ?? 0) + weight * (directions[from + i] ?? 0);
      }
      for (let i = 0; i < dim; i++) own[i] = (own[i] ?? 0) + NOISE * normal();
    }
    return out;
  };
  return { rows: make(shape.rows), queries: make(shape.queries) };
}

/** Nearly normal numbers from a seed: the sum of four even ones, brought to a deviation of one. */
function normalOf(seed: number): () => number {
  let state = seed >>> 0;
  const even = (): number => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
  return () => (even() + even() + even() + even() - 2) * Math.sqrt(3);
}
