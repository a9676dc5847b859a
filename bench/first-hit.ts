import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { median, note, type Bench, type Figure } from './bench.ts';
import { inChild } from './child.ts';

const RUNS = 9;
/** What `scripts/pack-elanus.mjs` makes: one bundle, as users install it. */
const PACKED = join(import.meta.dirname, '../packages/elanus/build/package/dist/index.js');

function measure(of: string, atMost: number | undefined): readonly Figure[] {
  inChild('first-hit-child.mjs');
  const runs = Array.from({ length: RUNS }, () => inChild<number[]>('first-hit-child.mjs'));
  const part = (at: number): number => median(runs.map((run) => run[at] ?? Number.NaN));
  const fastest = Math.min(...runs.map((run) => run[3] ?? Infinity));
  return [
    { what: `${of}: import`, measured: part(0), unit: 'ms' },
    { what: `${of}: open`, measured: part(1), unit: 'ms' },
    { what: `${of}: create, insert, search`, measured: part(2), unit: 'ms' },
    { what: `${of}: all of it, median of ${RUNS}`, measured: part(3), unit: 'ms', atMost },
    { what: `${of}: the fastest`, measured: fastest, unit: 'ms' },
  ];
}

/** How long a script waits for its first answer. */
export const bench: Bench = {
  what: 'import of elanus to the first hit on :memory:, files warm',
  seconds: 10,
  run: async () => {
    if (!existsSync(PACKED)) note('not packed: run scripts/pack-elanus.mjs to measure what ships');
    else {
      process.env['ELANUS_BENCH_ENTRY'] = PACKED;
      const packed = measure('packed', 100);
      delete process.env['ELANUS_BENCH_ENTRY'];
      return [...packed, ...measure('workspace', undefined)];
    }
    return Promise.resolve(measure('workspace', 100));
  },
};
