// Goal: callers of a server without its token, with another one, or with too much at once are
// refused by their own codes, nothing changes, and a server never listens to strangers by accident.
// Method: a real server on a free port, and the plain client.
import { request } from 'node:http';
import { elanus, serve, type Server } from 'elanus';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { everything, expectRefused, goodRow, threeDocs, type OpenDocs } from './kit.ts';

const token = 'correct horse battery staple';
let server: Server;
let docs: OpenDocs;
let close: () => Promise<void>;
beforeEach(async () => {
  server = await serve(':memory:', { port: 0, token });
  const db = await elanus(server.url, { token });
  docs = await threeDocs(db);
  close = () => db.close();
});
afterEach(async () => {
  await close();
  await server.stop();
});

describe('tokens', () => {
  test.each([
    ['missing', undefined, /Pass \{ token \}/],
    ['wrong', 'correct horse', /not the one/],
    ['longer', `${token}r`, /not the one/],
  ])('%s', async (_name, given, says) => {
    const stranger = await elanus(server.url, given === undefined ? {} : { token: given });
    const refusal = { code: 'unauthenticated', kind: 'denied', says } as const;
    const before = await everything(docs);
    await expectRefused(() => stranger.collections(), refusal);
    await expectRefused(() => stranger.collection('docs'), refusal);
    await expectRefused(() => stranger.drop('docs'), refusal);
    expect(await everything(docs)).toBe(before);
    await stranger.close();
  });

  test('no token, and an address beyond this machine', async () => {
    await expectRefused(() => serve(':memory:', { host: '0.0.0.0', port: 0 }), {
      code: 'insecure_bind',
      kind: 'denied',
      says: /--token or ELANUS_TOKEN/,
      details: { host: '0.0.0.0' },
    });
  });

  test('a port that is taken', async () => {
    await expectRefused(() => serve(':memory:', { port: server.port }), {
      code: 'invalid_argument',
      kind: 'invalid',
    });
    expect(await docs.count()).toBe(3);
  });
});

/** Posts plainly, as someone without our client would; answers the status and the error's code. */
function post(body: Buffer | undefined, headers: Record<string, string>) {
  return new Promise<{ status: number; code: string }>((resolve, reject) => {
    const url = new URL('/trpc/write', server.url);
    const call = request(url, { method: 'POST', headers }, (answer) => {
      const chunks: Buffer[] = [];
      answer.on('data', (chunk: Buffer) => chunks.push(chunk));
      answer.on('end', () => {
        const text = Buffer.concat(chunks).toString();
        const code = /"elanus":\{"code":"(\w+)"/.exec(text)?.[1] ?? text;
        resolve({ status: answer.statusCode ?? 0, code });
        call.destroy();
      });
    });
    call.on('error', reject);
    if (body !== undefined) call.end(body);
    else call.flushHeaders();
  });
}

describe('sizes', () => {
  const authorization = `Bearer ${token}`;
  const type = { 'content-type': 'application/octet-stream', authorization };

  test('a request that says it is too large is refused before it is sent', async () => {
    const headers = { ...type, 'content-length': String(2 ** 30) };
    expect(await post(undefined, headers)).toEqual({ status: 413, code: 'request_too_large' });
    expect(await docs.count()).toBe(3);
  });

  test('a body that is no write', async () => {
    const answer = await post(Buffer.from('not a frame'), type);
    expect(answer.status).toBeGreaterThanOrEqual(400);
    expect(answer.status).toBeLessThan(500);
    expect(await docs.count()).toBe(3);
  });

  test('bad rows are refused by the client, the server is as it was', async () => {
    const rows = [goodRow(10), { ...goodRow(11), vec: [1, 2] }] as never[];
    await expectRefused(() => docs.insert(rows), {
      code: 'dimension_mismatch',
      kind: 'invalid',
      details: { row: 1, field: 'vec', expected: '4', got: '2' },
    });
    await expectRefused(() => docs.insert([goodRow(10), goodRow(1)]), {
      code: 'key_exists',
      kind: 'already_exists',
      says: /upsert/,
      details: { key: '1', row: 1 },
    });
    expect(await docs.count()).toBe(3);
  });
});

describe('time', () => {
  test('a call aborted before and while it is sent', async () => {
    const refusal = { code: 'cancelled', kind: 'cancelled' } as const;
    const aborted = AbortSignal.abort();
    await expectRefused(() => docs.insert([goodRow(10)], { signal: aborted }), refusal);
    const controller = new AbortController();
    const search = docs.search({ vector: [0, 0, 0, 0], signal: controller.signal });
    controller.abort();
    await expectRefused(() => search, refusal);
    expect(await docs.count()).toBe(3);
  });

  test('no time at all, and all the time in the world', async () => {
    await expectRefused(() => docs.count({ timeoutMs: 0 }), {
      code: 'deadline_exceeded',
      kind: 'deadline',
    });
    expect(await docs.count({ timeoutMs: Infinity })).toBe(3);
  });

  test('nobody there', async () => {
    const { url } = server;
    await server.stop();
    const db = await elanus(url, { token, timeoutMs: 300 });
    await expectRefused(() => db.collections(), { code: 'unavailable', kind: 'unavailable' });
    await db.close();
    // So that the end of the test finds one to stop.
    server = await serve(':memory:', { port: 0 });
  });
});
