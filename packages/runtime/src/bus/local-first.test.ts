import { expect, test } from 'vitest';
import { systemClock } from '../clock/system.ts';
import { localFirst } from './local-first.ts';
import { memoryBus } from './memory.ts';

test('subjects of the process stay in it, the others go out', async () => {
  const local = memoryBus(systemClock);
  const others = memoryBus(systemClock);
  const bus = localFirst(local, others, (subject) => subject.startsWith('own.'));
  bus.serve('own.a', () => ({ header: 'own' }));
  bus.serve('b', () => ({ header: 'served' }));
  others.serve('own.a', () => ({ header: 'of another' }));
  expect((await bus.request('own.a', { header: 1 })).header).toBe('own');
  expect((await others.request('b', { header: 1 })).header).toBe('served');
  expect(() => local.request('b', { header: 1 })).toThrow(/b/);
});
