/**
 * Clocks that jump by hours, forth and back, while a process writes and between its lives, on top
 * of kill -9. As a command, where libfaketime is installed:
 *
 *     node --conditions=elanus:source test/crash/clock-loop.ts [kills] [seed]
 */
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { killLoop, type KillReport } from './kill-loop.ts';

const LIBRARIES = [
  '/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1',
  '/usr/lib/aarch64-linux-gnu/faketime/libfaketime.so.1',
];
/** Hours from the true time; the process that reads between them has that. */
const HOURS = [0, 3, -2, 25, -5, 0.2, -0.2, 1, -24] as const;

/** Kills `kills` times, the clock jumping before each life and within it. Undefined: no library. */
export async function clockLoop(kills: number, seed: number): Promise<KillReport | undefined> {
  const library = LIBRARIES.find(existsSync);
  if (library === undefined) return undefined;
  const home = mkdtempSync(join(tmpdir(), 'elanus-clock-'));
  const file = join(home, 'offset');
  let jumps = seed;
  const jump = (): void => {
    const hours = HOURS[jumps++ % HOURS.length] ?? 0;
    writeFileSync(file, `${hours < 0 ? '' : '+'}${Math.round(hours * 3_600)}\n`);
  };
  jump();
  try {
    const env = {
      LD_PRELOAD: library,
      FAKETIME_TIMESTAMP_FILE: file,
      FAKETIME_NO_CACHE: '1',
      // The monotonic clock of a machine never jumps.
      FAKETIME_DONT_FAKE_MONOTONIC: '1',
      FAKETIME_XRESET: '1',
    };
    return await killLoop(kills, seed, { env, midway: jump, afterKill: jump });
  } finally {
    rmSync(home, { recursive: true });
  }
}

if (process.argv[1] === import.meta.filename) {
  const [kills = '40', seed = '1'] = process.argv.slice(2);
  const report = await clockLoop(Number(kills), Number(seed));
  if (report === undefined) {
    console.error('libfaketime is not installed');
    process.exitCode = 2;
  } else {
    const { acknowledged, keptInFlight, lost, ghosts } = report;
    console.log(
      `${2 * report.kills} jumps of the clock and ${report.kills} kills, ` +
        `${acknowledged} writes acknowledged, ${keptInFlight} in flight kept whole: ` +
        `${lost} rows lost, ${ghosts} ghosts`,
    );
    process.exitCode = lost + ghosts === 0 ? 0 : 1;
  }
}
