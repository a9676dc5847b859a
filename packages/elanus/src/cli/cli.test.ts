import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { encodeRows } from '@elanus/api';
import { t } from '@elanus/client';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { elanus, openDatabase } from '../open.ts';
import { serve, type Server } from '../serve.ts';
import { VERSION } from '../version.ts';

const MAIN = fileURLToPath(new URL('./main.ts', import.meta.url));
let home = '';
let server: Server | undefined;
/** The folder `db` behind a server: commands start fast, for they need no engine. */
const at = (): string => server?.url ?? '';

const FIELDS = {
  id: t.int64({ primary: true }),
  title: t.varchar({ maxLength: 64 }),
  year: t.int32({ nullable: true }),
  at: t.timestamp({ nullable: true }),
  raw: t.bytes({ nullable: true, maxLength: 8 }),
  tags: t.array(t.varchar({ maxLength: 16 })),
  meta: t.json({ nullable: true }),
  vec: t.vector(2, { metric: 'l2' }),
};

beforeAll(async () => {
  home = mkdtempSync(join(tmpdir(), 'elanus-cli-'));
  await makeBooks('db');
  server = await serve(join(home, 'db'), { port: 0 });
});

afterAll(async () => {
  await server?.stop();
  rmSync(home, { recursive: true, force: true });
});

/** A folder with an empty collection `books` that takes more than its fields. */
async function makeBooks(folder: string): Promise<void> {
  const db = await elanus(join(home, folder));
  await db.collection('books', FIELDS, { dynamic: true });
  await db.close();
}

interface Done {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

function start(args: readonly string[], env: Readonly<Record<string, string>> = {}) {
  const child = spawn(process.execPath, ['--conditions=elanus:source', MAIN, ...args], {
    cwd: home,
    env: { ...process.env, ...env },
  });
  let out = '';
  let err = '';
  child.stdout.on('data', (chunk: Buffer) => (out += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (err += chunk.toString()));
  const done = new Promise<Done>((resolve) => {
    child.once('close', (code) => resolve({ code, out, err }));
  });
  return { child, done };
}

function run(args: readonly string[], input = ''): Promise<Done> {
  const { child, done } = start(args);
  child.stdin.end(input);
  return done;
}

const LINES = [
  '{"id":"9007199254740993","title":"Kites","year":2021,"at":"2021-05-01T00:00:00.000Z",' +
    '"raw":"AP8=","tags":["bird"],"meta":{"n":{"v":1}},"vec":[0.1,0],"extra":"kept"}',
  '{"id":"2","title":"Logs","year":null,"at":null,"raw":null,"tags":[],"meta":null,"vec":[0,1.5]}',
];

describe('help and mistakes', () => {
  it('without arguments says what there is', async () => {
    const { code, out, err } = await run([]);
    expect([code, err]).toEqual([0, '']);
    for (const name of ['demo', 'serve', 'insert', 'doctor'])
      expect(out).toContain(`elanus ${name}`);
    expect((await run(['--version'])).out).toBe(`${VERSION}\n`);
  });

  it('explains each command', async () => {
    const { code, out } = await run(['search', '--help']);
    expect(code).toBe(0);
    expect(out).toContain('--vector');
    expect(out).not.toMatch(/[^\P{Cc}\n]| $/mu);
  });

  it('ends with 2 when the command line cannot be used, with the reason in one line', async () => {
    const cases: (readonly [string[], string])[] = [
      [['fly'], 'no command `fly`'],
      [['query', 'books', '--filtre', 'x'], 'no option `--filtre`'],
      [['query'], 'COLLECTION'],
      [['query', 'books', 'more'], 'one word too many'],
      [['query', 'books', '--limit', 'ten'], 'whole number'],
      [['query', 'books', '--limit'], 'needs a value'],
      [['search', 'books'], '--vector'],
      [['serve', '--port', 'x'], '--port'],
      [['insert', 'books', '--on-conflict', 'shrug'], '--on-conflict'],
      [['demo', 'cats'], 'digits and words'],
    ];
    for (const [args, reason] of cases) {
      const { code, out, err } = await run(args);
      expect([args.join(' '), code, out]).toEqual([args.join(' '), 2, '']);
      expect(err).toContain(reason);
      expect(err.trim().split('\n')).toHaveLength(1);
    }
  });

  it('ends with 1 when it failed, with the text of the error and no stack', async () => {
    const { code, out, err } = await run(['describe', 'boks', '--db', at()]);
    expect([code, out]).toEqual([1, '']);
    expect(err).toContain('(collection_not_found)');
    expect(err.trim().split('\n')).toHaveLength(1);
    expect(err).not.toContain('at ');
  });

  it('makes no folder by looking at one', async () => {
    const { code, err } = await run(['collections', '--db', 'typo']);
    expect(code).toBe(1);
    expect(err).toContain('no database is here');
    expect(existsSync(join(home, 'typo'))).toBe(false);
  });
});

describe('rows', () => {
  it('go in as JSON lines and come out as they were, to the last digit', async () => {
    const inserted = await run(['insert', 'books', '--db', at()], `${LINES.join('\n')}\n\n`);
    expect(inserted).toMatchObject({ code: 0 });
    expect(inserted.out).toContain('2 rows');
    const exported = await run(['export', 'books', '--db', at()]);
    expect(exported.code).toBe(0);
    const sorted = (lines: readonly string[]) => lines.map((line) => JSON.parse(line) as unknown);
    const rows = exported.out.trim().split('\n');
    expect(sorted(rows)).toEqual(sorted([LINES[1] ?? '', LINES[0] ?? '']));
    await makeBooks('copy');
    const file = join(home, 'rows.jsonl');
    writeFileSync(file, exported.out);
    const again = await run(['insert', 'books', file, '--db', 'copy', '--json']);
    expect(JSON.parse(again.out)).toMatchObject({ count: 2 });
    expect((await run(['export', 'books', '--db', 'copy'])).out).toBe(exported.out);
  });

  it('are found by filter, by vector and by stored row', async () => {
    const query = await run(['query', 'books', '--db', at(), '--filter', 'year >= 2020', '--json']);
    expect(JSON.parse(query.out)).toMatchObject({ id: '9007199254740993', title: 'Kites' });
    const counted = await run([
      'query',
      'books',
      '--db',
      at(),
      '--count',
      '--filter',
      'year is null',
    ]);
    expect(counted).toEqual({ code: 0, out: '1\n', err: '' });
    const byVector = [
      'search',
      'books',
      '--db',
      at(),
      '--vector',
      '[0,1]',
      '--limit',
      '1',
      '--json',
    ];
    expect(JSON.parse((await run(byVector)).out)).toMatchObject([{ id: '2', score: 0.25 }]);
    const fromStdin = ['search', 'books', '--db', at(), '--vector', '-', '--select', 'title'];
    expect((await run(fromStdin, '[0,1]')).out).toMatch(/id +score +title\n2 +0\.25 +Logs/);
    const byRow = ['search', 'books', '--db', at(), '--id', '9007199254740993', '--limit', '1'];
    expect((await run(byRow)).out).toContain('Kites');
    const plan = ['search', 'books', '--db', at(), '--vector', '[0,1]', '--explain'];
    expect(JSON.parse((await run(plan)).out)).toHaveProperty('segments');
  });

  it('are refused with the line, or with the row and the field', async () => {
    const noJson = await run(['insert', 'books', '--db', at()], '{"id":1,\n');
    expect(noJson).toMatchObject({ code: 1, out: '' });
    expect(noJson.err).toContain('line 1');
    const list = await run(['insert', 'books', '--db', at()], '[1]\n');
    expect(list.err).toContain('JSON object');
    const bad = '{"id":"7","title":"x","tags":[],"vec":[1]}\n';
    expect((await run(['insert', 'books', '--db', at()], bad)).err).toContain('dimension_mismatch');
    const rounded = '{"id":9007199254740993,"title":"x","tags":[],"vec":[1,2]}\n';
    expect((await run(['insert', 'books', '--db', at()], rounded)).err).toContain(
      'value_out_of_range',
    );
    expect((await run(['insert', 'books', 'gone.jsonl', '--db', at()])).err).toContain(
      'gone.jsonl',
    );
    const taken = await run(['insert', 'books', '--db', at()], `${LINES[1]}\n`);
    expect(taken.err).toContain('key_exists');
    const skipped = ['insert', 'books', '--db', at(), '--on-conflict', 'skip'];
    expect((await run(skipped, `${LINES[1]}\n`)).out).toContain('0 rows');
  });

  it('compacts, and says what that gave back', async () => {
    const done = await run(['compact', 'books', '--db', at()]);
    expect([done.code, done.err]).toEqual([0, '']);
    expect(done.out).toMatch(/^segments: \d+ before, \d now\nrows in them: .*\ngiven back: /);
    const json = await run(['compact', 'books', '--db', at(), '--json']);
    expect(JSON.parse(json.out)).toMatchObject({ freedBytes: expect.any(Number) as number });
    const none = await run(['compact', 'nothing', '--db', at()]);
    expect([none.code, none.out]).toEqual([1, '']);
  });

  it('are described', async () => {
    const listed = await run(['collections', '--db', at(), '--json']);
    expect(JSON.parse(listed.out)).toMatchObject([{ name: 'books', rows: 2 }]);
    expect((await run(['collections', '--db', at()])).out).toMatch(/^name .*\nbooks /);
    const described = await run(['describe', 'books', '--db', at()]);
    expect(described.out).toContain('books: 2 rows');
    expect(described.out).toMatch(/vec +vector\(2, l2\)/);
  });

  it('are exported as they are, or not: a number is never rounded', async () => {
    const Counts = { id: t.int64({ primary: true, as: 'number' }), vec: t.vector(1) };
    const db = await elanus(join(home, 'counts'));
    const counts = await db.collection('counts', Counts);
    await counts.insert([{ id: Number.MAX_SAFE_INTEGER, vec: [1] }]);
    const { schema } = counts;
    await db.close();
    const exported = await run(['export', 'counts', '--db', 'counts']);
    expect(exported.out).toBe('{"id":9007199254740991,"vec":[1]}\n');
    // Refused at the door today; planted behind it, as if it had been kept before.
    const inside = await openDatabase(join(home, 'counts'));
    const given = { ...schema, fields: schema.fields.map(({ as: _as, ...field }) => field) };
    await inside.write({
      collection: 'counts',
      schemaVersion: schema.version,
      batch: encodeRows([{ id: 2n ** 53n + 1n, vec: [2] }], given),
      mode: 'insert',
      onConflict: 'error',
      idempotencyKey: 'planted',
    });
    await inside.close();
    const refused = await run(['export', 'counts', '--db', 'counts']);
    expect(refused).toMatchObject({ code: 1, out: '' });
    expect(refused.err).toContain('9007199254740993');
    expect(refused.err).toContain('value_out_of_range');
  });

  it('are the same rows when they are inserted again, whatever their vectors', async () => {
    const fields = {
      id: t.int64({ primary: true }),
      half: t.vector(2, { type: 'float16', metric: 'l2' }),
      brain: t.vector(2, { type: 'bfloat16' }),
      small: t.vector(2, { type: 'int8' }),
      bits: t.vector(16, { type: 'binary' }),
      words: t.sparse(),
    };
    const db = await elanus(join(home, 'typed'));
    const typed = await db.collection('typed', fields);
    await db.collection('again', fields);
    const words = { 7: 0.1, [2 ** 32 - 2]: 3 };
    const half = [0.1, -65504];
    await typed.insert([
      { id: 1n, half, brain: [0.1, 3e38], small: [-128, 127], bits: [3, 255], words },
    ]);
    await db.close();
    const described = await run(['describe', 'typed', '--db', 'typed']);
    expect(described.out).toMatch(/half +vector\(float16, 2, l2\)/);
    expect(described.out).toMatch(/words +vector\(sparse, ip\)/);
    const exported = await run(['export', 'typed', '--db', 'typed']);
    expect(JSON.parse(exported.out)).toMatchObject({ half: [0.099975586, -65504], bits: 'A/8=' });
    writeFileSync(join(home, 'typed.jsonl'), exported.out);
    expect((await run(['insert', 'again', 'typed.jsonl', '--db', 'typed'])).code).toBe(0);
    expect((await run(['export', 'again', '--db', 'typed'])).out).toBe(exported.out);
    const args = ['search', 'again', '--db', 'typed', '--json', '--field', 'words'];
    const found = await run([...args, '--vector', '{ "7": 10 }']);
    expect(JSON.parse(found.out)).toMatchObject([{ id: '1', score: 1 }]);
  });

  it('stop at a reader who has seen enough', async () => {
    const { child, done } = start(['export', 'books', '--db', at()]);
    child.stdout.destroy();
    expect((await done).code).toBe(0);
  });
});

/** What `serve --json` says of itself. */
function firstLine(input: NodeJS.ReadableStream): Promise<{ readonly url: string }> {
  return new Promise((resolve) => {
    createInterface({ input }).once('line', (text) => {
      resolve(JSON.parse(text) as { readonly url: string });
    });
  });
}

describe('serve', () => {
  it('serves the folder to other commands, with a token, until it is told to stop', async () => {
    await server?.stop();
    const args = ['serve', 'db', '--port', '0', '--host', '0.0.0.0', '--json'];
    const serving = start(args, { ELANUS_TOKEN: 'kite' });
    const { url } = await firstLine(serving.child.stdout);
    const local = url.replace('0.0.0.0', '127.0.0.1');
    const denied = await run(['collections', '--db', local, '--token', 'hawk']);
    expect(denied).toMatchObject({ code: 1, out: '' });
    expect(denied.err).toContain('unauthenticated');
    expect(denied.err).not.toContain('hawk');
    const listed = await run(['collections', '--db', local, '--token', 'kite', '--json']);
    expect(JSON.parse(listed.out)).toMatchObject([{ name: 'books', rows: 2 }]);
    const exported = await run(['export', 'books', '--db', local, '--token', 'kite']);
    expect(exported.out).toBe((await run(['export', 'books', '--db', 'copy'])).out);
    const locked = await run(['collections', '--db', 'db']);
    expect(locked).toMatchObject({ code: 1, out: '' });
    expect(locked.err).toContain('folder_locked');
    serving.child.kill('SIGTERM');
    expect(await serving.done).toMatchObject({ code: 0 });
    expect((await run(['collections', '--db', 'db'])).code).toBe(0);
  });

  it('refuses to listen beyond this machine without a token, and makes no folder', async () => {
    const { code, err } = await run(['serve', 'open', '--host', '0.0.0.0', '--port', '0']);
    expect(code).toBe(1);
    expect(err).toContain('insecure_bind');
    expect(existsSync(join(home, 'open'))).toBe(false);
  });

  it('serves memory alone, to listed web pages too, and leaves no file', async () => {
    const origin = 'https://app.example';
    const serving = start(['serve', ':memory:', '--port', '0', '--json', '--cors', origin]);
    const { url } = await firstLine(serving.child.stdout);
    const db = await elanus(url);
    const books = await db.collection('books', FIELDS);
    await books.insert([{ id: 1n, title: 'Kites', tags: [], vec: [1, 0] }]);
    expect(await books.count()).toBe(1);
    const page = await fetch(`${url}/trpc/collections.list`, { headers: { origin } });
    expect(page.headers.get('access-control-allow-origin')).toBe(origin);
    await db.close();
    serving.child.kill('SIGTERM');
    expect(await serving.done).toMatchObject({ code: 0, err: '' });
    expect(existsSync(join(home, ':memory:'))).toBe(false);
  });

  it('refuses a list of web pages that holds no origin', async () => {
    const { code, err } = await run(['serve', ':memory:', '--port', '0', '--cors', 'app.example']);
    expect(code).toBe(1);
    expect(err).toContain('https://app.example');
  });
});

describe('doctor', () => {
  it('mends what it can, says what it cannot, and ends with 1 then', async () => {
    const db = await elanus(join(home, 'sick'));
    await db.collection('books', FIELDS);
    await db.close();
    const sound = await run(['doctor', 'sick', '--repair']);
    expect(sound).toMatchObject({ code: 0, err: '' });
    expect(sound.out).toMatch(/^sound$/m);
    writeFileSync(join(home, 'sick/objects/stray.bin'), 'no object');
    const found = await run(['doctor', 'sick']);
    expect(found).toMatchObject({ code: 1 });
    expect(found.out).toContain('--repair removes it');
    const mended = await run(['doctor', 'sick', '--repair', '--json']);
    expect(mended).toMatchObject({ code: 0 });
    expect(JSON.parse(mended.out)).toMatchObject({ repairs: [{ what: 'stray.bin' }], damage: [] });
    const path = join(home, 'sick/meta.db');
    const bytes = readFileSync(path);
    writeFileSync(path, bytes.fill(0x5a, 4_096, bytes.length));
    const lost = await run(['doctor', 'sick', '--repair']);
    expect(lost).toMatchObject({ code: 1 });
    expect(lost.out).toMatch(/^1 damaged, and not repaired$/m);
    expect(lost.out).toContain('restore it from a backup');
  });
});

describe('bench', () => {
  it('measures, for people and for programs', async () => {
    const small = ['bench', '--rows', '400', '--dim', '4', '--seconds', '0.05'];
    const shown = await run(small);
    expect(shown.code).toBe(0);
    expect(shown.out).toMatch(/^recall@10 {6}1\.000$/m);
    expect(shown.out).toMatch(/^8 in flight {4}[\d,]+ searches\/s/m);
    const told = await run([...small, '--json']);
    expect(JSON.parse(told.out)).toMatchObject({ data: { rows: 400, dim: 4 }, recallAt10: 1 });
  });

  it.each([
    ['--rows', '0'],
    ['--dim', 'many'],
    ['--seconds', '0'],
    ['--seed', '1.5'],
  ])('refuses %s %s', async (option, value) => {
    const refused = await run(['bench', option, value]);
    expect(refused).toMatchObject({ code: 2, out: '' });
    expect(refused.err).toContain(option);
  });
});

describe('the file of rows', () => {
  it('is not changed by reading it', () => {
    expect(readFileSync(join(home, 'rows.jsonl'), 'utf8').split('\n')).toHaveLength(3);
  });
});
