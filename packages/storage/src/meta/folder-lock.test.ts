/**
 * Goal: a folder has one owner, whatever the owner reads. Method: other processes and threads try
 * to get in while this one reads every file of the live folder.
 */
import { spawn, spawnSync } from 'node:child_process';
import { copyFileSync, mkdtempSync, readFileSync, readdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { put as putRecord, utf8 } from '../conformance/log-kit.ts';
import { commit, put } from '../conformance/meta-kit.ts';
import { nodeFs } from '../fs/node.ts';
import { localLogStore } from '../log/local.ts';
import { fileObjectStore } from '../object/files.ts';
import { testClock } from '../testing/test-clock.ts';
import type { FolderLock } from './folder-lock.ts';
import { LOCK_FILE, lockFolder } from './folder-lock.ts';
import { localMetaStore } from './local.ts';

const HOLDER = fileURLToPath(new URL('../testing/lock-holder.ts', import.meta.url));
const ARGS = ['--conditions=elanus:source', '--expose-gc', HOLDER];

let folder = '';
let locks: FolderLock[] = [];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'elanus-lock-'));
});
afterEach(() => {
  for (const lock of locks) lock.release();
  locks = [];
  rmSync(folder, { recursive: true });
});

const lock = (): FolderLock => {
  const held = lockFolder(folder, process.pid);
  locks.push(held);
  return held;
};

/** What another process is told. */
const other = (): string => {
  const args = [...ARGS, folder];
  const done = spawnSync(process.execPath, args, { encoding: 'utf8', timeout: 60_000 });
  return done.stdout.trim();
};

test('another process is refused and told the pid', () => {
  lock();
  expect(other()).toBe(`refused ${process.pid}`);
});

test('the same process is refused, and the first lock stays', () => {
  lock();
  expect(() => lockFolder(folder, process.pid)).toThrow(/elanus serve/);
  expect(() => lockFolder(folder, process.pid)).toThrow(`${process.pid}`);
  expect(other()).toBe(`refused ${process.pid}`);
});

test('another thread is refused, and the first lock stays', async () => {
  lock();
  const options = { argv: [folder], execArgv: ARGS.slice(0, 1), stdout: true };
  const thread = new Worker(HOLDER, options);
  let out = '';
  thread.stdout.on('data', (chunk: Buffer) => (out += chunk.toString()));
  await new Promise((resolve) => thread.on('exit', resolve));
  expect(out.trim()).toBe(`refused ${process.pid}`);
  expect(other()).toBe(`refused ${process.pid}`);
});

test('reading and copying every file of a live folder keeps the lock', async () => {
  lock();
  const fs = nodeFs(folder);
  const meta = await localMetaStore({ path: join(folder, 'meta.db'), clock: testClock });
  const objects = await fileObjectStore({ fs });
  const logs = localLogStore({ fs });
  await commit(meta, put('a', '1'));
  await objects.put('d/o', [utf8('x')]);
  await putRecord(await logs.open('p0'), 'r');
  let seen = 0;
  for (const name of readdirSync(folder, { recursive: true, encoding: 'utf8' })) {
    const path = join(folder, name);
    if (name === LOCK_FILE || !statSync(path).isFile()) continue;
    readFileSync(path);
    copyFileSync(path, `${path}.copy`);
    rmSync(`${path}.copy`);
    seen += 1;
  }
  expect(seen).toBeGreaterThan(4);
  expect(other()).toBe(`refused ${process.pid}`);
  await commit(meta, put('a', '2'));
  await Promise.all([meta.close(), objects.close(), logs.close()]);
});

test('a released folder can be locked again, here and elsewhere', async () => {
  lock().release();
  locks = [];
  lock().release();
  locks = [];
  const child = spawn(process.execPath, [...ARGS, folder], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  await new Promise((resolve) => child.stdout.once('data', resolve));
  expect(() => lockFolder(folder, process.pid)).toThrow(`${child.pid}`);
  child.kill('SIGKILL');
  await new Promise((resolve) => child.on('close', resolve));
  // A dead holder leaves its pid and no lock.
  lock();
  expect(other()).toBe(`refused ${process.pid}`);
});

test('a folder that is not there says so', () => {
  const missing = join(folder, 'missing');
  expect(() => lockFolder(missing, 1)).toThrow(expect.objectContaining({ code: 'read_only' }));
});
