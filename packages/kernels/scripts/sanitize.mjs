// Builds the addon with the address and undefined-behaviour sanitizers, somewhere else, and runs
// the tests of this package and the fuzzer against it: every byte that a kernel reads or writes
// beyond an array, every overflow and misaligned access ends the run. Ends with
// `N passed, N failed`; where there is no compiler with sanitizers it says so and fails nothing.
//
// node scripts/sanitize.mjs [--seconds 30] [--seed 1]   how long to fuzz, and from which seed on
// CXX                                                    the compiler, g++ by default
import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { mkdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** Tests that compile by themselves, or are of the sources, not of what they do. */
const LEFT_OUT = ['**/build-native.test.ts', '**/contraction.test.ts', '**/threads.test.ts'];

const home = dirname(dirname(fileURLToPath(import.meta.url)));
const repository = join(home, '..', '..');
const compiler = process.env.CXX ?? 'g++';
const option = (name, usual) => {
  const at = process.argv.indexOf(`--${name}`);
  return at < 0 ? usual : Number(process.argv[at + 1]);
};

/** The sanitizer's library, which has to be in the process before Node is. */
function findLibrary() {
  const asked = spawnSync(compiler, ['-print-file-name=libasan.so'], { encoding: 'utf8' });
  const path = asked.stdout?.trim() ?? '';
  return asked.status === 0 && existsSync(path) ? path : undefined;
}

const library = process.platform === 'linux' ? findLibrary() : undefined;
if (library === undefined) {
  process.stdout.write('sanitize: no compiler with sanitizers here; nothing was run\n');
  process.stdout.write('0 passed, 0 failed\n');
  process.exit(0);
}

const folder = mkdtempSync(join(tmpdir(), 'elanus-sanitize-'));
process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
const copy = join(folder, 'packages', 'kernels');
for (const part of ['native', 'scripts', 'src', 'wasm', 'package.json']) {
  cpSync(join(home, part), join(copy, part), { recursive: true });
}
mkdirSync(join(folder, 'bin'));
symlinkSync(join(home, 'node_modules'), join(copy, 'node_modules'));
symlinkSync(join(repository, 'node_modules'), join(folder, 'node_modules'));
for (const part of ['package.json', 'vitest.config.ts']) {
  cpSync(join(repository, part), join(folder, part));
}

const built = spawnSync(process.execPath, [join(copy, 'scripts', 'build-native.mjs')], {
  env: { ...process.env, CXX: compiler, ELANUS_SANITIZE: '1' },
  encoding: 'utf8',
});
process.stdout.write(built.stdout);
const addon = join(copy, 'build', `kernels-${process.platform}-${process.arch}.node`);
if (!existsSync(addon)) {
  process.stdout.write(`sanitize: the addon was not built\n${built.stderr}\n0 passed, 1 failed\n`);
  process.exit(1);
}

const env = {
  ...process.env,
  LD_PRELOAD: library,
  // Node frees little at its end, and WebAssembly catches its own faults.
  ASAN_OPTIONS: 'detect_leaks=0:handle_segv=0:abort_on_error=1:allocator_may_return_null=1',
  UBSAN_OPTIONS: 'halt_on_error=1:print_stacktrace=1',
};
const report = join(folder, 'report.json');
const vitest = join(repository, 'node_modules', 'vitest', 'vitest.mjs');
const tests = spawnSync(
  process.execPath,
  [vitest, 'run', '--root', folder, 'packages/kernels', '--reporter=json', '--outputFile', report]
    .concat(LEFT_OUT.flatMap((pattern) => ['--exclude', pattern]))
    .concat('--no-file-parallelism'),
  { env, encoding: 'utf8' },
);
let passed = 0;
let failed = 0;
if (existsSync(report)) {
  const { numPassedTests, numFailedTests, testResults } = JSON.parse(readFileSync(report, 'utf8'));
  passed = numPassedTests;
  failed = numFailedTests;
  for (const { name, status, message, assertionResults } of testResults) {
    if (status === 'failed' && assertionResults.length === 0) {
      failed++;
      process.stdout.write(`${name}: ${message}\n`);
    }
    for (const one of assertionResults) {
      if (one.status === 'failed') process.stdout.write(`${name}: ${one.fullName}\n`);
    }
  }
}
if (tests.status !== 0) {
  failed = Math.max(1, failed);
  process.stdout.write(`${tests.stdout}\n${tests.stderr}\n`);
}

const fuzz = spawnSync(
  process.execPath,
  ['--conditions=elanus:source', join(copy, 'scripts', 'fuzz.mjs')].concat(
    ['--seconds', String(option('seconds', 30))],
    ['--seed', String(option('seed', 1))],
  ),
  { env, encoding: 'utf8' },
);
process.stdout.write(`${fuzz.stdout}${fuzz.stderr}`);
if (fuzz.status === 0) passed++;
else failed++;
process.stdout.write(`${passed} passed, ${failed} failed\n`);
process.exit(failed === 0 ? 0 : 1);
