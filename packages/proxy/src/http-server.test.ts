import { request } from 'node:http';
import { connect } from 'node:net';
import type { Call, Database, Health } from '@elanus/api';
import { ElanusError, fromWireError, isElanusError, type WireError } from '@elanus/core';
import { afterEach, describe, expect, it } from 'vitest';
import { isLoopback } from './http-guard.ts';
import { startHttpServer, type HttpServer, type HttpServerOptions } from './http-server.ts';

const HEALTH: Health = { status: 'ok', version: '1.2.3', durability: 'power' };
const servers: HttpServer[] = [];

afterEach(async () => {
  for (const server of servers.splice(0)) await server.stop(0);
});

/** A database that answers what the test says, and fails elsewhere. */
function databaseOf(methods: Partial<Database>): Database {
  const missing = () => Promise.reject(new Error('a secret of the inside'));
  return new Proxy(methods, { get: (own, name) => Reflect.get(own, name) ?? missing }) as Database;
}

async function start(
  options: Partial<HttpServerOptions> & { readonly methods?: Partial<Database> } = {},
): Promise<HttpServer> {
  const { methods = { health: () => Promise.resolve(HEALTH) }, ...rest } = options;
  const server = await startHttpServer({
    database: databaseOf(methods),
    newKey: () => 'key',
    version: '1.2.3',
    port: 0,
    ...rest,
  });
  servers.push(server);
  return server;
}

interface Answer {
  readonly status: number;
  readonly text: string;
  readonly error?: ElanusError | undefined;
  readonly data?: unknown;
}

async function ask(url: string, init: RequestInit = {}): Promise<Answer> {
  const json = { 'content-type': 'application/json' };
  const response = await fetch(url, {
    method: 'POST',
    ...init,
    headers: { ...json, ...(init.headers as Record<string, string> | undefined) },
  });
  const text = await response.text();
  const body = JSON.parse(text) as {
    error?: { data: { elanus: WireError } };
    result?: { data: unknown };
  };
  const wire = body.error?.data.elanus;
  return {
    status: response.status,
    text,
    error: wire && fromWireError(wire),
    data: body.result?.data,
  };
}

describe('routes', () => {
  it('answers health, readiness, version and the API', async () => {
    const { url, port } = await start();
    expect(url).toBe(`http://127.0.0.1:${port}`);
    expect(await (await fetch(`${url}/healthz`)).json()).toEqual({ status: 'ok' });
    expect(await (await fetch(`${url}/readyz`)).json()).toEqual({ status: 'ok' });
    expect(await (await fetch(`${url}/version`)).json()).toEqual({ version: '1.2.3' });
    expect((await ask(`${url}/trpc/health`)).data).toEqual(HEALTH);
    expect((await ask(`${url}/trpc/health`, { method: 'GET' })).data).toEqual(HEALTH);
  });

  it('refuses other paths and broken bodies in the shape of the API', async () => {
    const { url } = await start();
    const other = await ask(`${url}/nothing`);
    expect([other.status, other.error?.code]).toEqual([404, 'invalid_argument']);
    const procedure = await ask(`${url}/trpc/nothing`);
    expect([procedure.status, procedure.error?.code]).toEqual([404, 'invalid_argument']);
    const broken = await ask(`${url}/trpc/collections.create`, { body: '{"name":' });
    expect([broken.status, broken.error?.code]).toEqual([400, 'invalid_argument']);
  });

  it('says nothing about the inside: no stack, no path of a file', async () => {
    const { url } = await start({ methods: {} });
    const answer = await ask(`${url}/trpc/health`);
    expect([answer.status, answer.error?.code]).toEqual([500, 'internal']);
    expect(answer.text).not.toMatch(/stack|\.ts|node_modules|file:/);
  });

  it('keeps code, kind and details of failures', async () => {
    const listCollections = () =>
      Promise.reject(new ElanusError('collection_not_found', { name: 'x' }));
    const { url } = await start({ methods: { listCollections } });
    const answer = await ask(`${url}/trpc/collections.list`);
    expect(answer.status).toBe(404);
    expect(answer.error).toMatchObject({ code: 'collection_not_found', details: { name: 'x' } });
  });
});

describe('token', () => {
  it('is demanded from every caller, before the request is looked at', async () => {
    const { url } = await start({ token: 'kite' });
    const bearer = (token: string) => ({ headers: { authorization: token } });
    for (const init of [{}, bearer('Bearer hawk'), bearer('Basic kite'), bearer('Bearer kite2')]) {
      for (const path of ['/trpc/health', '/version', '/nothing']) {
        const answer = await ask(url + path, init);
        expect([answer.status, answer.error?.code]).toEqual([401, 'unauthenticated']);
        expect(answer.text).not.toContain('kite');
      }
    }
    expect((await ask(`${url}/trpc/health`, bearer('Bearer kite'))).data).toEqual(HEALTH);
    expect((await fetch(`${url}/healthz`)).status).toBe(200);
  });

  it('is demanded of the server itself beyond loopback', async () => {
    for (const host of ['0.0.0.0', '::', '10.0.0.1', 'example.org', '']) {
      const failure = await start({ host }).catch((error: unknown) => error);
      expect(isElanusError(failure, 'insecure_bind')).toBe(true);
      const empty = await start({ host, token: '' }).catch((error: unknown) => error);
      expect(isElanusError(empty, 'insecure_bind')).toBe(true);
    }
    const open = await start({ host: '0.0.0.0', token: 'kite' });
    expect((await fetch(`http://127.0.0.1:${open.port}/healthz`)).status).toBe(200);
    expect(['localhost', '127.0.0.1', '127.9.9.9', '::1', '[::1]'].every(isLoopback)).toBe(true);
    expect(['127.0.0.1.example.org', '128.0.0.1', 'localhost.x'].some(isLoopback)).toBe(false);
  });

  it('without one, strangers in the browser are not local callers', async () => {
    const { url, port } = await start();
    const origin = await ask(`${url}/trpc/health`, { headers: { origin: 'https://evil.example' } });
    expect(origin.error?.code).toBe('unauthenticated');
    const local = await ask(`${url}/trpc/health`, { headers: { origin: 'http://localhost:3000' } });
    expect(local.data).toEqual(HEALTH);
    const rebound = await new Promise<number | undefined>((resolve) => {
      const headers = { host: 'evil.example' };
      request({ port, path: '/trpc/health', headers }, (res) => resolve(res.statusCode)).end();
    });
    expect(rebound).toBe(401);
  });
});

describe('web pages', () => {
  const app = 'https://app.example';
  const ask1 = (url: string, method: string, headers: Record<string, string>): Promise<Response> =>
    fetch(`${url}/trpc/health`, { method, headers });
  const preflight = (url: string, origin: string): Promise<Response> =>
    ask1(url, 'OPTIONS', {
      origin,
      'access-control-request-method': 'POST',
      'access-control-request-headers': 'authorization,content-type,elanus-timeout-ms',
    });
  const allowed = (res: Response): string | null => res.headers.get('access-control-allow-origin');
  const call = (url: string, origin: string, token = 'kite'): Promise<Response> =>
    ask1(url, 'POST', {
      origin,
      authorization: `Bearer ${token}`,
      'content-type': 'application/json',
    });

  it('of other origins get no answer they may read, unless they are listed', async () => {
    const { url } = await start({ token: 'kite' });
    expect([(await preflight(url, app)).status, allowed(await preflight(url, app))]).toEqual([
      401,
      null,
    ]);
    const answer = await call(url, app);
    expect([answer.status, allowed(answer)]).toEqual([200, null]);
    expect(answer.headers.get('vary')).not.toContain('origin');
  });

  it('of listed origins ask first, without a token, and read what comes', async () => {
    const { url } = await start({ token: 'kite', cors: ['https://b.example:8443', app] });
    const asked = await preflight(url, app);
    expect([asked.status, allowed(asked), await asked.text()]).toEqual([204, app, '']);
    const may = asked.headers.get('access-control-allow-headers')?.split(', ');
    expect(may).toEqual(
      expect.arrayContaining(['authorization', 'content-type', 'elanus-timeout-ms']),
    );
    expect(asked.headers.get('access-control-allow-methods')).toContain('POST');
    for (const [token, status] of [
      ['kite', 200],
      ['hawk', 401],
    ] as const) {
      const answer = await call(url, app, token);
      expect([answer.status, allowed(answer)]).toEqual([status, app]);
      expect(answer.headers.get('vary')).toContain('origin');
    }
    const question = await ask1(url, 'OPTIONS', { origin: app });
    expect(question.status).toBe(401);
  });

  it('of origins that are not listed stay outside', async () => {
    const { url } = await start({ token: 'kite', cors: [app] });
    for (const origin of [
      'https://evil.example',
      'null',
      `${app}.evil.example`,
      'http://app.example',
    ]) {
      const asked = await preflight(url, origin);
      expect([asked.status, allowed(asked)]).toEqual([401, null]);
      const answer = await call(url, origin);
      expect(allowed(answer)).toBe(null);
      expect(answer.headers.get('vary')).toContain('origin');
    }
  });

  it('of listed origins reach a local server without a token, by its own name', async () => {
    const { url, port } = await start({ cors: [app] });
    expect((await preflight(url, app)).status).toBe(204);
    expect((await call(url, app)).status).toBe(200);
    expect((await call(url, 'https://evil.example')).status).toBe(401);
    const rebound = await new Promise<number | undefined>((resolve) => {
      const headers = { host: 'evil.example', origin: app };
      request({ port, path: '/trpc/health', headers }, (res) => resolve(res.statusCode)).end();
    });
    expect(rebound).toBe(401);
  });

  it('of every origin, with a token only', async () => {
    const { url } = await start({ token: 'kite', cors: ['*'] });
    expect(allowed(await preflight(url, 'https://any.example'))).toBe('*');
    const answer = await call(url, 'https://any.example');
    expect([answer.status, allowed(answer)]).toEqual([200, '*']);
    const open = await start({ cors: ['*'] }).catch((error: unknown) => error);
    expect(isElanusError(open, 'invalid_argument')).toBe(true);
    for (const bad of ['app.example', `${app}/`, `${app}/path`, 'null', '', 'https://*.example']) {
      const failure = await start({ token: 'kite', cors: [bad] }).catch((error: unknown) => error);
      expect([bad, isElanusError(failure, 'invalid_argument')]).toEqual([bad, true]);
    }
  });
});

describe('size', () => {
  const limits = { requestBytesMax: 1_000, inFlightBytesMax: 1_500 };
  const body = JSON.stringify({ collection: 'x'.repeat(1_000) });

  it('refuses a body that is too long, announced or not', async () => {
    const { url } = await start({ limits });
    const announced = await ask(`${url}/trpc/collections.open`, { body });
    expect([announced.status, announced.error?.code]).toEqual([413, 'request_too_large']);
    expect(announced.error?.details).toEqual({ bytes: body.length, bytesMax: 1_000 });
    const chunks = new Blob([body]).stream();
    const init = { body: chunks, duplex: 'half' } as RequestInit;
    const streamed = await ask(`${url}/trpc/collections.open`, init);
    expect([streamed.status, streamed.error?.code]).toEqual([413, 'request_too_large']);
    const octets = new Blob([body]).stream();
    const write = await ask(`${url}/trpc/entities.write`, {
      body: octets,
      duplex: 'half',
      headers: { 'content-type': 'application/octet-stream' },
    } as RequestInit);
    expect([write.status, write.error?.code]).toEqual([413, 'request_too_large']);
  });

  it('hangs up on a body without end', async () => {
    const { port } = await start({ limits });
    const socket = connect(port, '127.0.0.1');
    socket.on('error', () => undefined);
    const head =
      'POST /trpc/health HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n';
    socket.write(`${head}transfer-encoding: chunked\r\n\r\n`);
    const feeding = setInterval(() => socket.write(`1f4\r\n${'x'.repeat(500)}\r\n`), 2);
    await new Promise((resolve) => socket.once('close', resolve));
    clearInterval(feeding);
    expect(socket.bytesWritten).toBeLessThan(20_000);
  });

  it('bounds what all requests hold together, and forgets those that are gone', async () => {
    const server = await start({ limits: { requestBytesMax: 1_000, inFlightBytesMax: 1_500 } });
    const open = (): ReturnType<typeof connect> => {
      const socket = connect(server.port, '127.0.0.1');
      socket.on('error', () => undefined);
      const head = 'POST /trpc/collections.open HTTP/1.1\r\nhost: localhost\r\n';
      socket.write(`${head}content-type: application/json\r\ncontent-length: 900\r\n\r\n`);
      return socket;
    };
    const first = open();
    await expect.poll(() => server.inFlightBytes).toBe(900);
    const second = await ask(`${server.url}/trpc/collections.open`, { body: 'x'.repeat(900) });
    expect([second.status, second.error?.code]).toEqual([429, 'exhausted']);
    first.destroy();
    await expect.poll(() => server.inFlightBytes).toBe(0);
    expect((await ask(`${server.url}/trpc/health`)).data).toEqual(HEALTH);
    expect(server.inFlightBytes).toBe(0);
  });
});

describe('time', () => {
  it('hands the deadline on, and refuses one that is none', async () => {
    const seen: (number | undefined)[] = [];
    const health = (call?: Call): Promise<Health> => {
      seen.push(call?.timeoutMs);
      return Promise.resolve(HEALTH);
    };
    const { url } = await start({ methods: { health } });
    await ask(`${url}/trpc/health`, { headers: { 'elanus-timeout-ms': '1234' } });
    await ask(`${url}/trpc/health`);
    expect(seen).toEqual([1_234, 30_000]);
    for (const bad of ['0', '-1', 'soon', '1e99', '1.5']) {
      const answer = await ask(`${url}/trpc/health`, { headers: { 'elanus-timeout-ms': bad } });
      expect([answer.status, answer.error?.code]).toEqual([400, 'invalid_argument']);
    }
    expect(seen).toHaveLength(2);
  });

  it('aborts a call whose caller is gone', async () => {
    const aborted = Promise.withResolvers<string>();
    const started = Promise.withResolvers<void>();
    const health = (call?: Call): Promise<Health> =>
      new Promise((_, reject) => {
        started.resolve();
        call?.signal?.addEventListener('abort', () => {
          aborted.resolve('aborted');
          reject(new ElanusError('cancelled', {}));
        });
      });
    const { url } = await start({ methods: { health } });
    const caller = new AbortController();
    const gone = ask(`${url}/trpc/health`, { signal: caller.signal }).catch(() => 'gone');
    await started.promise;
    caller.abort();
    expect(await gone).toBe('gone');
    expect(await aborted.promise).toBe('aborted');
  });

  it('hangs up on callers that dawdle over headers or body', async () => {
    const { port } = await start({ timeouts: { headersMs: 100, requestMs: 300 } });
    for (const sent of [
      'GET /healthz HTTP/1.1\r\nhost: loc',
      'POST /trpc/health HTTP/1.1\r\nhost: localhost\r\ncontent-length: 9\r\n' +
        'content-type: application/json\r\n\r\n{',
    ]) {
      const socket = connect(port, '127.0.0.1');
      socket.on('error', () => undefined).resume();
      socket.write(sent);
      const closed = await new Promise((resolve) => socket.once('close', () => resolve('closed')));
      expect(closed).toBe('closed');
    }
  });
});

describe('stop', () => {
  it('lets calls under way finish, and takes no new ones', async () => {
    const reply = Promise.withResolvers<Health>();
    const started = Promise.withResolvers<void>();
    const health = (): Promise<Health> => {
      started.resolve();
      return reply.promise;
    };
    const server = await start({ methods: { health } });
    const call = ask(`${server.url}/trpc/health`);
    await started.promise;
    const stopped = server.stop();
    await expect(fetch(`${server.url}/healthz`)).rejects.toThrow('fetch failed');
    reply.resolve(HEALTH);
    expect((await call).data).toEqual(HEALTH);
    await stopped;
  });

  it('cuts what does not finish in time', async () => {
    const started = Promise.withResolvers<void>();
    const health = (call?: Call): Promise<Health> =>
      new Promise((_, reject) => {
        started.resolve();
        call?.signal?.addEventListener('abort', () => reject(new ElanusError('cancelled', {})));
      });
    const server = await start({ methods: { health } });
    const call = ask(`${server.url}/trpc/health`).catch(() => 'cut');
    await started.promise;
    await server.stop(50);
    expect(await call).toBe('cut');
  });

  it('does not wait for callers who were answered, or who only dialled', async () => {
    const server = await start({ token: 'kite', limits: { requestBytesMax: 1_000 } });
    const dial = async (head: string): Promise<string> => {
      const socket = connect(server.port, '127.0.0.1');
      socket.on('error', () => undefined);
      await new Promise((resolve) => socket.once('connect', resolve));
      if (head === '') return '';
      socket.write(`POST /trpc/health HTTP/1.1\r\nhost: localhost\r\n${head}`);
      const answer = await new Promise<Buffer>((resolve) => socket.once('data', resolve));
      return answer.toString('latin1').slice(9, 12);
    };
    const json = 'content-type: application/json\r\n';
    const body = `content-length: 5000\r\n\r\n${'x'.repeat(200)}`;
    // Each goes on to send, or might: none has sent the whole of its request.
    expect(await dial(`${json}authorization: Bearer kite\r\n${body}`)).toBe('413');
    expect(await dial(`${json}${body}`)).toBe('401');
    await dial('');
    const startedMs = performance.now();
    await server.stop();
    expect(performance.now() - startedMs).toBeLessThan(1_000);
  });

  it('lets a body that is on its way arrive', async () => {
    const openCollection = (name: string) =>
      Promise.reject(new ElanusError('collection_not_found', { name }));
    const server = await start({ methods: { openCollection } });
    const socket = connect(server.port, '127.0.0.1');
    const body = '{"collection":"x"}';
    const head = 'POST /trpc/collections.open HTTP/1.1\r\nhost: localhost\r\n';
    socket.write(`${head}content-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n`);
    await expect.poll(() => server.inFlightBytes).toBe(body.length);
    const stopped = server.stop();
    await new Promise((resolve) => setTimeout(resolve, 500));
    socket.write(body);
    const answer = await new Promise<Buffer>((resolve) => socket.once('data', resolve));
    expect(answer.toString('latin1')).toContain('404 Not Found');
    await stopped;
  });

  it('names a port that is taken', async () => {
    const { port } = await start();
    const failure = await start({ port }).catch((error: unknown) => error);
    expect(isElanusError(failure, 'invalid_argument')).toBe(true);
    expect(String(failure)).toContain('listens there already');
    const bad = await start({ port: 70_000 }).catch((error: unknown) => error);
    expect(String(bad)).toContain('0 to 65535');
  });
});
