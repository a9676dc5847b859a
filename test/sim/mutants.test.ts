// Goal: every mutant still is a bug: its texts stand in the source, once, and do not stay as they
// are. Method: the files are read. What kills them is in sim.test.ts.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { editsOf, MUTANTS } from './mutants.ts';

const root = join(import.meta.dirname, '../..');

test.each(Object.keys(MUTANTS))('%s can be planted', (id) => {
  for (const { file, from, to } of editsOf(id)) {
    const source = readFileSync(join(root, file), 'utf8');
    expect([file, source.split(from).length - 1]).toEqual([file, 1]);
    expect(to).not.toBe(from);
  }
});
