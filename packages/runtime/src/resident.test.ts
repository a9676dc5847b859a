import { beforeEach, expect, it } from 'vitest';
import { Resident } from './resident.ts';

let freed: string[] = [];
let resident: Resident<string>;

beforeEach(() => {
  freed = [];
  resident = new Resident((value) => freed.push(value));
});

it('frees a value when its holder drops it', () => {
  resident.hold('a', 'rows');
  expect(freed).toEqual([]);
  resident.drop('a');
  expect(freed).toEqual(['rows']);
  expect(resident.lease('a')).toBeUndefined();
});

it('keeps a dropped value for those who lease it, and gives it to nobody else', () => {
  resident.hold('a', 'rows');
  const [first, second] = [resident.lease('a'), resident.lease('a')];
  resident.drop('a');
  resident.drop('a');
  expect(resident.lease('a')).toBeUndefined();
  first?.release();
  first?.release();
  expect(freed).toEqual([]);
  expect(second?.value).toBe('rows');
  second?.release();
  expect(freed).toEqual(['rows']);
});

it('a name can be held again afterwards', () => {
  resident.hold('a', 'rows');
  resident.drop('a');
  resident.hold('a', 'again');
  expect(resident.lease('a')?.value).toBe('again');
  expect(freed).toEqual(['rows']);
});
