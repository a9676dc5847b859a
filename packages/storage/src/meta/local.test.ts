import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describeMetaStore } from '../conformance/meta.ts';
import { testClock } from '../conformance/test-clock.ts';
import { localMetaStore } from './local.ts';

describeMetaStore(
  'local',
  async () => {
    const folder = mkdtempSync(join(tmpdir(), 'elanus-meta-'));
    return {
      open: () => localMetaStore({ path: join(folder, 'meta.db'), clock: testClock }),
      dispose: async () => rmSync(folder, { recursive: true }),
    };
  },
  { leaseMs: 100 },
);
