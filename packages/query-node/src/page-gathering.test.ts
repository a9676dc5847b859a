// Goal: a large index moves once some time after it was loaded, one at a time, and never after its
// segment was given up.
import type { Clock } from '@elanus/core';
import type { IndexHandle } from '@elanus/index';
import type { Kernels, RowMemory } from '@elanus/kernels';
import { beforeEach, expect, test } from 'vitest';
import { PageGathering } from './page-gathering.ts';

const MIB = 1024 * 1024;
let timers: (() => void)[];
let moved: { readonly memory: unknown; readonly signal: AbortSignal | undefined; end(): void }[];

const clock = {
  after: (_ms: number, run: () => void) => {
    timers.push(run);
    return () => {
      timers = timers.filter((one) => one !== run);
    };
  },
} as unknown as Clock;

const kernels = {
  gatherPages: (memory: RowMemory, signal?: AbortSignal) =>
    new Promise<void>((resolve) => moved.push({ memory, signal, end: resolve })),
} as unknown as Kernels;

function segment(segmentId: number, bytes: number) {
  const memory = { segmentId } as unknown as RowMemory;
  const index = { file: { memory, bytes } } as unknown as IndexHandle;
  return { record: { segmentId }, view: { indexes: new Map([[1, index]]) } } as never;
}

const passTime = (): void => {
  for (const run of timers.splice(0)) run();
};
const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

beforeEach(() => {
  timers = [];
  moved = [];
});

test('large ones move one after the other, small ones stay', async () => {
  const pages = new PageGathering(kernels, clock);
  pages.add(segment(1, 8 * MIB));
  pages.add(segment(2, MIB));
  pages.add(segment(3, 8 * MIB));
  expect(moved).toHaveLength(0);
  passTime();
  expect(moved.map(({ memory }) => memory)).toEqual([{ segmentId: 1 }]);
  pages.add(segment(4, 8 * MIB));
  for (let i = 0; i < 3; i++) {
    moved[i]?.end();
    await settled();
  }
  passTime();
  await settled();
  expect(moved.map(({ memory }) => memory)).toEqual([1, 3, 4].map((segmentId) => ({ segmentId })));
});

test('a segment that was given up is left alone, the one that moves too', async () => {
  const pages = new PageGathering(kernels, clock);
  pages.add(segment(1, 8 * MIB));
  pages.add(segment(2, 8 * MIB));
  passTime();
  pages.forget(1);
  expect(moved[0]?.signal?.aborted).toBe(true);
  pages.forget(2);
  moved[0]?.end();
  await settled();
  expect(moved).toHaveLength(1);
});

test('nothing moves once the node has stopped', async () => {
  const pages = new PageGathering(kernels, clock);
  pages.add(segment(1, 8 * MIB));
  pages.clear();
  passTime();
  await settled();
  expect(moved).toHaveLength(0);
});

test('what cannot be moved stays where it is, and others move later', async () => {
  let fails = true;
  const failing = {
    gatherPages: (memory: RowMemory) =>
      fails ? Promise.reject(new Error('no thread')) : kernels.gatherPages(memory),
  } as unknown as Kernels;
  const pages = new PageGathering(failing, clock);
  pages.add(segment(1, 8 * MIB));
  passTime();
  await settled();
  fails = false;
  pages.add(segment(2, 8 * MIB));
  passTime();
  await settled();
  expect(moved.map(({ memory }) => memory)).toEqual([{ segmentId: 2 }]);
});
