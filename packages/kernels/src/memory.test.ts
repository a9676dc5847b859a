// Goal: memory nobody needs is given back at once, and a late reader finds zeroes instead of a
// fault.
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { loadKernels } from './load.ts';
import { bytesOf } from './memory.ts';

test('discarded pages leave the process and read as zero', () => {
  const kernels = loadKernels();
  const bytes = 64 * 1024 * 1024;
  const memory = kernels.allocate(bytes);
  const view = bytesOf(memory, bytes);
  view.fill(7);
  const full = process.memoryUsage.rss();
  kernels.discard(memory);
  if (!kernels.native || process.platform !== 'linux') {
    expect(view[bytes >> 1]).toBe(7);
    return;
  }
  expect(full - process.memoryUsage.rss()).toBeGreaterThan(bytes * 0.9);
  expect(view[bytes >> 1]).toBe(0);
  view.fill(3);
  expect(view[bytes - 1]).toBe(3);
});

/** Bytes of this process that lie on large pages; undefined where the system has none. */
function onLargePages(): number | undefined {
  try {
    const allowed = readFileSync('/sys/kernel/mm/transparent_hugepage/enabled', 'utf8');
    if (allowed.includes('[never]')) return undefined;
    const line = /AnonHugePages: +(\d+) kB/.exec(readFileSync('/proc/self/smaps_rollup', 'utf8'));
    return line === null ? undefined : Number(line[1]) * 1024;
  } catch {
    return undefined;
  }
}

test('gathered pages hold what they held', async () => {
  const kernels = loadKernels();
  const bytes = 24 * 1024 * 1024 + 4_321;
  const memory = kernels.allocate(bytes);
  const words = new Uint32Array(memory.buffer, memory.byteOffset, bytes >> 2);
  for (let i = 0; i < words.length; i++) words[i] = Math.imul(i, 0x9e3779b1);
  const before = onLargePages();
  await kernels.gatherPages(memory);
  expect(words.findIndex((word, i) => word !== Math.imul(i, 0x9e3779b1) >>> 0)).toBe(-1);
  if (!kernels.native || before === undefined || process.platform !== 'linux') return;
  expect((onLargePages() ?? 0) - before).toBeGreaterThanOrEqual(20 * 1024 * 1024);
});
