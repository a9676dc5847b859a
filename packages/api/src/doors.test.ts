import { createHTTPServer } from '@trpc/server/adapters/standalone';
import { createTRPCClient, httpLink } from '@trpc/client';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { ElanusRouter } from './router.ts';
import { createRouter } from './router.ts';
import { ElanusError } from '@elanus/core';
import type { Reference } from '../../../test/client/reference.ts';
import { referenceDatabase } from '../../../test/client/reference.ts';
import type { ClientSubject } from '../../../test/conformance/client-kit.ts';
import { codeOf, detailsOf, docsOf, tenRows } from '../../../test/conformance/client-kit.ts';
import { clientRowsSuite } from '../../../test/conformance/client-rows-suite.ts';
import { clientSuite } from '../../../test/conformance/client-suite.ts';
import { connect } from '@elanus/client';
import { httpTransport } from '@elanus/client/http';

interface Served {
  readonly url: string;
  readonly reference: Reference;
  readonly timeouts: (string | undefined)[];
  close(): Promise<void>;
}

async function serve(): Promise<Served> {
  const reference = referenceDatabase();
  let keys = 0;
  const timeouts: (string | undefined)[] = [];
  const router = createRouter({ database: reference, newKey: () => `made-${keys++}` });
  const server = createHTTPServer({
    router,
    basePath: '/trpc/',
    allowMethodOverride: true,
    createContext: ({ req }) => {
      const timeout = req.headers['elanus-timeout-ms'];
      timeouts.push(Array.isArray(timeout) ? timeout[0] : timeout);
      if (req.headers.authorization === 'Bearer wrong')
        throw new ElanusError('unauthenticated', {});
      return {};
    },
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  const port = typeof address === 'object' ? address?.port : 0;
  return {
    url: `http://127.0.0.1:${port}`,
    reference,
    timeouts,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

async function openServed(): Promise<ClientSubject> {
  const served = await serve();
  return {
    db: connect(httpTransport(served.url)),
    again: async (options) => connect(httpTransport(served.url), options),
    close: served.close,
  };
}

clientSuite('HTTP', openServed);
clientRowsSuite('HTTP', openServed);

describe('the HTTP doors', () => {
  let served: Served;
  beforeEach(async () => {
    served = await serve();
  });
  afterEach(() => served.close());

  const stock = () =>
    createTRPCClient<ElanusRouter>({
      links: [httpLink({ url: `${served.url}/trpc`, methodOverride: 'POST' })],
    });

  test('a stock tRPC client inserts and searches with plain JSON', async () => {
    const trpc = stock();
    await trpc.collections.create.mutate({
      name: 'plain',
      definition: {
        fields: [
          { name: 'id', type: 'int64', primary: true },
          { name: 'at', type: 'timestamp', nullable: true },
          { name: 'vec', type: 'vector', dim: 2, metric: 'l2' },
        ],
      },
    });
    const rows = [
      { id: '9007199254740993', at: '2025-01-01T00:00:00Z', vec: [1, 0] },
      { id: 2, vec: 'AAAAQAAAAAA=' },
    ];
    const written = await trpc.entities.insert.mutate({ collection: 'plain', rows });
    expect(written.count).toBe(2);
    const found = await trpc.search.query({
      collection: 'plain',
      vector: [0, 0],
      select: ['at', 'vec'],
      filter: { id: { gte: '2' } },
    });
    if (!('hits' in found)) throw new Error('rows were asked for');
    expect(found.hits).toEqual([
      [
        { id: '9007199254740993', at: '2025-01-01T00:00:00.000Z', vec: [1, 0], score: 1 },
        { id: '2', at: null, vec: [2, 0], score: 4 },
      ],
    ]);
    const counted = await trpc.entities.count.query({
      collection: 'plain',
      expr: { text: 'id == {id}', params: { id: { $int: '9007199254740993' } } },
    });
    expect(counted.count).toBe(1);
  });

  test('failures carry code, kind, status and details, and no stack', async () => {
    const failure: unknown = await stock()
      .search.query({ collection: 'nowhere', vector: [1] })
      .catch((error: unknown) => error);
    expect(failure).toMatchObject({
      data: {
        code: 'NOT_FOUND',
        httpStatus: 404,
        elanus: { code: 'collection_not_found', details: { name: 'nowhere' } },
      },
    });
    expect(JSON.stringify((failure as { shape: unknown }).shape)).not.toContain('.ts:');
  });

  test('bad shapes are invalid_argument', async () => {
    const bad = stock().search.query({ collection: 5 } as never);
    await expect(bad).rejects.toMatchObject({
      data: { httpStatus: 400, elanus: { code: 'invalid_argument' } },
    });
  });

  test('hostile octets are refused', async () => {
    for (const body of ['', 'xxxxxxxxxxxxxxxx', '\x02\0\0\0{}aaaaaaaaaaaaaaaa']) {
      const response = await fetch(`${served.url}/trpc/entities.write`, {
        method: 'POST',
        headers: { 'content-type': 'application/octet-stream' },
        body: new TextEncoder().encode(body),
      });
      expect(response.status).toBe(400);
      const answer = (await response.json()) as { error: { data: { elanus: { code: string } } } };
      expect(answer.error.data.elanus.code).toBe('invalid_argument');
    }
  });

  test('the deadline reaches the server, and ends the call here', async () => {
    const db = connect(httpTransport(served.url), { timeoutMs: 5_000 });
    await db.collections();
    expect(Number(served.timeouts[0])).toBeGreaterThan(4_000);
    const never: typeof fetch = (_input, init) =>
      new Promise((_resolve, reject) => {
        init?.signal?.addEventListener('abort', () => reject(init.signal?.reason));
      });
    const slow = connect(httpTransport('http://x', { fetch: never }), { timeoutMs: 20 });
    expect(await detailsOf(slow.collections())).toMatchObject({ code: 'deadline_exceeded' });
  });

  test('a write whose deadline passes carries its key', async () => {
    const db = connect(httpTransport(served.url));
    const docs = await db.collection(docsOf('late'));
    served.reference.failures.push(new ElanusError('deadline_exceeded', {}));
    const details = await detailsOf(docs.insert(tenRows(), { idempotencyKey: 'mine' }));
    expect(details).toMatchObject({ code: 'deadline_exceeded', idempotencyKey: 'mine' });
  });

  test('exhausted and unavailable are retried with the same key', async () => {
    const db = connect(httpTransport(served.url));
    const docs = await db.collection(docsOf('busy'));
    served.reference.failures.push(
      new ElanusError('exhausted', { what: 'log', retryAfterMs: 5 }),
      new ElanusError('unavailable', { what: 'shard' }),
    );
    // The first failure meets the door's openCollection, later ones whatever comes next.
    await docs.insert(tenRows());
    expect(await docs.count()).toBe(10);
    const writes = served.reference.calls.filter((call) => call.method === 'write');
    const keys = new Set(
      writes.map((call) => (call.request as { idempotencyKey: string }).idempotencyKey),
    );
    expect(keys.size).toBe(1);
  });

  test('no server: unavailable, with a hint', async () => {
    const db = connect(httpTransport('http://127.0.0.1:1'), { timeoutMs: 60 });
    const details = await detailsOf(db.collections());
    expect(details).toMatchObject({ code: 'unavailable', what: 'http://127.0.0.1:1' });
    expect(details['hint']).toContain('elanus serve');
  });

  test('a wrong token', async () => {
    const db = connect(httpTransport(served.url, { token: 'wrong' }));
    expect(await codeOf(db.collections())).toBe('unauthenticated');
  });

  test('what is no Elanus server', async () => {
    const html: typeof fetch = async () => new Response('<html>', { status: 200 });
    const db = connect(httpTransport('http://x', { fetch: html }), { timeoutMs: 50 });
    expect(await codeOf(db.collections())).toBe('unavailable');
  });
});
