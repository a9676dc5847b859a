import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { elanus } from 'elanus';
import { median, note, type Bench } from './bench.ts';
import { inChild } from './child.ts';
import { installPackage } from './installed.ts';
import { Digits, DIM, RAW_BYTES, indexed, queryDigits, readTrain, ROWS } from './digits.ts';

const RUNS = 7;
const QUERIES = 51;
const MB = 1e6;

interface Opened {
  readonly openMs: number;
  readonly hitMs: number;
  /** Of all threads. */
  readonly cpuMs: number;
  readonly empty: number;
  readonly first: number;
  readonly settled: number;
}

async function fill(folder: string): Promise<void> {
  const db = await elanus(folder, { durability: 'process' });
  const digits = await db.collection(Digits);
  const { images, labels } = readTrain();
  const ids = Float64Array.from({ length: ROWS }, (_, i) => i);
  for (let at = 0; at < ROWS; at += 1_000) {
    await digits.insert({
      id: ids.subarray(at, at + 1_000) as never,
      label: labels.subarray(at, at + 1_000) as never,
      image: images.subarray(at * DIM, (at + 1_000) * DIM),
    });
  }
  note('waiting for the index');
  const { indexedRows } = await indexed(digits);
  note(`${indexedRows} rows indexed`);
  await db.close();
}

/** A folder of 60,000 x 784: how soon it answers, and what memory it takes then. */
export const bench: Bench = {
  what: 'reopening a folder of 60,000 x 784: time to the first hit, resident memory',
  seconds: 40,
  run: async () => {
    const folder = mkdtempSync(join(process.env['ELANUS_BENCH_FOLDER'] ?? tmpdir(), 'elanus-re-'));
    try {
      await fill(join(folder, 'data'));
      const entry = installPackage(folder);
      if (entry === undefined)
        note('not packed: run scripts/pack-elanus.mjs to measure what ships');
      else process.env['ELANUS_BENCH_ENTRY'] = entry;
      const queries = join(folder, 'queries.f32');
      writeFileSync(queries, Buffer.concat(queryDigits(QUERIES).map((q) => Buffer.from(q.buffer))));
      const open = (settleMs: number): Opened => {
        const args = [join(folder, 'data'), queries, String(DIM), String(settleMs)];
        return inChild<Opened>('reopen-child.mjs', args);
      };
      open(0);
      const runs = Array.from({ length: RUNS }, () => open(1000));
      const of = (pick: (run: Opened) => number): number => median(runs.map(pick));
      const atMost = (1.6 * RAW_BYTES) / MB + 120;
      return [
        { what: 'open', measured: of((run) => run.openMs), unit: 'ms' },
        {
          what: `open to first hit, median of ${RUNS}`,
          measured: of((run) => run.hitMs),
          unit: 'ms',
          atMost: 500,
        },
        { what: 'processor time of all threads', measured: of((run) => run.cpuMs), unit: 'ms' },
        { what: 'raw vectors', measured: RAW_BYTES / MB, unit: 'MB' },
        { what: 'resident before opening', measured: of((run) => run.empty) / MB, unit: 'MB' },
        { what: 'resident after the first hit', measured: of((run) => run.first) / MB, unit: 'MB' },
        {
          what: 'resident after 52 searches (1.6 x raw + 120 MB)',
          measured: of((run) => run.settled) / MB,
          unit: 'MB',
          atMost,
        },
      ];
    } finally {
      delete process.env['ELANUS_BENCH_ENTRY'];
      rmSync(folder, { recursive: true, force: true });
    }
  },
};
