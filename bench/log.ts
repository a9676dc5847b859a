import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { crc32 } from '@elanus/kernels/checksum';
import { systemClock } from '@elanus/runtime';
import { localLogStore, nodeFs } from '@elanus/storage/local';
import { median, note, type Bench, type Figure } from './bench.ts';

/** Bytes of a record, and records that are committed together. */
const CASES = [
  { recordKb: 64, records: 16 },
  { recordKb: 128, records: 12 },
  { recordKb: 256, records: 8 },
  { recordKb: 512, records: 6 },
] as const;
const TOTAL_BYTES = 160e6;
const ROUNDS = 7;
/** What a Wal writes before the body of a record. */
const HEAD_BYTES = 96;

/** The C writer, compiled for this run. */
function compileWriter(folder: string): string {
  const output = join(folder, 'writer');
  const source = join(import.meta.dirname, 'storage', 'writer.c');
  const made = spawnSync(process.env['CC'] ?? 'cc', ['-O2', source, '-o', output]);
  if (made.status !== 0) throw new Error(`no C compiler: ${String(made.stderr)}`);
  return output;
}

/** What is written, and how: as both writers do it. */
interface Load {
  readonly recordBytes: number;
  readonly records: number;
  readonly groups: number;
}

/** Seconds of the C writer. */
function bare(writer: string, folder: string, load: Load): number {
  const path = join(folder, 'bare');
  const args = [path, String(load.recordBytes * load.records), String(load.groups)];
  const seconds = Number(execFileSync(writer, args, { encoding: 'utf8' }));
  rmSync(path);
  return seconds;
}

/**
 * Seconds of the log: each record gets its checksum and is appended in a turn of its own, as a Wal
 * does, while the group before is being synced.
 */
async function log(folder: string, load: Load): Promise<number> {
  const store = localLogStore({ fs: nodeFs(folder), durability: 'power' });
  const stream = await store.open('bench');
  const head = Buffer.alloc(HEAD_BYTES, 7);
  const record = Buffer.alloc(load.recordBytes - HEAD_BYTES, 7);
  const begin = performance.now();
  let before: Promise<unknown> = Promise.resolve();
  for (let group = 0; group < load.groups; group++) {
    const appended = [];
    for (let n = 0; n < load.records; n++) {
      const frozen = { chunks: [record], crc32: crc32(record) };
      appended.push(stream.append({ subject: 'v0', parts: [head], frozen }));
      await systemClock.turn();
    }
    await before;
    before = Promise.all(appended);
  }
  await before;
  const seconds = (performance.now() - begin) / 1e3;
  await store.close();
  rmSync(join(folder, 'log'), { recursive: true });
  return seconds;
}

/** The log beside a bare writer in C, on the same disk, in turns. */
export const bench: Bench = {
  what: 'log append in class power beside pwrite + fdatasync in C, same groups, same disk',
  seconds: 60,
  run: async () => {
    const folder = mkdtempSync(join(process.env['ELANUS_BENCH_FOLDER'] ?? tmpdir(), 'elanus-log-'));
    try {
      const writer = compileWriter(folder);
      const figures: Figure[] = [];
      for (const { recordKb, records } of CASES) {
        const recordBytes = recordKb * 1024;
        const groups = Math.round(TOTAL_BYTES / (recordBytes * records));
        const load = { recordBytes, records, groups };
        const mb = (recordBytes * records * groups) / 1e6;
        const rounds: { readonly bare: number; readonly log: number }[] = [];
        for (let round = 0; round < ROUNDS; round++) {
          const one = { bare: bare(writer, folder, load), log: await log(folder, load) };
          note(`${recordKb} KB: C ${(mb / one.bare).toFixed(0)}, log ${(mb / one.log).toFixed(0)}`);
          rounds.push(one);
        }
        const what = `${records} records of ${recordKb} KB a group`;
        const speed = (of: (one: (typeof rounds)[number]) => number): number =>
          mb / median(rounds.map(of));
        figures.push(
          { what: `${what}: C`, measured: speed((one) => one.bare), unit: 'MB/s' },
          { what: `${what}: log`, measured: speed((one) => one.log), unit: 'MB/s' },
          {
            what: `${what}: log, of C (median of ${ROUNDS} pairs)`,
            measured: 100 * median(rounds.map((one) => one.bare / one.log)),
            unit: '%',
            atLeast: 60,
          },
        );
      }
      return figures;
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  },
};
