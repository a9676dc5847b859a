/**
 * The promise that acknowledged means kept, before the user's eyes: a child process writes, is
 * killed with SIGKILL in the middle, and the folder is opened again.
 */
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { collection, t } from '@elanus/client';
import { ElanusError } from '@elanus/core';
import { progress } from '../cli/terminal.ts';
import { elanus } from '../open.ts';
import type { Curtain } from './stage.ts';

const BATCH_ROWS = 1_000;
const DIM = 32;
const IN_FLIGHT = 4;
/** The writer says its row every so many. */
const SAY_ROWS = 10;

const Points = collection('points', {
  id: t.int64({ primary: true, as: 'number' }),
  at: t.vector(DIM, { metric: 'l2' }),
});

/** What a kill left. */
export interface CrashResult {
  /** The row it was at when it was killed. */
  readonly row: number;
  /** Rows it had acknowledged by then. */
  readonly acknowledged: number;
  /** Acknowledged rows found after opening again. */
  readonly found: number;
  /** All rows found: those written but not yet acknowledged may be among them. */
  readonly total: number;
  readonly reopenMs: number;
}

/** Kills a writer at its row `rows`, and counts what is there. */
export async function killWriter(
  folder: string,
  rows: number,
  curtain: Curtain,
): Promise<CrashResult> {
  const { row, acknowledged } = await writeUntilKilled(folder, rows, curtain);
  const startMs = performance.now();
  const db = await elanus(folder);
  curtain.add(() => db.close());
  const points = await db.collection(Points);
  const total = await points.count();
  const reopenMs = performance.now() - startMs;
  const found = await points.count({ filter: { id: { lt: acknowledged } } });
  await db.close();
  return { row, acknowledged, found, total, reopenMs };
}

function writeUntilKilled(
  folder: string,
  rows: number,
  curtain: Curtain,
): Promise<{ row: number; acknowledged: number }> {
  const entry = process.argv[1] ?? fileURLToPath(import.meta.url);
  const args = [...process.execArgv, entry, 'demo-writer', folder];
  const child = spawn(process.execPath, args, { stdio: ['pipe', 'pipe', 'inherit'] });
  curtain.add(() => {
    child.kill('SIGKILL');
  });
  const shown = progress('  writing in a child process', rows);
  let row = 0;
  let acknowledged = 0;
  let killed = false;
  createInterface({ input: child.stdout }).on('line', (line) => {
    const [word, number] = line.split(' ');
    if (word === 'row') row = Number(number);
    if (word === 'acknowledged') acknowledged = Number(number);
    if (!killed) shown.update(Math.min(row, rows));
    if (row < rows || killed) return;
    killed = true;
    child.kill('SIGKILL');
  });
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (_code, signal) => {
      shown.clear();
      if (signal === 'SIGKILL') resolve({ row, acknowledged });
      else reject(new ElanusError('internal', { why: 'the writer ended before it was killed' }));
    });
  });
}

/**
 * The child: writes rows for ever and says on stdout what was sent and what was acknowledged. It
 * ends when its parent does.
 */
export async function writeForEver(folder: string): Promise<void> {
  process.stdin.on('close', () => process.exit(1)).resume();
  const db = await elanus(folder);
  const points = await db.collection(Points);
  const pending: Promise<void>[] = [];
  for (let first = 0; ; first += BATCH_ROWS) {
    const rows = makeRows(first);
    const written = points.insert(rows).then(() => {
      process.stdout.write(`acknowledged ${first + BATCH_ROWS}\n`);
    });
    pending.push(written);
    if (pending.length >= IN_FLIGHT) await pending.shift();
  }
}

/** The next rows, as columns; says how far it is while it makes them. */
function makeRows(first: number): { id: BigInt64Array; at: Float32Array } {
  const id = new BigInt64Array(BATCH_ROWS);
  const at = new Float32Array(BATCH_ROWS * DIM);
  for (let row = 0; row < BATCH_ROWS; row++) {
    id[row] = BigInt(first + row);
    for (let i = 0; i < DIM; i++) at[row * DIM + i] = ((first + row) * 31 + i * i) % 257;
    if (row % SAY_ROWS === 0) process.stdout.write(`row ${first + row}\n`);
  }
  return { id, at };
}
