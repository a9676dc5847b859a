import { availableParallelism, totalmem } from 'node:os';
import type { Proc } from '@elanus/core';

/** This process. */
export const systemProc: Proc = {
  pid: process.pid,
  residentBytes: () => process.memoryUsage.rss(),
  memoryBytes: () => {
    const limit = process.constrainedMemory();
    return limit > 0 ? Math.min(limit, totalmem()) : totalmem();
  },
  cores: availableParallelism(),
  setting: (name) => process.env[name],
};
