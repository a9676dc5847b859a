/**
 * The database behind HTTP: tRPC at `/trpc`, and `/healthz`, `/readyz`, `/version`. Order of a
 * request: the token, its size, its route. Nothing is logged here, and no stack leaves.
 */
import { createServer } from 'node:http';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { ApiContext, Database } from '@elanus/api';
import { createRouter } from '@elanus/api/router';
import { ElanusError, LIMITS } from '@elanus/core';
import { TRPCError } from '@trpc/server';
import { nodeHTTPRequestHandler } from '@trpc/server/adapters/node-http';
import { Connections } from './http-connections.ts';
import { corsPolicy, type CorsPolicy } from './http-cors.ts';
import { BodyMeter, gatekeeper, isLoopback, sendError, sendJson } from './http-guard.ts';

/** How long callers may take; against those that open a connection and then dawdle. */
export interface HttpTimeouts {
  /** Until all headers are there. Default 10 s. */
  readonly headersMs: number;
  /** Until the whole request is there. Default 120 s. */
  readonly requestMs: number;
  /** An idle connection is kept. Default 65 s, above the 60 s of most balancers. */
  readonly keepAliveMs: number;
}

/** How to serve a database. */
export interface HttpServerOptions {
  readonly database: Database;
  /** A new idempotency key, for callers that give none. */
  readonly newKey: () => string;
  readonly version: string;
  /** Default 127.0.0.1. Any other than loopback needs a token. */
  readonly host?: string | undefined;
  /** Default 19530; 0 takes a free one. */
  readonly port?: number | undefined;
  /** Bearer token that every caller but `/healthz` and `/readyz` must show. */
  readonly token?: string | undefined;
  /** Origins of web pages that may call, `*` for every one (needs a token). Default none. */
  readonly cors?: readonly string[] | undefined;
  readonly limits?: Partial<HttpLimits> | undefined;
  readonly timeouts?: Partial<HttpTimeouts> | undefined;
}

/** What callers may send at most. */
export interface HttpLimits {
  /** Bytes of one request's body. */
  readonly requestBytesMax: number;
  /** Bytes of all bodies not yet answered; above it callers are told to wait. */
  readonly inFlightBytesMax: number;
  readonly connectionsMax: number;
}

/** A server that listens. */
export interface HttpServer {
  /** Where it is reached, with the port it got. */
  readonly url: string;
  readonly port: number;
  /** Bytes of bodies not yet answered. */
  readonly inFlightBytes: number;
  /**
   * Takes no new connections, lets calls under way finish for `graceMs` (default 10 s), then cuts
   * them. The database stays open. Idempotent.
   */
  stop(graceMs?: number): Promise<void>;
}

const HOST = '127.0.0.1';
const PORT = 19_530;
const GRACE_MS = 10_000;
/** While stopping: how soon a connection goes whose last call has been answered. */
const IDLE_CHECK_MS = 20;
/** While stopping: checks that a caller has who was answered and still sends. */
const LINGER_CHECKS = 10;
/** Deadline of a call whose caller named none. */
const TIMEOUT_MS = 30_000;
const TIMEOUT_MS_MAX = 3_600_000;

const LIMITS_DEFAULT: HttpLimits = {
  requestBytesMax: LIMITS.requestBytesMax,
  inFlightBytesMax: LIMITS.requestBytesMax * 4,
  connectionsMax: 4_096,
};

const TIMEOUTS_DEFAULT: HttpTimeouts = {
  headersMs: 10_000,
  requestMs: 120_000,
  keepAliveMs: 65_000,
};

/** What decides who may call. */
export type HttpDoorOptions = Pick<HttpServerOptions, 'host' | 'token' | 'cors'>;

/**
 * Refuses settings that no server may run with, before anything is opened or made.
 *
 * @throws ElanusError insecure_bind (not loopback, no token), invalid_argument (`cors`)
 */
export function checkHttpOptions(options: HttpDoorOptions): void {
  guardOf(options);
}

function guardOf({ host = HOST, token: given, cors = [] }: HttpDoorOptions): Omit<Guard, 'limits'> {
  const token = given === '' ? undefined : given;
  if (token === undefined && !isLoopback(host)) throw new ElanusError('insecure_bind', { host });
  return { token, cors: corsPolicy(cors, token) };
}

/**
 * Serves a database until it is stopped.
 *
 * @throws ElanusError insecure_bind (not loopback, no token), invalid_argument (host or port that
 * cannot be listened on, `cors` that is no origin)
 */
export async function startHttpServer(options: HttpServerOptions): Promise<HttpServer> {
  const { host = HOST, port = PORT } = options;
  const limits = { ...LIMITS_DEFAULT, ...options.limits };
  const door = createDoor(options, { ...guardOf(options), limits });
  const server = createServer({ connectionsCheckingInterval: 1_000, noDelay: true }, door.handle);
  const timeouts = { ...TIMEOUTS_DEFAULT, ...options.timeouts };
  server.headersTimeout = timeouts.headersMs;
  server.requestTimeout = timeouts.requestMs;
  server.keepAliveTimeout = timeouts.keepAliveMs;
  server.maxConnections = limits.connectionsMax;
  door.connections.watch(server);
  await listen(server, { host, port });
  const address = server.address() as AddressInfo;
  const name = address.family === 'IPv6' ? `[${address.address}]` : address.address;
  let stopping: Promise<void> | undefined;
  return {
    url: `http://${name}:${address.port}`,
    port: address.port,
    get inFlightBytes() {
      return door.meter.inFlightBytes;
    },
    stop: (graceMs = GRACE_MS) => {
      stopping ??= stop(server, door, graceMs);
      return stopping;
    },
  };
}

interface Door {
  readonly handle: (req: IncomingMessage, res: ServerResponse) => void;
  readonly meter: BodyMeter;
  readonly connections: Connections;
  draining: boolean;
}

interface Guard {
  readonly token: string | undefined;
  readonly limits: HttpLimits;
  readonly cors: CorsPolicy;
}

/** The doors of one server: who may come in, and where each path leads. */
function createDoor(options: HttpServerOptions, { token, limits, cors }: Guard): Door {
  const { database, version } = options;
  const router = createRouter({ database, newKey: options.newKey });
  const checkCaller = gatekeeper(token, cors.allows);
  const trpc = (req: IncomingMessage, res: ServerResponse, path: string): Promise<void> =>
    nodeHTTPRequestHandler({
      router,
      req,
      res,
      path,
      maxBodySize: limits.requestBytesMax,
      allowMethodOverride: true,
      createContext: () => contextOf(req),
      // It writes `vary` anew, so what is set on the answer already would be lost.
      responseMeta: () => ({ headers: new Headers(cors.vary.map((name) => ['vary', name])) }),
    });
  const route = (req: IncomingMessage, res: ServerResponse): void => {
    const path = pathOf(req);
    if (path === '/healthz') return sendJson(res, 200, { status: 'ok' });
    if (path === '/readyz') {
      const status = door.draining ? 'stopping' : 'ok';
      return sendJson(res, door.draining ? 503 : 200, { status });
    }
    checkCaller(req);
    if (path === '/version') return sendJson(res, 200, { version });
    if (!path.startsWith('/trpc/')) throw noSuchPath();
    door.meter.admit(req, res);
    void trpc(req, res, path.slice('/trpc/'.length));
  };
  const door: Door = {
    meter: new BodyMeter(limits),
    connections: new Connections(),
    draining: false,
    handle: (req, res) => {
      if (door.draining) res.setHeader('connection', 'close');
      req.on('error', () => undefined);
      door.connections.begin(req, res);
      door.meter.dropExcess(req);
      if (cors.answer(req, res)) return;
      try {
        route(req, res);
      } catch (error) {
        refuse(res, error);
      }
    },
  };
  return door;
}

function refuse(res: ServerResponse, error: unknown): void {
  if (!(error instanceof ElanusError)) throw error;
  const unknownPath = error.code === 'invalid_argument';
  sendError(res, error, unknownPath ? 404 : undefined);
}

function noSuchPath(): ElanusError {
  const hint = 'The API is at /trpc; there are /healthz, /readyz and /version.';
  return new ElanusError('invalid_argument', { argument: 'path', hint });
}

function pathOf(req: IncomingMessage): string {
  const url = req.url ?? '/';
  const end = url.indexOf('?');
  return end < 0 ? url : url.slice(0, end);
}

/** The deadline that came with a request. @throws TRPCError BAD_REQUEST when it is no duration */
function contextOf(req: IncomingMessage): Promise<ApiContext> {
  const header = req.headers['elanus-timeout-ms'];
  if (header === undefined) return Promise.resolve({ timeoutMs: TIMEOUT_MS });
  const timeoutMs = Number(header);
  if (Number.isInteger(timeoutMs) && timeoutMs >= 1 && timeoutMs <= TIMEOUT_MS_MAX) {
    return Promise.resolve({ timeoutMs });
  }
  const cause = new ElanusError('invalid_argument', {
    argument: 'elanus-timeout-ms',
    expected: `1 to ${TIMEOUT_MS_MAX}`,
    got: String(header).slice(0, 32),
  });
  return Promise.reject(new TRPCError({ code: 'BAD_REQUEST', message: cause.message, cause }));
}

function listen(
  server: Server,
  at: { readonly host: string; readonly port: number },
): Promise<void> {
  return new Promise((resolve, reject) => {
    const failed = (error: NodeJS.ErrnoException): void => {
      reject(bindFailure(error, at));
    };
    server.once('error', failed);
    try {
      server.listen(at, () => {
        server.off('error', failed);
        resolve();
      });
    } catch (error) {
      failed(error as NodeJS.ErrnoException);
    }
  });
}

const BIND_HINTS: Readonly<Record<string, string>> = {
  EADDRINUSE: 'Something listens there already; choose another --port, or 0 for a free one.',
  EACCES: 'Listening there is not permitted; choose a port above 1023.',
  EADDRNOTAVAIL: 'This machine has no such address.',
  ENOTFOUND: 'This name has no address.',
  ERR_SOCKET_BAD_PORT: 'A port is 0 to 65535.',
};

function bindFailure(
  error: NodeJS.ErrnoException,
  at: { readonly host: string; readonly port: number },
): ElanusError {
  const hint = BIND_HINTS[error.code ?? ''] ?? error.message;
  const details = { argument: 'host and port', got: `${at.host}:${at.port}`, hint };
  return new ElanusError('invalid_argument', details, { cause: error });
}

async function stop(server: Server, door: Door, graceMs: number): Promise<void> {
  door.draining = true;
  const closed = new Promise<void>((resolve) => {
    server.close(() => resolve());
  });
  const idle = setInterval(() => {
    server.closeIdleConnections();
    door.connections.sweep(LINGER_CHECKS);
  }, IDLE_CHECK_MS);
  const cut = setTimeout(() => server.closeAllConnections(), graceMs);
  server.closeIdleConnections();
  await closed;
  clearInterval(idle);
  clearTimeout(cut);
}
