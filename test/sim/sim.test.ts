// Goal: the embedded database keeps its promises under kills, power loss, failing disks and
// metadata that does not answer. Method: seeds in virtual time (README.md), in a process of their
// own, where real clocks are traps; bugs planted into the source have to be found.
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { expect, test } from 'vitest';

const here = import.meta.dirname;
/** Seeds of this suite: the same each time. `pnpm sim --minutes M` runs others. */
const FIRST = 1;
const SEEDS = 40;
const TEST = { timeout: 280_000 };

/** Runs seeds; gives what was printed. */
function sim(
  ...flags: readonly string[]
): Promise<{ readonly code: number; readonly out: string }> {
  const args = ['--conditions=elanus:source', join(here, 'run.ts'), ...flags];
  return new Promise((resolve) => {
    execFile(process.execPath, args, { maxBuffer: 2 ** 24 }, (error, stdout, stderr) => {
      resolve({ code: error === null ? 0 : 1, out: stdout + stderr });
    });
  });
}

test(`${SEEDS} seeds from ${FIRST} on are clean`, TEST, async () => {
  const { code, out } = await sim('--seed', String(FIRST), '--seeds', String(SEEDS));
  expect(out).toMatch(new RegExp(`^${SEEDS} seeds, .* 0 violations$`, 'm'));
  expect(code).toBe(0);
});

test('a seed run twice gives one trace', TEST, async () => {
  const { code, out } = await sim('--seed', '1001', '--seeds', '4', '--twice');
  expect(out).toMatch(/^4 seeds, .* 0 violations$/m);
  expect(code).toBe(0);
});

test.each([
  ['m00', 1, 5],
  ['m19', 1, 20],
  ['m22', 1, 20],
  ['m24', 1, 20],
  ['m30', 1, 40],
])('mutant %s is killed from seed %i on within %i', TEST, async (mutant, first, seeds) => {
  const flags = ['--seed', String(first), '--seeds', String(seeds), '--mutant', mutant];
  const { code, out } = await sim(...flags);
  expect(out).toMatch(/^seed=\d+ scenario=embedded invariant="/m);
  expect(out).toContain(`--mutant ${mutant}`);
  expect(code).toBe(1);
});
