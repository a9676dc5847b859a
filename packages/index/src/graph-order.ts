import { crc32 } from '@elanus/kernels/checksum';
import { graphCount } from '@elanus/kernels';

/**
 * Which rows a graph links and in which order. Rows of equal codes are twins: only the first of
 * them takes part, since a node's links would all go to its twins and lead nowhere else; the others
 * are chained to it afterwards.
 */

/** Rows whose hash has one place are compared; more are taken for different. */
const PROBES = 64;
const ROWS_PER_STEP = 4096;
const EMPTY = 0xffffffff;

/** Codes of all rows. */
export interface CodedRows {
  /** [rowCount x stride] */
  readonly codes: Uint8Array;
  readonly rowCount: number;
  readonly stride: number;
}

/** For each row the first row of equal codes: itself, when it has no twin before it. */
export function* findTwins(rows: CodedRows): Generator<undefined, Uint32Array, undefined> {
  const { rowCount, stride } = rows;
  const codes = Buffer.from(rows.codes.buffer, rows.codes.byteOffset, rowCount * stride);
  const first = new Uint32Array(rowCount);
  const places = 2 ** Math.ceil(Math.log2(Math.max(2, rowCount * 2)));
  const table = new Uint32Array(places).fill(EMPTY);
  for (let row = 0; row < rowCount; row++) {
    const own = codes.subarray(row * stride, (row + 1) * stride);
    let place = crc32(own) & (places - 1);
    first[row] = row;
    for (let probe = 0; probe < PROBES; probe++) {
      const other = table[place] ?? EMPTY;
      if (other === EMPTY) {
        table[place] = row;
        break;
      }
      if (codes.compare(own, 0, stride, other * stride, (other + 1) * stride) === 0) {
        first[row] = other;
        break;
      }
      place = (place + 1) & (places - 1);
    }
    if (row % ROWS_PER_STEP === 0) yield;
  }
  return first;
}

/** Mixes a number with a key: the round of the permutation below. */
function mix(value: number, key: number): number {
  let x = Math.imul(value ^ key, 0x9e3779b1);
  x = Math.imul(x ^ (x >>> 15), 0x85ebca6b);
  return (x ^ (x >>> 13)) >>> 0;
}

/** A seeded permutation of `[0, count)`: four Feistel rounds, repeated until the range is met. */
export function permuted(count: number, seed: number): (i: number) => number {
  const half = Math.max(1, Math.ceil(Math.log2(Math.max(2, count)) / 2));
  const mask = 2 ** half - 1;
  return (i) => {
    let x = i;
    do {
      let left = Math.floor(x / (mask + 1));
      let right = x & mask;
      for (let round = 0; round < 4; round++) {
        const next = (left ^ mix(right, seed + round)) & mask;
        left = right;
        right = next;
      }
      x = left * (mask + 1) + right;
    } while (x >= count);
    return x;
  };
}

/**
 * Of how many of the linked rows upper layers are shares: 1 / M, 1 / M², ... of seven eighths. As
 * many distances lead to as many neighbours as from 1 / M of all, and an eighth less is kept.
 */
export function layeredRows(linked: number): number {
  return Math.ceil((linked * 7) / 8);
}

/** The order in which rows are linked. */
export interface LinkOrder {
  /** Rows that the graph links. */
  readonly nodes: number;
  /** Nodes of layer 1, the first ones of the order. */
  readonly upper: number;
  /** Rows kept for last, so that recall can be measured with rows that the graph does not know. */
  readonly heldOut: number;
}

/** What an order is made of. */
export interface OrderPlan {
  /** From `findTwins`. */
  readonly first: Uint32Array;
  readonly degree: number;
  readonly seed: number;
  /** Rows to hold out at most. */
  readonly heldOut: number;
}

/**
 * Writes the order to `order`: a seeded sample for the upper layers, then the rows as they lie,
 * then a sample that is held out.
 */
export function writeOrder(plan: OrderPlan, order: Uint32Array): LinkOrder {
  const { first, degree, seed } = plan;
  const rowCount = first.length;
  let nodes = 0;
  for (let row = 0; row < rowCount; row++) if (first[row] === row) nodes++;
  const upper = graphCount(layeredRows(nodes), degree, 1);
  const heldOut = Math.max(0, Math.min(plan.heldOut, nodes - upper));
  const taken = new Uint8Array(rowCount);
  const at = permuted(rowCount, seed);
  for (let i = 0, picked = 0; picked < upper + heldOut; i++) {
    const row = at(i);
    if (first[row] !== row) continue;
    order[picked < upper ? picked : nodes - heldOut + (picked - upper)] = row;
    taken[row] = 1;
    picked++;
  }
  let next = upper;
  for (let row = 0; row < rowCount; row++) {
    if (first[row] === row && taken[row] === 0) order[next++] = row;
  }
  order.subarray(nodes - heldOut, nodes).sort();
  return { nodes, upper, heldOut };
}
