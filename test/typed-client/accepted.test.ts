import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';

const here = dirname(fileURLToPath(import.meta.url));
const run = promisify(execFile);

/** Runs the compiler on a project of this folder: its complaints and its counters. */
async function compile(project: string): Promise<string> {
  const tsc = join(here, '../../node_modules/typescript/bin/tsc');
  const args = [tsc, '-p', project, '--extendedDiagnostics'];
  return run(process.execPath, args, { cwd: here }).then(
    (done) => done.stdout,
    (failed: { readonly stdout: string }) => failed.stdout,
  );
}

const counter = (output: string, name: string): number =>
  Number(new RegExp(`${name}:\\s+([\\d.]+)`).exec(output)?.[1] ?? Number.NaN);

test('what has to compile compiles, what must not does not', async () => {
  const output = await compile('tsconfig.json');
  expect(output).not.toMatch(/error TS/);
  expect(counter(output, 'Files')).toBeGreaterThan(10);
});

test('a schema of a hundred fields adds less than a second', async () => {
  const kinds = ['int32()', 'int32({ nullable: true })', 'bool()', 'varchar({ maxLength: 9 })'];
  const more = ['double({ default: 1 })', 'array(t.varchar())', 'json<{ a: { b: number } }>()'];
  const all = [...kinds, ...more];
  const source = (fields: number): string => `
import type { Db } from '../../../packages/client/src/index.ts';
import { collection, t } from '../../../packages/client/src/index.ts';
declare const db: Db;
const Big = collection('big', {
  id: t.int64({ primary: true }), vec: t.vector(8),
  ${Array.from({ length: fields }, (_, i) => `f${i}: t.${all[i % all.length]},`).join('\n  ')}
});
export async function use() {
  const big = await db.collection(Big);
  const filter = { f1: { gt: 1 }, or: [{ f3: 'x' }, { f2: true }] };
  const hits = await big.search({ vector: [1], select: ['f1', 'f3'], filter });
  return hits[0]?.f3.length;
}`;
  const folder = await mkdtemp(join(here, 'made-'));
  try {
    const config = { extends: '../tsconfig.json', files: ['made.ts'] };
    await writeFile(join(folder, 'tsconfig.json'), JSON.stringify(config));
    const times: number[] = [];
    for (const fields of [4, 98]) {
      await writeFile(join(folder, 'made.ts'), source(fields));
      const output = await compile(folder);
      expect(output).not.toMatch(/error TS/);
      times.push(counter(output, 'Check time'));
    }
    expect((times[1] ?? 9) - (times[0] ?? 0)).toBeLessThan(1);
  } finally {
    await rm(folder, { recursive: true });
  }
});
