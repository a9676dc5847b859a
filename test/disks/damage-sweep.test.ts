// Goal: damage at rest is refused or named, never answered from. Method: planted harms of every
// kind, and a few seeded ones; see damage-sweep.ts, whose 2,000 are a command of their own.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { filesOf, harmOf, kindOf, type Harm } from './damage.ts';
import { judge, soundFolder, told, type Sound, type Verdict } from './damage-sweep.ts';

let home = '';
let sound: Sound;
beforeAll(async () => {
  home = mkdtempSync(join(tmpdir(), 'elanus-damage-'));
  sound = await soundFolder(join(home, 'whole'));
}, 120_000);
afterAll(() => rmSync(home, { recursive: true, force: true }));

const judged = async (harm: Harm): Promise<Verdict> => {
  const verdict = await judge(sound, { seed: 0, harm });
  if (verdict === undefined) throw new Error('nothing was changed');
  expect(verdict.wrong, told(verdict)).toEqual([]);
  return verdict;
};

/** The first, or the last, file of a kind. */
const fileOf = (kind: string, at: 0 | -1 = 0): string => {
  const found = filesOf(sound.folder).filter((file) => kindOf(file) === kind);
  const file = found.at(at);
  if (file === undefined) throw new Error(`there is no file of kind ${kind}`);
  return file;
};

test('the folder answers everything, and the doctor finds nothing', () => {
  expect([...sound.truth].filter(([, answer]) => answer.startsWith('refused'))).toEqual([]);
  expect(sound.truth.size).toBeGreaterThan(12);
});

describe('what would lose rows is refused when the folder is opened', () => {
  test.each([
    ['its oldest log file is gone', { kind: 'log', at: 0, how: 'removed' }],
    ['its newest log file is gone', { kind: 'log', at: -1, how: 'removed' }],
    ['its newest log file is empty', { kind: 'log', at: -1, how: 'cut' }],
    ['the metadata is gone', { kind: 'meta.db', at: 0, how: 'removed' }],
    ['the metadata is empty', { kind: 'meta.db', at: 0, how: 'cut' }],
    ['scalars are gone', { kind: 'scalars', at: 0, how: 'removed' }],
    ['a delta log is gone', { kind: 'delta', at: 0, how: 'removed' }],
  ] as const)('%s', { timeout: 60_000 }, async (_what, { kind, at, how }) => {
    const verdict = await judged({ file: fileOf(kind, at), how, at: 0, by: 0 });
    expect(verdict).toMatchObject({ refused: 'open', named: true, mended: false });
  });
});

describe('what is derived refuses nothing, and the doctor mends it', () => {
  test.each([
    ['removed', 0],
    ['cut', 100],
    ['byte', 300],
  ] as const)('an index that is %s', { timeout: 60_000 }, async (how, at) => {
    const verdict = await judged({ file: fileOf('index-104'), how, at, by: 5 });
    expect(verdict).toMatchObject({ refused: undefined, named: true, mended: true });
  });
});

test('seeded harms give no wrong answer', { timeout: 120_000 }, async () => {
  for (let seed = 1; seed <= 6; seed++) {
    const harm = harmOf(sound.folder, seed);
    const verdict = await judged(harm);
    if (harm.file.startsWith('meta.db')) continue;
    expect(verdict.refused !== undefined || verdict.named, told(verdict)).toBe(true);
  }
});
