// Goal: memory nobody needs is given back at once, and a late reader finds zeroes instead of a
// fault.
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
