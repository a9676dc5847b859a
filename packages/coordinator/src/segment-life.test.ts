// Goal: the table of a segment's life is what SPEC.md says, cell by cell, and commits keep to it.
// Method: the page is parsed and compared; commits are tried in every state.
import { readFileSync } from 'node:fs';
import { moveSegment, SEGMENT_EVENTS, SEGMENT_STATES, segmentAfter } from '@elanus/core';
import { expect, test } from 'vitest';

const page = readFileSync(new URL('../SPEC.md', import.meta.url), 'utf8');
const rows = page
  .split('\n')
  .filter((line) => line.startsWith('| '))
  .map((line) =>
    line
      .split('|')
      .slice(1, -1)
      .map((cell) => cell.trim()),
  );
const [head = [], , ...body] = rows;

test('the page names every state and every event', () => {
  expect(head.slice(1)).toEqual([...SEGMENT_EVENTS]);
  expect(body.map(([state]) => state)).toEqual([...SEGMENT_STATES]);
});

const cells = SEGMENT_STATES.flatMap((state, row) =>
  SEGMENT_EVENTS.map((event, at) => ({ state, event, said: body[row]?.[at + 1] })),
);

test.each(cells)('$state, $event: $said', ({ state, event, said }) => {
  const next = segmentAfter(state, event);
  expect(next ?? '–').toBe(said);
  if (next !== undefined) expect(moveSegment(7, state, event)).toBe(next);
  else expect(() => moveSegment(7, state, event)).toThrow(`It is ${state}`);
});

test('every state but the first is reached, and there is an end', () => {
  const reached = new Set<string>(['absent']);
  for (const state of SEGMENT_STATES) {
    if (!reached.has(state)) continue;
    for (const event of SEGMENT_EVENTS) {
      const next = segmentAfter(state, event);
      if (next !== undefined) reached.add(next);
    }
  }
  expect([...reached].sort()).toEqual([...SEGMENT_STATES].sort());
});
