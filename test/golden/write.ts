/**
 * Writes the golden files of version 1 that are missing; files that are there are never written
 * again: a changed byte means another version.
 *
 *     node --conditions=elanus:source test/golden/write.ts
 */
import { cpSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { elanus } from 'elanus';
import { ask, makeFolder } from './folder.ts';
import { FORMATS } from './formats.ts';

const here = join(import.meta.dirname, 'v1');
const formats = join(here, 'formats');
const folder = join(here, 'folder');

const json = (value: unknown): string => `${JSON.stringify(value, null, 1)}\n`;

mkdirSync(formats, { recursive: true });
const answersPath = join(formats, 'answers.json');
const answers: Record<string, unknown> = existsSync(answersPath)
  ? (JSON.parse(readFileSync(answersPath, 'utf8')) as Record<string, unknown>)
  : {};
for (const [name, { write, read }] of Object.entries(FORMATS)) {
  const path = join(formats, name);
  if (existsSync(path)) continue;
  const bytes = new Uint8Array(await write());
  writeFileSync(path, bytes);
  answers[name] = await read(bytes);
  console.log(`${name}: ${bytes.length} bytes`);
}
writeFileSync(answersPath, json(answers));

if (!existsSync(folder)) {
  await makeFolder(folder);
  const copy = join(here, '.copy');
  cpSync(folder, copy, { recursive: true });
  const db = await elanus(copy);
  writeFileSync(join(here, 'folder.json'), json(await ask(db)));
  await db.close();
  for (const name of ['lock', 'lock.pid', 'meta.db-shm', 'meta.db-wal']) {
    rmSync(join(folder, name), { force: true });
  }
  rmSync(copy, { recursive: true });
  console.log('folder: made');
}
