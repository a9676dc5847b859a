import { spawn } from 'node:child_process';
import { cpSync, mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { median, note, type Bench } from './bench.ts';
import { inChild } from './child.ts';

const LOG_BYTES = 256 * 2 ** 20;
const RUNS = 5;

interface Recovered {
  readonly openMs: number;
  readonly answerMs: number;
  /** Of all threads. */
  readonly cpuMs: number;
  readonly count: number;
  readonly right: boolean;
}

/** Fills a folder in a process of its own and kills it. */
async function fillAndKill(folder: string): Promise<void> {
  const flags = process.execArgv.filter((flag) => flag.startsWith('--conditions='));
  const script = join(import.meta.dirname, 'recovery-child.ts');
  // A little more than asked for: what is written besides the vectors is counted too.
  const child = spawn(process.execPath, [...flags, script, 'fill', folder, String(LOG_BYTES)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const gone = new Promise((resolve) => child.once('exit', resolve));
  await Promise.race([new Promise((resolve) => child.stdout.once('data', resolve)), gone]);
  child.kill('SIGKILL');
  await gone;
}

function bytesBelow(folder: string): number {
  return readdirSync(folder).reduce((sum, name) => sum + statSync(join(folder, name)).size, 0);
}

/** Opening what a killed process left: a long tail of log. */
export const bench: Bench = {
  what: 'recovery after kill -9 with 256 MiB of log behind the checkpoint',
  seconds: 60,
  run: async () => {
    const home = mkdtempSync(join(process.env['ELANUS_BENCH_FOLDER'] ?? tmpdir(), 'elanus-rec-'));
    try {
      const folder = join(home, 'killed');
      await fillAndKill(folder);
      const mib = bytesBelow(join(folder, 'log', 'p0')) / 2 ** 20;
      const runs: Recovered[] = [];
      for (let run = 0; run < RUNS; run++) {
        const copy = join(home, 'copy');
        cpSync(folder, copy, { recursive: true });
        const found = inChild<Recovered>('recovery-child.ts', ['open', copy]);
        if (!found.right) throw new Error('a row is not what it was');
        note(`open ${found.openMs.toFixed(0)} ms, answered ${found.answerMs.toFixed(0)} ms`);
        runs.push(found);
        rmSync(copy, { recursive: true });
      }
      const of = (pick: (run: Recovered) => number): number => median(runs.map(pick));
      return [
        { what: 'log', measured: mib, unit: 'MiB', atLeast: 256 },
        { what: 'rows in it', measured: runs[0]?.count ?? 0, unit: '', atLeast: 1 },
        { what: `open, median of ${RUNS}`, measured: of((run) => run.openMs), unit: 'ms' },
        {
          what: 'open to first answers',
          measured: of((run) => run.answerMs),
          unit: 'ms',
          atMost: 3_000,
        },
        { what: 'processor time of all threads', measured: of((run) => run.cpuMs), unit: 'ms' },
      ];
    } finally {
      rmSync(home, { recursive: true, force: true });
    }
  },
};
