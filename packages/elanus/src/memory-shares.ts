import type { Proc } from '@elanus/core';

/** Share of the machine's memory that rows may take. */
const ROWS = 0.75;
/** What builds may take besides, in shares of that. */
const BUILDS = 1 / 3;
/** ... and indexes of scalar columns. */
const SCALAR_INDEXES = 1 / 16;
/** ... and what filters that come again leave of segments. */
const FILTER_RESULTS = 1 / 128;

/** Bytes that each kind of data may take in a process. */
export interface MemoryShares {
  readonly rows: number;
  readonly builds: number;
  readonly scalarIndexes: number;
  readonly filterResults: number;
}

/** `rows`: bytes that rows may take; three quarters of the machine's when not given. */
export function memoryShares(proc: Proc, rows = proc.memoryBytes() * ROWS): MemoryShares {
  return {
    rows,
    builds: rows * BUILDS,
    scalarIndexes: rows * SCALAR_INDEXES,
    filterResults: rows * FILTER_RESULTS,
  };
}
