/** Goal: what `npm start` shows is true: the whole demo, as a script without a terminal sees it. */
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, expect, test } from 'vitest';

const root = join(dirname(fileURLToPath(import.meta.url)), '../..');
const run = promisify(execFile);
const home = mkdtempSync(join(tmpdir(), 'elanus-demo-'));

afterAll(() => {
  rmSync(home, { recursive: true, force: true });
});

const elanus = (...args: string[]) =>
  run(
    process.execPath,
    ['--conditions=elanus:source', join(root, 'packages/elanus/src/cli/main.ts'), ...args],
    { cwd: home, maxBuffer: 16 * 1024 * 1024 },
  );

/** The number behind a word. */
function numberOf(text: string, pattern: RegExp): number {
  return Number((pattern.exec(text)?.[1] ?? 'NaN').replaceAll(',', ''));
}

test('the demo keeps its promises', async () => {
  const { stdout } = await elanus('demo');
  expect(stdout).not.toMatch(/[^\P{Cc}\n]/u);
  expect(numberOf(stdout, /inserted +([\d,]+) rows/)).toBe(60_000);
  expect(numberOf(stdout, /accuracy +([\d.]+) %/)).toBeGreaterThan(96.5);
  expect(numberOf(stdout, /recall@10 +([\d.]+) %/)).toBeGreaterThan(97);
  expect(numberOf(stdout, /one by one +([\d,]+) searches/)).toBeGreaterThan(1);
  const crash = /killed at row ([\d,]+): ([\d,]+) acknowledged, ([\d,]+) found/.exec(stdout) ?? [];
  expect(crash[2]).toBe(crash[3]);
  expect(numberOf(stdout, /: ([\d,]+) acknowledged/)).toBeGreaterThan(10_000);
  const folder = /kept in (\S+)\. /.exec(stdout)?.[1] ?? '';
  expect((await elanus('doctor', folder)).stdout).toContain('sound');
  const [command = ''] = /npx elanus search .*/.exec(stdout) ?? [];
  const found = await elanus(...command.split(' ').slice(2), '--json');
  expect(JSON.parse(found.stdout)).toMatchObject([{ id: 7, score: 0 }, {}, {}, {}, {}]);
}, 300_000);
