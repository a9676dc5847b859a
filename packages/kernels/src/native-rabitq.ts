import { checkEncodeRabitq, checkRotate, checkScanRabitq } from './check-rabitq.ts';
import { elementCode, elementsOf } from './element.ts';
import { bytesOf, memoryBytes } from './memory.ts';
import { RABITQ_BUDGET, rabitqBits, rabitqRowsPerCall } from './rabitq.ts';
import type { EncodeRabitq, RabitqView, RotateQueries, ScanRabitq } from './rabitq.ts';
import { heapOf } from './topk.ts';

/** The 1-bit codes' functions of the addon: see native/addon-rabitq.h. */
export interface RabitqAddon {
  rotateQueries(...args: readonly unknown[]): void;
  encodeRabitq(...args: readonly unknown[]): void;
  scanRabitq(...args: readonly unknown[]): number;
}

const METRIC_CODE = { l2: 0, ip: 1, cosine: 2 } as const;

/** A view as the addon takes it: its memory and ten numbers. */
type Passed = readonly [Uint8Array, Float64Array];

const known = new WeakMap<RabitqView, Passed>();

function passed(view: RabitqView): Passed {
  const found = known.get(view);
  if (found !== undefined) return found;
  const { rowCount, lists, dim, codes, factors, rows, starts, centroids, signs } = view;
  const sizes = [rowCount, lists, dim, rabitqBits(dim)];
  const numbers = Float64Array.of(...sizes, codes, factors, rows, starts, centroids, signs);
  const made: Passed = [bytesOf(view.memory, memoryBytes(view.memory)), numbers];
  known.set(view, made);
  return made;
}

/** See `Kernels.rotateQueries`. */
export function rotateQueries(addon: RabitqAddon, isa: number, args: RotateQueries): void {
  checkRotate(args);
  const { view, queries, out } = args;
  const bits = rabitqBits(view.dim);
  const size = rabitqRowsPerCall(view.dim);
  for (let at = 0; at * view.dim < queries.length; at += size) {
    const part = queries.subarray(at * view.dim, (at + size) * view.dim);
    addon.rotateQueries(isa, ...passed(view), part, out.subarray(at * bits));
  }
}

/** See `Kernels.encodeRabitq`. */
export function encodeRabitq(addon: RabitqAddon, isa: number, args: EncodeRabitq): void {
  checkEncodeRabitq(args);
  const { view, metric, element = 'float32', inverseNorms, list, from, to } = args;
  const length = view.rowCount * view.dim;
  const rows = elementsOf(args.rows, element, { length });
  const places = placesOf(view);
  const scratch = new Float32Array(rabitqBits(view.dim));
  const head = [METRIC_CODE[metric], elementCode(element), rows, inverseNorms, list];
  const size = rabitqRowsPerCall(view.dim);
  for (let at = from; at < to; at += size) {
    const end = Math.min(to, at + size);
    const span = [at, end, places.subarray(at, end), scratch];
    addon.encodeRabitq(isa, ...passed(view), ...head, ...span);
  }
}

/** The row at each place. */
export function placesOf({ memory, rows, rowCount }: RabitqView): Uint32Array {
  return new Uint32Array(memory.buffer, memory.byteOffset + rows, rowCount);
}

/** One bounded call of a scan: see `Kernels.scanRabitq`. */
export function scanRabitq(addon: RabitqAddon, isa: number, args: ScanRabitq): boolean {
  checkScanRabitq(args);
  const { view, query, lists, state, allowed } = args;
  const asked = [query, lists, state, RABITQ_BUDGET, allowed];
  const heap = heapOf(args.top, args.slot);
  return addon.scanRabitq(isa, ...passed(view), ...asked, ...heap) === 1;
}
