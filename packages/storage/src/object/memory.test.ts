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
