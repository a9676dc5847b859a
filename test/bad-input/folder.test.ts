// Goal: a folder that is in use, was left by a killed process, was written by a newer release or
// cannot be written is refused with its own code, or opened, and never harmed. Method: real child
// processes; files changed as a newer release would have written them.
import { execFileSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { Worker } from 'node:worker_threads';
import { crc32 } from 'node:zlib';
import { connect } from '@elanus/client';
import { flushShard, invoke, metaKeys } from '@elanus/protocol';
import { systemClock } from '@elanus/runtime';
import { localWorld } from '@elanus/runtime/local';
import { fileObjectStore, localLogStore, localMetaStore, nodeFs } from '@elanus/storage/local';
import { elanus } from 'elanus';
import { afterEach, beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import { startEmbedded } from '../../packages/elanus/src/embedded.ts';
import { Docs, everything, goodRow, expectRefused, startChild, tempFolder } from './kit.ts';
import { threeDocs, withFolder, type Child, type Refusal } from './kit.ts';

let folder: ReturnType<typeof tempFolder>;
beforeEach(() => {
  folder = tempFolder();
});
afterEach(() => folder.remove());

const HOLDER = join(import.meta.dirname, 'holder.ts');

async function holder(): Promise<Child> {
  const child = startChild(HOLDER, [folder.path]);
  onTestFinished(() => child.kill());
  expect(await child.line()).toBe('open');
  return child;
}

describe('a folder in use', () => {
  test('by another process: refused with its pid, and that process goes on', async () => {
    const child = await holder();
    for (let attempt = 0; attempt < 3; attempt++) {
      const error = await expectRefused(() => elanus(folder.path), {
        code: 'folder_locked',
        kind: 'conflict',
        says: /elanus serve/,
        details: { pid: child.pid },
      });
      expect(error.message).toContain(String(child.pid));
    }
    child.tell('7');
    expect(await child.line()).toBe('4');
    child.end();
    expect(await child.line()).toBe('closed');
    expect(await child.ended()).toBe(0);
    await withFolder(folder.path, async (db) => {
      expect(await (await db.collection(Docs)).count()).toBe(4);
    });
  });

  test('by this process: the same database, counted', async () => {
    const first = await elanus(folder.path);
    const second = await elanus(folder.path);
    const docs = await threeDocs(first);
    expect(await (await second.collection(Docs)).count()).toBe(3);
    await first.close();
    expect(await (await second.collection(Docs)).count()).toBe(3);
    await expectRefused(() => docs.count(), { code: 'handle_closed', kind: 'invalid' });
    await second.close();
  });

  test('by another thread of this process: refused', async () => {
    await withFolder(folder.path, async (db) => {
      const docs = await threeDocs(db);
      const source = `
        import { parentPort, workerData } from 'node:worker_threads';
        import { elanus } from 'elanus';
        const codeOf = () => elanus(workerData).then(() => 'opened', (error) => error.code);
        parentPort.postMessage(await codeOf());`;
      const script = join(import.meta.dirname, `.thread-${process.pid}.mjs`);
      writeFileSync(script, source);
      onTestFinished(() => rmSync(script, { force: true }));
      const worker = new Worker(script, {
        workerData: folder.path,
        execArgv: ['--conditions=elanus:source'],
      });
      const code = await new Promise((resolve, reject) => {
        worker.once('message', resolve);
        worker.once('error', reject);
      });
      await worker.terminate();
      expect(code).toBe('folder_locked');
      await docs.insert([goodRow(8)]);
      expect(await docs.count()).toBe(4);
    });
  });

  test('a stale lock: the holder was killed, the folder opens with everything in it', async () => {
    const child = await holder();
    child.tell('9');
    expect(await child.line()).toBe('4');
    await child.kill();
    expect(existsSync(join(folder.path, 'lock.pid'))).toBe(true);
    await withFolder(folder.path, async (db) => {
      const docs = await db.collection(Docs);
      expect(await docs.count()).toBe(4);
      await docs.insert([goodRow(10)]);
      expect(await docs.count()).toBe(5);
    });
  });
});

/** Makes a folder with flushed rows, deletes, and rows that only the log holds. */
async function makeFolder(): Promise<void> {
  const world = await localWorld(folder.path, { durability: 'process' });
  const database = await startEmbedded({ world, durability: 'process', kernels: 'auto' });
  const db = connect(database);
  const docs = await threeDocs(db as never);
  await invoke(world.bus, flushShard, { header: { collectionId: 1, shard: 0 } });
  await docs.delete({ ids: [0n] });
  await docs.insert([goodRow(3)]);
  await db.close();
}

/** Every file of the folder with its bytes; sqlite's own side files left out. */
function filesOf(path: string): Record<string, string> {
  const files: Record<string, string> = {};
  for (const name of readdirSync(path, { recursive: true, encoding: 'utf8' }).sort()) {
    if (!statSync(join(path, name)).isFile() || /^(lock|meta\.db)/.test(name)) continue;
    files[name] = readFileSync(join(path, name)).toString('base64');
  }
  return files;
}

function patchFile(name: string, change: (bytes: Buffer) => void): void {
  const path = join(folder.path, name);
  const bytes = readFileSync(path);
  change(bytes);
  writeFileSync(path, bytes);
}

function fileNamed(part: string): string {
  const found = Object.keys(filesOf(folder.path)).find((name) => name.includes(part));
  if (found === undefined) throw new Error(`no file ${part}`);
  return found;
}

async function patchObject(part: string, change: (bytes: Uint8Array) => Uint8Array): Promise<void> {
  const objects = await fileObjectStore({ fs: nodeFs(folder.path), durability: 'process' });
  const name = fileNamed(part).slice('objects/'.length).replaceAll('\\', '/');
  const bytes = change(await objects.get(name));
  await objects.remove(name);
  await objects.put(name, [bytes]);
  await objects.close();
}

const newerJson = (change: (value: Record<string, unknown>) => object) => (bytes: Uint8Array) => {
  const value = JSON.parse(new TextDecoder().decode(bytes)) as Record<string, unknown>;
  return new TextEncoder().encode(JSON.stringify(change(value)));
};

const newer: readonly [string, () => Promise<void> | void, object?][] = [
  [
    'metadata (the format record)',
    async () => {
      const path = join(folder.path, 'meta.db');
      const meta = await localMetaStore({ path, clock: systemClock, durability: 'process' });
      const value = new TextEncoder().encode(JSON.stringify({ version: 2 }));
      await meta.txn({ compare: [], then: [{ put: metaKeys.format, value }] });
      await meta.close();
    },
  ],
  [
    'the metadata tables',
    () => {
      const db = new DatabaseSync(join(folder.path, 'meta.db'));
      db.exec('PRAGMA user_version = 3');
      db.close();
    },
    { version: 3, supported: 2 },
  ],
  [
    'a log record',
    async () => {
      const logs = localLogStore({ fs: nodeFs(folder.path), durability: 'process' });
      const stream = await logs.open('p0');
      const { firstSeq } = await stream.span();
      let record: Uint8Array | undefined;
      for await (const { bytes } of stream.scan({ fromSeq: firstSeq })) record = bytes.slice();
      if (record === undefined) throw new Error('the log is empty');
      record[0] = 2;
      await stream.append({ subject: 'c1-0', parts: [record] });
      await logs.close();
    },
  ],
  [
    'a log file',
    () => {
      patchFile(fileNamed('.log'), (bytes) => {
        bytes.writeUInt32LE(2, 8);
        bytes.writeUInt32LE(crc32(bytes.subarray(0, 32)), 32);
      });
    },
  ],
  [
    'an object',
    () => {
      patchFile(fileNamed('manifest'), (bytes) => {
        const footer = bytes.subarray(bytes.length - 32);
        footer.writeUInt32LE(3, 8);
        footer.writeUInt32LE(crc32(footer.subarray(0, 28)), 28);
      });
    },
    { version: 3, supported: 2 },
  ],
  [
    'a segment manifest',
    () =>
      patchObject(
        'manifest',
        newerJson((value) => ({ ...value, version: 2 })),
      ),
  ],
  [
    'a segment with a feature a reader must know',
    () =>
      patchObject(
        'manifest',
        newerJson((value) => ({ ...value, readerFeatures: ['x'] })),
      ),
  ],
  [
    'a vector file',
    () =>
      patchObject('vec-', (bytes) => {
        const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
        view.setUint32(4, 3, true);
        view.setUint32(40, crc32(bytes.subarray(0, 40)), true);
        return bytes;
      }),
    { version: 3, supported: 2 },
  ],
];

describe('a folder of a newer format', () => {
  const refusal: Refusal = {
    code: 'format_too_new',
    kind: 'corrupt',
    says: /upgrade/,
    details: { version: 2, supported: 1 },
  };
  test.each(newer)('%s: refused, and left as it is', async (name, change, says) => {
    await makeFolder();
    await change();
    const before = filesOf(folder.path);
    const feature = name.includes('feature');
    const details = feature ? {} : (says ?? refusal.details);
    await expectRefused(() => elanus(folder.path), { ...refusal, details } as Refusal);
    // What a newer release wrote is still there for it.
    const after = filesOf(folder.path);
    for (const [file, bytes] of Object.entries(before)) {
      const log = file.endsWith('.log');
      const kept = log ? after[file]?.startsWith(bytes.slice(0, 64)) : after[file] === bytes;
      expect({ file, there: file in after, kept }).toEqual({ file, there: true, kept: true });
    }
    // And the folder is free again.
    await expectRefused(() => elanus(folder.path), { ...refusal, details } as Refusal);
  });
});

describe('a folder that is none', () => {
  test('the path is a file', async () => {
    const path = join(folder.path, 'file');
    writeFileSync(path, 'x');
    await expectRefused(() => elanus(path), {
      code: 'invalid_argument',
      kind: 'invalid',
      says: /This is a file; give a folder/,
      details: { argument: 'where', got: path },
    });
    expect(readFileSync(path, 'utf8')).toBe('x');
  });

  test('a database of someone else', async () => {
    writeFileSync(join(folder.path, 'meta.db'), 'this is no database, it is a text file'.repeat(9));
    await expectRefused(() => elanus(folder.path), {
      code: 'file_corrupt',
      kind: 'corrupt',
      says: /elanus doctor/,
    });
  });
});

/** Runs the work with the folder on a mount that cannot be written. */
async function readOnly(work: () => Promise<void>): Promise<void> {
  if (process.getuid?.() !== 0) {
    execFileSync('chmod', ['-R', 'a-w', folder.path]);
    try {
      return await work();
    } finally {
      execFileSync('chmod', ['-R', 'u+w', folder.path]);
    }
  }
  // Permissions do not bind root: a read-only mount of the folder on itself does.
  execFileSync('mount', ['--bind', folder.path, folder.path]);
  try {
    execFileSync('mount', ['-o', 'remount,ro,bind', folder.path]);
    await work();
  } finally {
    execFileSync('umount', [folder.path]);
  }
}

describe('a read-only folder', () => {
  const refusal: Refusal = { code: 'read_only', kind: 'invalid', says: /owner and permissions/ };
  test('with a database in it', async () => {
    await makeFolder();
    const before = filesOf(folder.path);
    await readOnly(async () => {
      await expectRefused(() => elanus(folder.path), refusal);
    });
    expect(filesOf(folder.path)).toEqual(before);
    await withFolder(folder.path, async (db) => {
      const docs = await db.collection(Docs);
      expect(await docs.count()).toBe(3);
      expect(await everything(docs)).toContain('item-3');
    });
  });
  test('an empty one, and a folder to be made in one', async () => {
    await readOnly(async () => {
      await expectRefused(() => elanus(folder.path), refusal);
      await expectRefused(() => elanus(join(folder.path, 'new', 'deep')), refusal);
    });
    expect(readdirSync(folder.path)).toEqual([]);
    mkdirSync(join(folder.path, 'later'));
  });
});
