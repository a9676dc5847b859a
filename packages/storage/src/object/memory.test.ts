import { expect, it } from 'vitest';
import { describeObjectStore } from '../conformance/object.ts';
import { testClock } from '../testing/test-clock.ts';
import { memoryObjectContent, memoryObjectStore } from './memory.ts';

describeObjectStore('memory', async () => {
  const data = memoryObjectContent();
  return {
    open: async () => memoryObjectStore({ clock: testClock, data }),
    flipByte: async (name, offset) => {
      const bytes = data.objects.get(name)?.bytes ?? new Uint8Array(0);
      bytes[offset] = (bytes[offset] ?? 0) ^ 1;
    },
    dispose: async () => undefined,
  };
});

it('works on many bytes over many turns', async () => {
  let turns = 0;
  const clock = { ...testClock, turn: async () => void turns++ };
  const objects = memoryObjectStore({ clock });
  const part = new Uint8Array(5 * 1024 * 1024).map((_, i) => i);
  const since = (): number => [turns, (turns = 0)][0] ?? 0;
  await objects.put('a', [part.subarray(0, 3), part.subarray(3)]);
  expect(since()).toBeGreaterThanOrEqual(19);
  const target = new Uint8Array(3 * 1024 * 1024);
  await objects.readInto('a', 1, target);
  expect(since()).toBeGreaterThanOrEqual(5);
  expect(Buffer.compare(target, part.subarray(1, 1 + target.length))).toBe(0);
  await objects.verify('a');
  expect(since()).toBeGreaterThanOrEqual(9);
  expect(Buffer.compare(await objects.get('a'), part)).toBe(0);
});
