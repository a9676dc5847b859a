// The whole test suite: vitest once, and again for the engine with WebAssembly kernels forced. Ends
// with one plain line that adds both up.
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const folder = mkdtempSync(join(tmpdir(), 'elanus-tests-'));
const given = process.argv.slice(2);

/** Runs one lane; its counts, or a failure when it wrote none. */
function lane(name, { args, env }) {
  const report = join(folder, `${name}.json`);
  return new Promise((resolve) => {
    const vitest = join(root, 'node_modules/vitest/vitest.mjs');
    const child = spawn(
      process.execPath,
      [vitest, 'run', '--reporter=default', '--reporter=json', `--outputFile.json=${report}`, ...args],
      { cwd: root, stdio: ['ignore', 'inherit', 'inherit'], env: { ...process.env, ...env } },
    );
    for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => child.kill(signal));
    child.on('exit', (code) => {
      try {
        const { numPassedTests, numFailedTests, numPendingTests } = JSON.parse(readFileSync(report));
        // A suite that does not load, or an error outside a test, fails the lane without a test.
        const extra = code !== 0 && numFailedTests === 0 ? 1 : 0;
        resolve({ passed: numPassedTests, failed: numFailedTests + extra, skipped: numPendingTests });
      } catch {
        resolve({ passed: 0, failed: 1, skipped: 0 });
      }
    });
  });
}

const lanes = [await lane('all', { args: given, env: {} })];
if (given.length === 0) {
  console.log('\nOnce more with WebAssembly kernels, as on a machine without a compiler');
  const args = ['packages/segment', 'packages/index', 'packages/elanus/src/embedded.model.test.ts'];
  lanes.push(await lane('wasm', { args, env: { ELANUS_NO_ADDONS: '1' } }));
}
rmSync(folder, { recursive: true, force: true });
const sum = (key) => lanes.reduce((total, one) => total + one[key], 0);
const skipped = sum('skipped') > 0 ? `, ${sum('skipped')} skipped` : '';
console.log(`\n${sum('passed')} passed, ${sum('failed')} failed${skipped}`);
process.exitCode = sum('failed') === 0 && sum('passed') > 0 ? 0 : 1;
