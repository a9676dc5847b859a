import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { afterAll, expect, test } from 'vitest';

const home = fileURLToPath(new URL('..', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'elanus-build-'));
afterAll(() => rmSync(folder, { recursive: true }));
for (const part of ['native', 'scripts']) {
  cpSync(join(home, part), join(folder, part), { recursive: true });
}

function build(env: Readonly<Record<string, string>>) {
  const started = performance.now();
  const script = join(folder, 'scripts', 'build-native.mjs');
  const run = spawnSync(process.execPath, [script], {
    env: { PATH: '', ...env },
    encoding: 'utf8',
  });
  return { ...run, ms: performance.now() - started };
}

const addon = join(folder, 'build', `kernels-${process.platform}-${process.arch}.node`);

test('without a compiler the build says so in one line and succeeds', () => {
  const { status, stdout, stderr } = build({});
  expect(status).toBe(0);
  expect(stderr).toBe('');
  expect(stdout).toMatch(/^kernels: no C\+\+ compiler found; WebAssembly serves \(.+\)\n$/);
});

test('a compiler that fails is one line too', () => {
  const { status, stdout } = build({ CXX: process.execPath });
  expect(status).toBe(0);
  expect(stdout).toMatch(/^kernels: the C\+\+ compiler failed .+WebAssembly serves.+\n$/);
});

test('the committed WebAssembly is of the committed sources', () => {
  const script = join(home, 'scripts', 'build-wasm.mjs');
  const run = spawnSync(process.execPath, [script, '--check'], { encoding: 'utf8' });
  expect(run.stdout).toBe('kernels: kernels.wasm is up to date\n');
});

test('switched off, it removes what was built', () => {
  const { status, stdout } = build({ ELANUS_NO_NATIVE: '1' });
  expect(status).toBe(0);
  expect(stdout).toMatch(/switched off; WebAssembly serves/);
  expect(existsSync(addon)).toBe(false);
});
