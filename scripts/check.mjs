// `pnpm check`: everything that can be known without the long tests, in under a minute. One line a
// part; ends with `N passed, N failed`.
//
// node scripts/check.mjs            all of it
// node scripts/check.mjs --static   without the tests
import { spawn } from 'node:child_process';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const tool = (...path) => join(root, 'node_modules', ...path);

/** Conformance on disk, whole databases, compilers, long properties: `npm test` runs them. */
const LONG = [
  'packages/api/src/frame.prop.test.ts',
  'packages/elanus/**',
  'packages/format/src/scalar-decoder.prop.test.ts',
  'packages/index/src/adapters/**',
  'packages/index/src/bit-lists.test.ts',
  'packages/index/src/crew.test.ts',
  'packages/index/src/elements.test.ts',
  'packages/index/src/hnsw.test.ts',
  'packages/index/src/hnswlib-file.test.ts',
  'packages/index/src/index-file.test.ts',
  'packages/index/src/ivf.test.ts',
  'packages/index/src/sparse.prop.test.ts',
  'packages/index/src/stop-threads.test.ts',
  'packages/kernels/src/bits.prop.test.ts',
  'packages/kernels/src/contraction.test.ts',
  'packages/kernels/src/elements.prop.test.ts',
  'packages/kernels/src/graph.prop.test.ts',
  'packages/kernels/src/hostile-arguments.test.ts',
  'packages/runtime/src/local-world.test.ts',
  'packages/storage/src/log/local.test.ts',
  'packages/storage/src/log/local-kill.test.ts',
  'packages/storage/src/meta/folder-lock.test.ts',
  'packages/storage/src/meta/local.test.ts',
  'packages/storage/src/meta/store.model.test.ts',
  'packages/storage/src/object/files.test.ts',
];
const vitest = (...args) => [tool('vitest', 'vitest.mjs'), 'run', '--reporter=dot', ...args];

/** First: the linter reads the types of packages from their declarations. */
const BUILD = [{ name: 'types', args: [tool('typescript', 'bin', 'tsc'), '-b'] }];
/** Parts of a group run at once. */
const STATIC = [
  { name: 'format', args: [tool('@biomejs', 'biome', 'bin', 'biome'), 'format', '.'] },
  { name: 'lint', args: [tool('oxlint', 'bin', 'oxlint'), '--type-aware'] },
  {
    name: 'types of tests',
    args: [tool('typescript', 'bin', 'tsc'), '-p', join(root, 'test', 'tsconfig.json')],
  },
  {
    name: 'unused code',
    args: [tool('knip', 'bin', 'knip.js'), '--no-progress', '--no-config-hints'],
  },
];
const TESTS = [
  { name: 'tidy', args: vitest('test/tidy') },
  {
    name: 'unit and property tests',
    // Files share a process here: starting one for each takes as long as a quarter of the tests.
    args: vitest(
      'packages',
      '--no-isolate',
      '--maxWorkers=2',
      ...LONG.map((path) => `--exclude=${path}`),
    ),
  },
];

/** Runs a part; what it said is shown only when it failed. */
function run({ name, args }) {
  const started = Date.now();
  return new Promise((resolve) => {
    const child = spawn(process.execPath, args, { cwd: root, stdio: ['ignore', 'pipe', 'pipe'] });
    let output = '';
    for (const stream of [child.stdout, child.stderr]) {
      stream.on('data', (chunk) => (output += chunk));
    }
    child.on('close', (code) => {
      const seconds = ((Date.now() - started) / 1000).toFixed(1);
      const line = `${code === 0 ? 'ok    ' : 'FAILED'}  ${name}  ${seconds} s\n`;
      process.stdout.write(code === 0 ? line : `${output}\n${line}`);
      resolve(code === 0);
    });
  });
}

const groups = [BUILD, STATIC];
if (!process.argv.includes('--static')) groups.push(TESTS);
const results = [];
for (const group of groups) results.push(...(await Promise.all(group.map(run))));
const failed = results.filter((ok) => !ok).length;
process.stdout.write(`\n${results.length - failed} passed, ${failed} failed\n`);
process.exitCode = failed === 0 ? 0 : 1;
