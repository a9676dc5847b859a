import type { TopK } from './topk.ts';
import { SLOT, TILE_ROWS } from './wasm-instance.ts';
import type { Field, WasmSlot } from './wasm-instance.ts';

/** Queries `[at, at + n)` of a result, and which of its heaps a slot holds. */
export interface Group {
  readonly top: TopK;
  readonly at: number;
  readonly n: number;
}

/** Copies the heaps of a group into the slot and gives the TopK record. */
export function heapsIn(slot: WasmSlot, { top, at, n }: Group): readonly Field[] {
  const { base } = slot;
  const { limit } = top;
  for (let q = 0; q < n; q++) {
    const from = (at + q) * limit;
    const count = Math.min(top.counts[at + q] ?? 0, limit);
    slot.words[((base + SLOT.counts) >> 2) + q] = count;
    slot.bytes[base + SLOT.tied + q] = top.tied[at + q] ?? 0;
    const kept = top.scores.subarray(from, from + count);
    slot.floats.set(kept, ((base + SLOT.scores) >> 2) + q * limit);
    slot.words.set(top.rows.subarray(from, from + count), ((base + SLOT.rows) >> 2) + q * limit);
  }
  return [limit, base + SLOT.scores, base + SLOT.rows, base + SLOT.counts, base + SLOT.tied];
}

/** Copies the heaps of a group back. */
export function heapsOut(slot: WasmSlot, { top, at, n }: Group): void {
  const { base } = slot;
  const { limit } = top;
  for (let q = 0; q < n; q++) {
    const count = slot.words[((base + SLOT.counts) >> 2) + q] ?? 0;
    top.counts[at + q] = count;
    top.tied[at + q] = slot.bytes[base + SLOT.tied + q] ?? 0;
    const scores = ((base + SLOT.scores) >> 2) + q * limit;
    const rows = ((base + SLOT.rows) >> 2) + q * limit;
    top.scores.set(slot.floats.subarray(scores, scores + count), (at + q) * limit);
    top.rows.set(slot.words.subarray(rows, rows + count), (at + q) * limit);
  }
}

/** A tile of rows: `from` and `to` count from `start`, a multiple of 32 that norms, terms and bits
 * of the slot begin at. */
export interface Tile {
  readonly start: number;
  readonly from: number;
  readonly to: number;
}

/** Visits the tiles of rows `[from, to)`, of at most `size` rows each. */
export function forEachTile(
  args: { readonly from: number; readonly to: number },
  size: number,
  visit: (tile: Tile) => void,
): void {
  const rows = Math.max(32, Math.min(TILE_ROWS, size & ~31));
  for (let at = args.from; at < args.to; ) {
    const start = at - (at % 32);
    const end = Math.min(args.to, start + rows);
    visit({ start, from: at - start, to: end - start });
    at = end;
  }
}

/** Copies the part of a per-row column that a tile needs; gives its address. */
export function columnIn(
  slot: WasmSlot,
  tile: Tile,
  column: { readonly values: Float32Array | Uint32Array; readonly offset: number },
): number {
  const address = slot.base + column.offset;
  const part = column.values.subarray(tile.start, tile.start + tile.to);
  if (part instanceof Float32Array) slot.floats.set(part, address >> 2);
  else slot.words.set(part, address >> 2);
  return address;
}

/** Copies the part of a filter that a tile needs; gives its address, 0 for none. */
export function bitsIn(slot: WasmSlot, tile: Tile, allowed: Uint32Array | undefined): number {
  if (allowed === undefined) return 0;
  const address = slot.base + SLOT.bits;
  const first = tile.start / 32;
  slot.words.set(allowed.subarray(first, first + Math.ceil(tile.to / 32)), address >> 2);
  return address;
}
