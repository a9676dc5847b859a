import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describeLogStore } from '../conformance/log.ts';
import { memoryFs } from '../fs/memory.ts';
import { nodeFs } from '../fs/node.ts';
import { localLogStore } from './local.ts';

describeLogStore('local, on disk', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'elanus-log-'));
  return {
    open: async () => localLogStore({ fs: nodeFs(folder) }),
    dispose: async () => rmSync(folder, { recursive: true }),
  };
});

describeLogStore('local, class process, small files', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'elanus-log-'));
  return {
    open: async () =>
      localLogStore({
        fs: nodeFs(folder),
        durability: 'process',
        segmentBytes: 512,
        groupBytesMax: 256,
      }),
    dispose: async () => rmSync(folder, { recursive: true }),
  };
});

describeLogStore('local, on a memory file system', async () => {
  const fs = memoryFs();
  return {
    open: async () => localLogStore({ fs, segmentBytes: 4096, groupBytesMax: 1024 }),
    dispose: async () => undefined,
  };
});
