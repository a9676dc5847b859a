import { describeLogStore } from '../conformance/log.ts';
import type { LogFault } from './memory.ts';
import { memoryLogContent, memoryLogStore } from './memory.ts';

describeLogStore(
  'memory',
  async () => {
    const data = memoryLogContent();
    let next: LogFault;
    return {
      open: async () =>
        memoryLogStore({
          data,
          fault: () => {
            const fault = next;
            next = undefined;
            return fault;
          },
        }),
      failNext: (fate) => {
        next = fate;
      },
      dispose: async () => undefined,
    };
  },
  { faults: true },
);
