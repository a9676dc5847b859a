// Goal: files of version 1 are read by every release, and mean what they meant. Method: the bytes
// in v1/, written once by write.ts, are read and compared with what they were read as then; this
// release writes the same bytes; a folder made then opens, answers the same, and can be written to.
import { cpSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { elanus } from 'elanus';
import { describe, expect, onTestFinished, test } from 'vitest';
import { ask } from './folder.ts';
import { FORMATS } from './formats.ts';
import { askVectors } from './vectors-folder.ts';

const here = join(import.meta.dirname, 'v1');
const answers = JSON.parse(readFileSync(join(here, 'formats', 'answers.json'), 'utf8')) as Readonly<
  Record<string, unknown>
>;

/** The bytes of a golden file, in memory of their own. */
const goldenBytes = (name: string): Uint8Array =>
  new Uint8Array(readFileSync(join(here, 'formats', name)));

describe('formats of version 1', () => {
  test('every format has its golden file', () => {
    expect(Object.keys(answers).toSorted()).toEqual(Object.keys(FORMATS).toSorted());
  });
  test.each(Object.entries(FORMATS))('%s is read', async (name, { read }) => {
    const found: unknown = JSON.parse(JSON.stringify(await read(goldenBytes(name))));
    expect(found).toEqual(answers[name]);
  });
  test.each(
    Object.entries(FORMATS).flatMap(([name, { write }]) => {
      return write === undefined ? [] : [[name, write] as const];
    }),
  )('%s is written with the same bytes', async (name, write) => {
    const bytes = await write();
    expect(Buffer.from(bytes).equals(goldenBytes(name))).toBe(true);
  });
});

/** A copy of a golden folder, to be written to. */
function copyOf(name: string): string {
  const folder = mkdtempSync(join(tmpdir(), 'elanus-golden-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  cpSync(join(here, name), folder, { recursive: true });
  return folder;
}

const expectedOf = (name: string): unknown =>
  JSON.parse(readFileSync(join(here, `${name}.json`), 'utf8'));

describe('a folder of version 1', () => {
  test('opens, answers as it did, can be written to and opened again', async () => {
    const folder = copyOf('folder');
    const db = await elanus(folder);
    expect(await ask(db)).toEqual(expectedOf('folder'));
    const docs = await db.collection('docs');
    const { count } = await docs.delete({ all: true });
    expect(count).toBe(57);
    await db.close();
    const again = await elanus(folder);
    expect(await (await again.collection('docs')).count()).toBe(0);
    expect(await (await again.collection('words')).count()).toBe(5);
    await again.close();
  });

  test('with vectors of every type answers as it did, also when opened again', async () => {
    const folder = copyOf('folder-vectors');
    for (let opening = 0; opening < 2; opening++) {
      const db = await elanus(folder);
      expect(await askVectors(db)).toEqual(expectedOf('folder-vectors'));
      await db.close();
    }
  });
});
