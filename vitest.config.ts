import { defineConfig } from 'vitest/config';

/**
 * Tests run from source: every package resolves to its `src` by the `elanus:source` condition. With
 * ELANUS_NO_ADDONS=1 no native addon loads, as on a machine without a compiler.
 */
export default defineConfig({
  resolve: { conditions: ['elanus:source'] },
  ssr: { resolve: { conditions: ['elanus:source'] } },
  test: {
    include: ['packages/*/src/**/*.test.ts', 'services/*/src/**/*.test.ts', 'test/**/*.test.ts'],
    testTimeout: 30_000,
    pool: 'forks',
    execArgv: process.env['ELANUS_NO_ADDONS'] === '1' ? ['--no-addons'] : [],
  },
});
