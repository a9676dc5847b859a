import { closeSync, fdatasyncSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { elanus } from 'elanus';
import { note, type Bench, type Figure } from './bench.ts';
import { Digits, DIM, RAW_BYTES, indexed, readTrain, ROWS } from './digits.ts';

const BATCH = 1_000;
const MB = 1e6;
/** The target is stated for a disk of this rate; a slower one scales it down. */
const DISK_MB = 450;
const RATE = 60_000;

/** What the disk takes: pieces of 3 MB, one after the other, each made durable. */
function diskRate(folder: string): number {
  const piece = Buffer.alloc(BATCH * DIM * 4, 7);
  const path = join(folder, 'plain');
  const fd = openSync(path, 'w');
  const begin = performance.now();
  for (let n = 0; n < ROWS / BATCH; n++) {
    writeSync(fd, piece, 0, piece.length, n * piece.length);
    fdatasyncSync(fd);
  }
  const seconds = (performance.now() - begin) / 1e3;
  closeSync(fd);
  rmSync(path);
  return (piece.length * ROWS) / BATCH / MB / seconds;
}

interface Insert {
  readonly rowsPerSecond: number;
  readonly peakBytes: number;
  /** Processor time of all threads for 1,000 rows. */
  readonly cpuMs: number;
  readonly lagMs: number;
  readonly indexedRows: number;
}

async function insertAll(folder: string, inFlight: number): Promise<Insert> {
  const { images, labels } = readTrain();
  const ids = Float64Array.from({ length: ROWS }, (_, i) => i);
  const db = await elanus(join(folder, `data-${inFlight}`), { durability: 'power' });
  const digits = await db.collection(Digits);
  let peakBytes = 0;
  const watch = setInterval(() => {
    peakBytes = Math.max(peakBytes, process.memoryUsage.rss());
  }, 10);
  const cpu = process.cpuUsage();
  const begin = performance.now();
  let next = 0;
  const lane = async (): Promise<void> => {
    while (next < ROWS) {
      const [from, to] = [next, next + BATCH];
      next = to;
      await digits.insert({
        id: ids.subarray(from, to) as never,
        label: labels.subarray(from, to) as never,
        image: images.subarray(from * DIM, to * DIM),
      });
    }
  };
  await Promise.all(Array.from({ length: inFlight }, lane));
  const end = performance.now();
  const { user, system } = process.cpuUsage(cpu);
  const { atMs, indexedRows } = await indexed(digits);
  clearInterval(watch);
  const count = await digits.count();
  await db.close();
  if (count !== ROWS) throw new Error(`${count} rows of ${ROWS}`);
  return {
    rowsPerSecond: (ROWS / (end - begin)) * 1e3,
    cpuMs: (user + system) / ROWS,
    peakBytes: peakBytes - RAW_BYTES,
    lagMs: Math.max(0, atMs - end),
    indexedRows,
  };
}

/** Durable insert: rate beside the disk's, memory, and how far the index is behind. */
export const bench: Bench = {
  what: 'durable insert of 60,000 x 784 in batches of 1,000, class power',
  seconds: 30,
  run: async () => {
    const folder = mkdtempSync(join(process.env['ELANUS_BENCH_FOLDER'] ?? tmpdir(), 'elanus-in-'));
    try {
      const figures: Figure[] = [];
      const [inFlight] = (process.env['ELANUS_BENCH_LANES'] ?? '4').split(',').map(Number);
      const before = diskRate(folder);
      note(`disk: ${before.toFixed(0)} MB/s`);
      const found = await insertAll(folder, inFlight ?? 4);
      const disk = (before + diskRate(folder)) / 2;
      const target = RATE * Math.min(1, disk / DISK_MB);
      const lanes = `${inFlight} writes in flight`;
      figures.push(
        { what: 'the disk: 3 MB writes, each with fdatasync', measured: disk, unit: 'MB/s' },
        {
          what: `rows, ${lanes} (60,000 where the disk does 450 MB/s)`,
          measured: found.rowsPerSecond,
          unit: 'rows/s',
          atLeast: target,
        },
        {
          what: 'share of the disk rate',
          measured: (100 * found.rowsPerSecond * DIM * 4) / MB / disk,
          unit: '%',
        },
        {
          what: "peak resident memory but the caller's data, index included",
          measured: found.peakBytes / MB,
          unit: 'MB',
          atMost: 500,
        },
        { what: 'processor time of all threads for 1,000 rows', measured: found.cpuMs, unit: 'ms' },
        { what: 'index behind the last row', measured: found.lagMs, unit: 'ms', atMost: 20_000 },
        {
          what: 'rows indexed',
          measured: found.indexedRows,
          unit: '',
        },
      );
      return figures;
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  },
};
