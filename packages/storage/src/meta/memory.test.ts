import { describeMetaStore } from '../conformance/meta.ts';
import { testClock } from '../testing/test-clock.ts';
import type { MetaFault } from './memory.ts';
import { memoryMetaContent, memoryMetaStore } from './memory.ts';

describeMetaStore(
  'memory',
  async () => {
    const data = memoryMetaContent();
    let next: MetaFault;
    const fault = (): MetaFault => {
      const now = next;
      next = undefined;
      return now;
    };
    return {
      open: async () => memoryMetaStore({ clock: testClock, data, fault }),
      failNext: (fate) => {
        next = fate;
      },
      dispose: async () => undefined,
    };
  },
  { leaseMs: 40, faults: true },
);
