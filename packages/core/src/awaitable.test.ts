import { expect, test } from 'vitest';
import { andFinally, andThen } from './awaitable.ts';

test('a value that is there goes on in this turn; one that comes goes on then', async () => {
  expect(andThen(1, (one) => one + 1)).toBe(2);
  const later = andThen(Promise.resolve(1), (one) => one + 1);
  expect(later).toBeInstanceOf(Promise);
  expect(await later).toBe(2);
  expect(await andThen(1, async (one) => one + 1)).toBe(2);
});

test('what has to be done last is done once, when the result is known', async () => {
  const done: string[] = [];
  expect(
    andFinally(
      () => 1,
      () => done.push('at once'),
    ),
  ).toBe(1);
  expect(done).toEqual(['at once']);
  const refuse = (): number => {
    throw new Error('refused');
  };
  expect(() => andFinally(refuse, () => done.push('thrown'))).toThrow('refused');
  let finish: (value: number) => void = () => undefined;
  const later = andFinally(
    () => new Promise<number>((resolve) => (finish = resolve)),
    () => done.push('later'),
  );
  expect(done).toEqual(['at once', 'thrown']);
  finish(2);
  expect(await later).toBe(2);
  const failing = andFinally(
    () => Promise.reject(new Error('failed')),
    () => done.push('failed'),
  );
  await expect(failing).rejects.toThrow('failed');
  expect(done).toEqual(['at once', 'thrown', 'later', 'failed']);
});
