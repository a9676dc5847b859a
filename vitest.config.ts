import { availableParallelism } from 'node:os';

import { defineConfig } from 'vitest/config';

/** ELANUS_NO_ADDONS=1: no native addon loads, in no thread and no child: WebAssembly serves. */
const noAddons = process.env['ELANUS_NO_ADDONS'] === '1';

/** Tests run from source: every package resolves to its `src` by the `elanus:source` condition. */
export default defineConfig({
  resolve: { conditions: ['elanus:source'] },
  ssr: { resolve: { conditions: ['elanus:source'] } },
  test: {
    include: ['packages/*/src/**/*.test.ts', 'services/*/src/**/*.test.ts', 'test/**/*.test.ts'],
    // A busy machine can stop for a minute: what hangs is told late, what works is never failed.
    testTimeout: 180_000,
    hookTimeout: 120_000,
    pool: 'forks',
    // One fewer than cores, as vitest would; but a machine of two cores has work for both.
    maxWorkers: Math.max(2, availableParallelism() - 1),
    execArgv: noAddons ? ['--no-addons'] : [],
    env: noAddons ? { NODE_OPTIONS: '--no-addons' } : {},
  },
});
