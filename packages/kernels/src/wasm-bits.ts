import { checkScanBits, checkScoreBits } from './check.ts';
import type { ListedBits, ScanBits } from './kernels.ts';
import { bitRowsPerCall } from './rows-per-call.ts';
import {
  instanceOf,
  SLOT,
  TILE_ENTRIES,
  TILE_FLOATS,
  TILE_QUERIES,
  TILE_ROWS,
  withSlot,
  writeArgs,
} from './wasm-instance.ts';
import type { Instances, WasmSlot } from './wasm-instance.ts';
import { bitsIn, forEachTile, heapsIn, heapsOut } from './wasm-tiles.ts';
import type { Group } from './wasm-tiles.ts';

/** Rows of bits in WebAssembly. */

const METRIC_CODE = { hamming: 0, jaccard: 1, tanimoto: 2 } as const;

function scanGroup(slot: WasmSlot, args: ScanBits, group: Group): void {
  const bytes = args.dim / 8;
  const queries = slot.base + SLOT.queries;
  slot.bytes.set(args.queries.subarray(group.at * bytes, (group.at + group.n) * bytes), queries);
  const heaps = heapsIn(slot, group);
  const min = { float: args.bounds?.min ?? -Infinity };
  const max = { float: args.bounds?.max ?? Infinity };
  forEachTile(args, bitRowsPerCall(args.dim, group.n), (tile) => {
    const head = [METRIC_CODE[args.metric], bytes, args.rows.byteOffset + tile.start * bytes];
    const span = [tile.from, tile.to, args.rowBase + tile.start];
    const asked = [bitsIn(slot, tile, args.allowed), queries, group.n, min, max];
    slot.exports.scan_bits(writeArgs(slot, [...head, ...span, ...asked, ...heaps]));
  });
  heapsOut(slot, group);
}

/** See `Kernels.scanBits`. */
export function scanBits(instances: Instances, args: ScanBits): void {
  checkScanBits(args);
  const { top, dim } = args;
  const room = (TILE_FLOATS * 4) / (dim / 8);
  const n = Math.max(1, Math.floor(Math.min(TILE_QUERIES, room, TILE_ENTRIES / top.limit)));
  withSlot(instanceOf(instances, args.rows), (slot) => {
    for (let at = 0; at < top.nq; at += n) {
      scanGroup(slot, args, { top, at, n: Math.min(n, top.nq - at) });
    }
  });
}

/** See `Kernels.scoreBits`. */
export function scoreBits(instances: Instances, args: ListedBits): void {
  checkScoreBits(args);
  const { dim, list, out, rowBase, rowCount } = args;
  const bytes = dim / 8;
  const size = Math.min(TILE_ROWS, bitRowsPerCall(dim, 1));
  withSlot(instanceOf(instances, args.rows), (slot) => {
    const { base } = slot;
    const scores = (base + SLOT.out) >> 2;
    slot.bytes.set(args.query, base + SLOT.queries);
    for (let at = 0; at < list.length; at += size) {
      const part = list.subarray(at, at + size);
      slot.words.set(part, (base + SLOT.list) >> 2);
      // Rows outside the chunk leave their place alone, in the slot as well.
      slot.floats.set(out.subarray(at, at + part.length), scores);
      const rows = [METRIC_CODE[args.metric], bytes, args.rows.byteOffset, rowCount, rowBase];
      const asked = [base + SLOT.list, part.length, base + SLOT.queries, base + SLOT.out];
      slot.exports.score_bits(writeArgs(slot, [...rows, ...asked]));
      out.set(slot.floats.subarray(scores, scores + part.length), at);
    }
  });
}
