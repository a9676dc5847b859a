import { describe, expect, it } from 'vitest';
import { didYouMean, nearestName } from './did-you-mean.ts';

const FIELDS = ['title', 'year', 'vector', 'id'];

describe('nearestName', () => {
  it.each([
    ['titel', 'title'],
    ['TITLE', 'title'],
    ['yeer', 'year'],
    ['vectr', 'vector'],
    ['ix', 'id'],
  ])('takes %s for %s', (word, name) => {
    expect(nearestName(word, FIELDS)).toBe(name);
  });

  it.each(['zebra', '', 'titanium', 'yy'])('takes %j for nothing', (word) => {
    expect(nearestName(word, FIELDS)).toBeUndefined();
  });

  it('takes the first of equals, and none of nothing', () => {
    expect(nearestName('cat', ['bat', 'rat'])).toBe('bat');
    expect(nearestName('cat', [])).toBeUndefined();
  });

  it('looks at the first letters of a long word only', () => {
    const long = 'x'.repeat(1_000_000);
    expect(nearestName(`${long}a`, [`${long}b`])).toBe(`${long}b`);
  });
});

describe('didYouMean', () => {
  it('is a hint, or nothing', () => {
    expect(didYouMean('titel', FIELDS)).toBe('Did you mean `title`?');
    expect(didYouMean('zebra', FIELDS)).toBeUndefined();
  });
});
