import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { build } from 'esbuild';
import { expect, test } from 'vitest';

const root = join(dirname(fileURLToPath(import.meta.url)), '../..');

test('the client bundles for browsers, without built-ins, zod or tRPC, under 30 KB', async () => {
  const built = await build({
    entryPoints: [join(root, 'packages/client/src/index.ts')],
    bundle: true,
    minify: true,
    format: 'esm',
    platform: 'browser',
    conditions: ['elanus:source'],
    write: false,
    metafile: true,
    logLevel: 'silent',
  });
  const [output] = Object.values(built.metafile.outputs);
  const used = Object.entries(output?.inputs ?? {}).filter(([, input]) => input.bytesInOutput > 0);
  const foreign = used.map(([path]) => path).filter((path) => path.includes('node_modules/.pnpm'));
  expect(foreign).toEqual([]);
  const bytes = gzipSync(built.outputFiles[0]?.contents ?? new Uint8Array(), { level: 9 }).length;
  expect(bytes).toBeGreaterThan(5_000);
  expect(bytes).toBeLessThan(30_000);
});
