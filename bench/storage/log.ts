/**
 * How near the local log comes to the disk: batches of 3 MB as records of 500 KB, class `power`,
 * beside plain writes of 3 MB with fdatasync, in turns so that both meet the same disk. Figures
 * vary with what the disk has already allocated: look at the ratio.
 *
 *     node --conditions=elanus:source bench/storage/log.ts [folder]
 */
import { closeSync, fdatasyncSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { systemClock } from '../../packages/runtime/src/index.ts';
import { localLogStore, nodeFs } from '../../packages/storage/src/local-stores.ts';

const RECORD = Buffer.alloc(500 * 1024, 7);
const RECORDS = 6;
const BATCH = Buffer.alloc(RECORD.length * RECORDS, 7);
const BATCHES = 60;
const ROUNDS = 5;
const MB = (BATCH.length * BATCHES) / 1e6;

function plain(folder: string): number {
  const fd = openSync(join(folder, 'plain'), 'w');
  const begin = performance.now();
  for (let n = 0; n < BATCHES; n++) {
    writeSync(fd, BATCH, 0, BATCH.length, n * BATCH.length);
    fdatasyncSync(fd);
  }
  const seconds = (performance.now() - begin) / 1e3;
  closeSync(fd);
  rmSync(join(folder, 'plain'));
  return MB / seconds;
}

interface LogRate {
  readonly mbPerSecond: number;
  readonly cpuMsPerMb: number;
  readonly appendMsMax: number;
}

/** `ahead`: batches in flight; each record is appended in a turn of its own, as a Wal does. */
async function log(folder: string, ahead: number): Promise<LogRate> {
  const store = localLogStore({ fs: nodeFs(folder), durability: 'power' });
  const stream = await store.open('bench');
  const cpu = process.cpuUsage();
  const begin = performance.now();
  let appendMsMax = 0;
  const waiting: Promise<unknown>[] = [];
  for (let n = 0; n < BATCHES; n++) {
    const batch = [];
    for (let r = 0; r < RECORDS; r++) {
      const start = performance.now();
      batch.push(stream.append({ subject: 'v0', parts: [RECORD] }));
      appendMsMax = Math.max(appendMsMax, performance.now() - start);
      if (ahead > 1) await systemClock.turn();
    }
    waiting.push(Promise.all(batch));
    if (waiting.length >= ahead) await waiting.shift();
  }
  await Promise.all(waiting);
  const seconds = (performance.now() - begin) / 1e3;
  const { user, system } = process.cpuUsage(cpu);
  await store.close();
  rmSync(join(folder, 'log'), { recursive: true });
  return { mbPerSecond: MB / seconds, cpuMsPerMb: (user + system) / 1e3 / MB, appendMsMax };
}

const folder = mkdtempSync(join(process.argv[2] ?? '.', 'bench-log-'));
try {
  for (let round = 0; round < ROUNDS; round++) {
    const disk = plain(folder);
    const one = await log(folder, 1);
    const two = await log(folder, 3);
    const line = (title: string, rate: LogRate): string => {
      const ratio = ((100 * rate.mbPerSecond) / disk).toFixed(0);
      const cpu = `${rate.cpuMsPerMb.toFixed(2)} ms/MB`;
      const longest = `${rate.appendMsMax.toFixed(1)} ms`;
      const speed = `${rate.mbPerSecond.toFixed(0)} MB/s = ${ratio} %`;
      return `${title} ${speed} (cpu ${cpu}, longest append ${longest})`;
    };
    console.log(`disk ${disk.toFixed(0)} MB/s | ${line('one batch', one)} | ${line('three', two)}`);
  }
} finally {
  rmSync(folder, { recursive: true });
}
