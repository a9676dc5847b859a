import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Bench } from './bench.ts';
import { inChild } from './child.ts';

const ROWS = 1_000_000;
const BUDGET_BYTES = 512 * 2 ** 20;
const MIB = 2 ** 20;

/** Memory of a merge of many short rows: what it says it takes, and what it takes. */
export const bench: Bench = {
  what: 'compaction of 1,000,000 small rows in 10 segments: memory beside what was reserved',
  seconds: 30,
  run: () => {
    const folder = mkdtempSync(join(process.env['ELANUS_BENCH_FOLDER'] ?? tmpdir(), 'elanus-cmp-'));
    try {
      const args = [join(folder, 'data'), String(ROWS), String(BUDGET_BYTES)];
      const peaks = inChild<{ readonly reserved: number; readonly resident: number }>(
        'compaction-child.ts',
        args,
        ['--expose-gc'],
      );
      return Promise.resolve([
        { what: 'budget', measured: BUDGET_BYTES / MIB, unit: 'MiB' },
        {
          what: 'reserved at once',
          measured: peaks.reserved / MIB,
          unit: 'MiB',
          atMost: BUDGET_BYTES / MIB,
        },
        {
          what: 'taken at once, by the whole process',
          measured: peaks.resident / MIB,
          unit: 'MiB',
          atMost: peaks.reserved / MIB,
        },
      ]);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  },
};
