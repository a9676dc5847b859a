// Goal: the linter's rules are on where they have to be. Method: the repository's configuration on
// a small copy of its folders, with one violation a file.
import { execFile } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { ROOT } from './source.ts';

const PLANTED = [
  ['typescript(no-floating-promises)', 'Promise.resolve(1);'],
  ['typescript(no-explicit-any)', 'export const a: any = 1;'],
  ['typescript(no-non-null-assertion)', 'export const b = (v: string | null) => v!.length;'],
  [
    'typescript(switch-exhaustiveness-check)',
    "export function c(v: 'x' | 'y') { switch (v) { case 'x': return 1; } return 2; }",
  ],
  ['typescript(ban-ts-comment)', '// @ts-ignore\nexport const d = 1;'],
  ['typescript(consistent-type-imports)', "import { K } from './kind.ts'; export const e: K = 1;"],
  ['eslint(max-params)', 'export const f = (v: 1, w: 1, x: 1, y: 1) => [v, w, x, y];'],
  ['eslint(no-restricted-globals)', 'export const g = performance;'],
  ['eslint(no-restricted-globals)', 'export const h = process;'],
  ['eslint(no-restricted-globals)', 'setTimeout(() => undefined, 1);'],
  ['eslint(no-restricted-globals)', 'export const i = fetch;'],
  ['eslint(no-restricted-globals)', 'export const j = crypto;'],
  ['eslint(no-restricted-globals)', "console.log('x');"],
  ['eslint(no-restricted-properties)', 'export const k = Math.random();'],
  ['eslint(no-restricted-properties)', 'export const l = Date.now();'],
  ['import(no-default-export)', 'export default 1;'],
  ['import(no-cycle)', "import { n } from './other.ts'; export const m = n;"],
] as const;

const folder = mkdtempSync(join(tmpdir(), 'elanus-lint-'));

function put(path: string, text: string): void {
  mkdirSync(dirname(join(folder, path)), { recursive: true });
  writeFileSync(join(folder, path), `${text}\n`);
}

/** `path [rule]` for everything that the linter refuses. */
async function lint(): Promise<string[]> {
  const oxlint = join(ROOT, 'node_modules/oxlint/bin/oxlint');
  const args = [oxlint, '--type-aware', '--format=unix', 'packages'];
  const { stdout } = await promisify(execFile)(process.execPath, args, { cwd: folder }).catch(
    (failed: { readonly stdout: string }) => failed,
  );
  const lines = stdout.matchAll(/^([^:\n]+):\d+:\d+: .*\[Error\/(.+)\]$/gm);
  return Array.from(lines, ([, path, rule]) => `${path?.replaceAll('\\', '/')} ${rule}`);
}

let refused: readonly string[] = [];

beforeAll(async () => {
  copyFileSync(join(ROOT, '.oxlintrc.json'), join(folder, '.oxlintrc.json'));
  symlinkSync(join(ROOT, 'node_modules'), join(folder, 'node_modules'), 'junction');
  const options = { strict: true, module: 'nodenext', target: 'es2023', types: [], noEmit: true };
  const tsconfig = { compilerOptions: { ...options, allowImportingTsExtensions: true } };
  put('tsconfig.json', JSON.stringify({ ...tsconfig, include: ['packages'] }));
  put('packages/a/src/kind.ts', 'export type K = 1;');
  put('packages/a/src/other.ts', "import { m } from './x16.ts';\nexport const n: number = m;");
  PLANTED.forEach(([, text], i) => put(`packages/a/src/x${i}.ts`, text));
  put('packages/a/src/good.ts', 'export const good = (ms: number): Date => new Date(ms);');
  put('packages/a/src/x.test.ts', "console.log(process, performance.now(), Math.random(), 'x');");
  put('packages/a/src/x.config.ts', 'export default 1;');
  refused = await lint();
}, 60_000);

afterAll(() => rmSync(folder, { recursive: true, force: true }));

test.each(PLANTED.map(([rule, text], i) => ({ rule, text, i })))('$rule: $text', ({ rule, i }) => {
  expect(refused).toContain(`packages/a/src/x${i}.ts ${rule}`);
});

test('what is right is not refused', () => {
  const innocent = ['good.ts', 'x.test.ts', 'x.config.ts'];
  expect(refused.filter((line) => innocent.some((name) => line.includes(`/${name} `)))).toEqual([]);
});
