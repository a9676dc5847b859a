import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { localWorld } from './local-world.ts';
import { memoryWorld } from './memory-world.ts';
import type { OpenWorld } from './world.ts';

let folder = '';
beforeEach(() => {
  folder = join(mkdtempSync(join(tmpdir(), 'elanus-world-')), 'db');
});
afterEach(() => rmSync(join(folder, '..'), { recursive: true }));

const text = (bytes: Uint8Array | undefined): string => new TextDecoder().decode(bytes);

async function use(world: OpenWorld): Promise<void> {
  const stream = await world.logs.open('p0');
  await stream.append({ subject: 'v0', parts: [Buffer.from('record')] });
  await world.meta.txn({ compare: [], then: [{ put: 'key', value: Buffer.from('value') }] });
  await world.objects.put('d/o', [Buffer.from('object')]);
}

async function look(world: OpenWorld): Promise<string[]> {
  const found: string[] = [];
  for await (const entry of (await world.logs.open('p0')).scan({ fromSeq: 1 })) {
    found.push(text(entry.bytes));
  }
  found.push(text((await world.meta.get('key'))?.value), text(await world.objects.get('d/o')));
  return found;
}

test('a world in memory', async () => {
  const world = await memoryWorld();
  await use(world);
  expect(await look(world)).toEqual(['record', 'value', 'object']);
  await world.close();
  await world.close();
});

test('a folder is made, used and opened again', async () => {
  const world = await localWorld(folder);
  await use(world);
  await world.close();
  const again = await localWorld(folder, { durability: 'process' });
  expect(await look(again)).toEqual(['record', 'value', 'object']);
  await again.close();
});

test('an open folder is refused, and the first goes on', async () => {
  const world = await localWorld(folder);
  await expect(localWorld(folder)).rejects.toMatchObject({
    code: 'folder_locked',
    details: { pid: process.pid },
  });
  await use(world);
  expect(await look(world)).toEqual(['record', 'value', 'object']);
  await world.close();
  await (await localWorld(folder)).close();
});

test('a failed opening gives the folder free', async () => {
  await (await localWorld(folder)).close();
  const file = join(folder, 'meta.db');
  const sound = readFileSync(file);
  const { writeFileSync } = await import('node:fs');
  writeFileSync(file, 'not a database'.repeat(100));
  await expect(localWorld(folder)).rejects.toMatchObject({ code: 'file_corrupt' });
  writeFileSync(file, sound);
  await (await localWorld(folder)).close();
});

test.each(['missing', 'empty'])(
  'of a folder with data, metadata that is %s is damage',
  async (how) => {
    const world = await localWorld(folder);
    await use(world);
    await world.close();
    const file = join(folder, 'meta.db');
    const { truncateSync } = await import('node:fs');
    if (how === 'missing') rmSync(file);
    else truncateSync(file, 0);
    await expect(localWorld(folder)).rejects.toMatchObject({ code: 'file_corrupt' });
    expect(readdirSync(join(folder, 'objects', 'd'))).toEqual(['o']);
  },
);

test('a folder under a file cannot be made', async () => {
  await (await localWorld(folder)).close();
  const opening = localWorld(join(folder, 'meta.db', 'below'));
  await expect(opening).rejects.toMatchObject({ code: 'io_error' });
});

test('leftovers of unfinished objects are swept', async () => {
  const world = await localWorld(folder);
  await world.close();
  const { writeFileSync } = await import('node:fs');
  writeFileSync(join(folder, 'objects', '.tmp', '1'), 'half');
  await (await localWorld(folder)).close();
  expect(readdirSync(join(folder, 'objects', '.tmp'))).toEqual([]);
});

test('an idle world does not keep the process alive', () => {
  const script = fileURLToPath(new URL('./testing/idle-world.ts', import.meta.url));
  const args = ['--conditions=elanus:source', script, folder];
  const done = spawnSync(process.execPath, args, { encoding: 'utf8', timeout: 90_000 });
  expect(done.stderr).toBe('');
  expect(done.stdout.trim()).toBe('idle');
  expect(done.status).toBe(0);
  expect(existsSync(join(folder, 'meta.db'))).toBe(true);
});
