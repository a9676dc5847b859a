/**
 * Writes the golden files of version 1 that are missing; files that are there are never written
 * again: a changed byte means another version.
 *
 *     node --conditions=elanus:source test/golden/write.ts
 */
import { cpSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { elanus } from 'elanus';
import { FOLDERS } from './folders.ts';
import { FORMATS } from './formats.ts';

const here = join(import.meta.dirname, 'v1');
const formats = join(here, 'formats');

const json = (value: unknown): string => `${JSON.stringify(value, null, 1)}\n`;

mkdirSync(formats, { recursive: true });
const answersPath = join(formats, 'answers.json');
const answers: Record<string, unknown> = existsSync(answersPath)
  ? (JSON.parse(readFileSync(answersPath, 'utf8')) as Record<string, unknown>)
  : {};
for (const [name, { write, read }] of Object.entries(FORMATS)) {
  const path = join(formats, name);
  if (write === undefined || existsSync(path)) continue;
  const bytes = new Uint8Array(await write());
  writeFileSync(path, bytes);
  answers[name] = await read(bytes);
  console.log(`${name}: ${bytes.length} bytes`);
}
writeFileSync(answersPath, json(answers));

for (const [name, { make, ask }] of Object.entries(FOLDERS)) {
  const folder = join(here, name);
  if (existsSync(folder)) continue;
  await make(folder);
  const copy = join(here, '.copy');
  cpSync(folder, copy, { recursive: true });
  const db = await elanus(copy);
  writeFileSync(join(here, `${name}.json`), json(await ask(db)));
  await db.close();
  for (const file of ['lock', 'lock.pid', 'meta.db-shm', 'meta.db-wal']) {
    rmSync(join(folder, file), { force: true });
  }
  rmSync(copy, { recursive: true });
  console.log(`${name}: made`);
}
