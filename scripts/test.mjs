// The test suite; ends with one plain line `N passed, N failed`.
//
// node scripts/test.mjs                 everything but the simulator's seeds
// node scripts/test.mjs --lane=simulation   those
// node scripts/test.mjs --lane=wasm     the engines once more, no native addon loaded: as on a
//                                       machine without a compiler
// node scripts/test.mjs packages/core   only what lies there (any argument of `vitest run`)
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const LANES = {
  all: { args: ['--exclude=test/sim/**'], env: {} },
  simulation: { args: ['test/sim'], env: {} },
  wasm: {
    args: [
      'packages/kernels',
      'packages/index',
      'packages/segment',
      'packages/elanus/src/embedded.model.test.ts',
    ],
    env: { ELANUS_NO_ADDONS: '1' },
  },
};

/** Counts of a report; a file that does not load fails without a test, and counts as one. */
function countsOf(file) {
  const report = JSON.parse(readFileSync(file, 'utf8'));
  const unloaded = report.testResults.filter(
    (each) =>
      each.status === 'failed' && !each.assertionResults.some((one) => one.status === 'failed'),
  );
  return {
    passed: report.numPassedTests,
    failed: report.numFailedTests + unloaded.length,
    skipped: report.numPendingTests + report.numTodoTests,
  };
}

/** Runs vitest; its counts. An error outside of any test counts as one failed. */
function runLane({ args, env }) {
  const folder = mkdtempSync(join(tmpdir(), 'elanus-tests-'));
  const report = join(folder, 'report.json');
  const vitest = join(root, 'node_modules', 'vitest', 'vitest.mjs');
  const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${report}`];
  return new Promise((resolve) => {
    const child = spawn(process.execPath, [vitest, 'run', ...reporters, ...args], {
      cwd: root,
      stdio: ['ignore', 'inherit', 'inherit'],
      env: { ...process.env, ...env },
    });
    for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => child.kill(signal));
    child.on('exit', (code) => {
      let counts = { passed: 0, failed: 0, skipped: 0 };
      try {
        counts = countsOf(report);
      } catch (error) {
        process.stderr.write(`no report of the tests: ${error.message}\n`);
      }
      rmSync(folder, { recursive: true, force: true });
      if (code !== 0 && counts.failed === 0) counts.failed = 1;
      resolve(counts);
    });
  });
}

const given = process.argv.slice(2);
const asked = given.find((one) => one.startsWith('--lane='))?.slice('--lane='.length) ?? 'all';
const lane = LANES[asked];
if (lane === undefined) throw new RangeError(`no lane ${asked}`);
const others = given.filter((one) => !one.startsWith('--lane='));
const args = others.length > 0 ? others : lane.args;
const { passed, failed, skipped } = await runLane({ args, env: lane.env });
const more = skipped > 0 ? `, ${skipped} skipped` : '';
process.stdout.write(`\n${passed} passed, ${failed} failed${more}\n`);
process.exitCode = failed === 0 && passed > 0 ? 0 : 1;
