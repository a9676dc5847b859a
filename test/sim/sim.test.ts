// Goal: the embedded database keeps its promises under kills, power loss, failing disks, logs,
// objects and metadata that do not answer, and when any one call of a port fails. Method: seeds in
// virtual time (README.md), in processes of their own, where real clocks are traps; bugs planted
// into the source have to be found, rare situations have to be reached.
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { expect, test } from 'vitest';

const here = import.meta.dirname;
/** Seeds of this suite: the same each time. `pnpm sim --minutes M` runs others. */
const SEEDS = 40;
const TEST = { timeout: 600_000 };

/** Situations that so few seeds reach; 1,000 reach all of them. */
const COMMON = [
  'killed while it opened',
  'power lost while it opened',
  'stopped twice within two seconds',
  'opened after it had failed',
  'clock set back',
  'killed in a log sync',
  'power lost in a log sync',
  'log write undone',
  'log sync failed',
  'log files dropped',
  'log replayed',
  'append lost',
  'append stored, not answered',
  'term not answered',
  'ownership not answered',
  'clock window not answered',
  'flush with deletes of other segments',
  'flush failed, tried again',
  'deletes read back',
  'idempotency keys read back',
  'orphans swept',
  'merged',
  'insert refused',
  'write of unknown outcome',
  'unknown write seen',
  'past read over a restart',
  'past read of what is no more',
  'scan of several pages',
  'deleted by filter',
  'field added',
  'dropped and made again',
];

/** Of take-over, so. */
const COMMON_TAKE_OVER = [
  'led again after: freeze',
  'led again after: cut',
  'led again after: late',
  'led again after: rob',
  'two led at once',
  'deposed owner found out',
  'client went on elsewhere',
  'append of a deposed owner refused',
  'append not answered',
  'clock window refused',
  'stray behind a later Term',
  'retry executed by a later process',
];
/** Seeds of take-over in this suite. */
const TAKE_OVERS = 20;

/** Of roles in processes of their own, so. */
const COMMON_ROLES = [
  'led again after: freeze',
  'led again after: cut',
  'led again after: part',
  'two led at once',
  'deposed owner found out',
  'client went on elsewhere',
  'append of a deposed owner refused',
  'ownership refused',
  'retry executed by a later process',
];
const ROLES = 20;

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

const seedsFrom = (first: number, ...flags: readonly string[]) =>
  sim('--seed', String(first), '--seeds', String(SEEDS), ...flags);

test(`${2 * SEEDS} seeds are clean, and reach what is not that rare`, TEST, async () => {
  const lanes = await Promise.all([seedsFrom(1), seedsFrom(1 + SEEDS)]);
  const missed = lanes.map(({ out }) => /^not reached: (.*)$/m.exec(out)?.[1]?.split(', ') ?? []);
  for (const { code, out } of lanes) {
    expect(out).toMatch(new RegExp(`^${SEEDS} seeds, .* 0 violations$`, 'm'));
    expect(code).toBe(0);
  }
  const [ones = [], others = []] = missed;
  expect(COMMON.filter((name) => ones.includes(name) && others.includes(name))).toEqual([]);
});

test(`${TAKE_OVERS} seeds of take-over are clean`, TEST, async () => {
  const flags = ['--scenario', 'take-over', '--seed', '1', '--seeds', String(TAKE_OVERS)];
  const { code, out } = await sim(...flags);
  expect(out).toMatch(new RegExp(`^${TAKE_OVERS} seeds, .* 0 violations$`, 'm'));
  expect(code).toBe(0);
  const missed = /^not reached: (.*)$/m.exec(out)?.[1]?.split(', ') ?? [];
  expect(COMMON_TAKE_OVER.filter((name) => missed.includes(name))).toEqual([]);
});

test(`${ROLES} seeds of roles in processes of their own are clean`, TEST, async () => {
  const { code, out } = await sim('--scenario', 'roles', '--seed', '1', '--seeds', String(ROLES));
  expect(out).toMatch(new RegExp(`^${ROLES} seeds, .* 0 violations$`, 'm'));
  expect(code).toBe(0);
  const missed = /^not reached: (.*)$/m.exec(out)?.[1]?.split(', ') ?? [];
  expect(COMMON_ROLES.filter((name) => missed.includes(name))).toEqual([]);
});

test('a seed run twice gives one trace', TEST, async () => {
  for (const [scenario, seeds] of [
    ['embedded', 4],
    ['take-over', 2],
    ['roles', 2],
  ] as const) {
    const which = ['--scenario', scenario, '--seed', '1001', '--seeds', String(seeds)];
    const { code, out } = await sim(...which, '--twice');
    expect(out).toMatch(new RegExp(`^${seeds} seeds, .* 0 violations$`, 'm'));
    expect(code).toBe(0);
  }
});

test('the n-th call of every port fails, and nothing is lost', TEST, async () => {
  const aim = (...flags: readonly string[]) =>
    sim('--scenario', 'fault-at-n', '--mode', 'fails', ...flags);
  // Of the disk's 1,500 calls one of three; `pnpm sim --scenario fault-at-n` strikes all.
  const others = ['meta', 'log', 'objects', 'pool', 'timer'];
  const disk = aim('--port', 'fs', '--part', '1/3');
  const rest = (async () => {
    const runs = [];
    for (const port of others) runs.push(await aim('--port', port));
    return runs;
  })();
  for (const { code, out } of [await disk, ...(await rest)]) {
    expect(out).toMatch(/^fault-at-n: \d+ calls struck .* 0 violations$/m);
    expect(code).toBe(0);
    console.log(out.trim());
  }
});

/** Mutants that seeds kill, and where; fault-at-n kills m33 and m34. */
const KILLED = (
  'm02 m05 m06 m07 m08 m10 m11 m12 m13 m14 m15 m16 m17 m19 m22 m23 m24 m26 m30 m31 m32 ' +
  'm01@take-over m03@take-over m04@take-over m09@take-over m21@take-over m27@take-over ' +
  'm35@take-over m37@take-over m38@take-over m39@roles'
).split(' ');
/** So many a day, other ones the next. */
const MUTANTS_A_DAY = 4;
const today = Math.floor(Date.now() / 86_400_000) * MUTANTS_A_DAY;
const chosen = Array.from({ length: MUTANTS_A_DAY }, (_, i) => KILLED[(today + i) % KILLED.length]);

test.each([['m00', 5], ...chosen.map((one = 'm00') => [one, 200] as const)] as const)(
  '%s is killed within %i seeds',
  TEST,
  async (name, seeds) => {
    const [mutant = '', scenario = 'embedded'] = name.split('@');
    const flags = ['--seed', '1', '--seeds', String(seeds), '--mutant', mutant];
    const { code, out } = await sim('--scenario', scenario, ...flags);
    console.log(out.split('\n').find((line) => line.startsWith('seed=')));
    expect(out).toMatch(new RegExp(`^seed=\\d+ scenario=${scenario} invariant="`, 'm'));
    expect(out).toContain(`--mutant ${mutant}`);
    expect(code).toBe(1);
  },
);
