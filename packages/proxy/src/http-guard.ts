/**
 * What every HTTP request passes before anyone reads it: the token, the caller's origin, the size.
 * Refusals have the shape of tRPC's errors, so that clients rebuild them as they were thrown.
 */
import { createHash, timingSafeEqual } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { ElanusError, errorTable, toWireError } from '@elanus/core';

/** Whether a host to listen on can be reached from this machine only. */
export function isLoopback(host: string): boolean {
  const name = host.toLowerCase().replace(/^\[|\]$/g, '');
  if (name === 'localhost' || name === '::1') return true;
  return /^(::ffff:)?127(\.\d{1,3}){3}$/.test(name);
}

const digest = (text: string): Buffer => createHash('sha256').update(text).digest();

/**
 * Checks who asks. With a token: the bearer token, in constant time. Without one the server listens
 * on loopback only, and then the names of the address and the origin must be this machine's: a web
 * page whose name was pointed at 127.0.0.1 is not a local caller. `invited` says which other
 * origins may call all the same.
 *
 * @throws ElanusError unauthenticated
 */
export function gatekeeper(
  token: string | undefined,
  invited: (origin: string) => boolean,
): (req: IncomingMessage) => void {
  if (token === undefined) return (req) => refuseStrangers(req, invited);
  const expected = digest(token);
  return (req) => {
    const given = /^Bearer +(.+)$/i.exec(req.headers.authorization ?? '')?.[1] ?? '';
    if (timingSafeEqual(digest(given), expected)) return;
    const hint = given === '' ? 'Pass { token } when connecting.' : 'This token is not the one.';
    throw new ElanusError('unauthenticated', { hint });
  };
}

function refuseStrangers(req: IncomingMessage, invited: (origin: string) => boolean): void {
  const { host, origin } = req.headers;
  const known = origin === undefined || isLocalUrl(origin) || invited(origin);
  if (known && isLocalUrl(`http://${host ?? ''}`)) return;
  const hint = 'Without a token only callers on this machine are served, by a local address.';
  throw new ElanusError('unauthenticated', { hint });
}

function isLocalUrl(text: string): boolean {
  return URL.canParse(text) && isLoopback(new URL(text).hostname);
}

/** tRPC's numbers and names for the statuses that a door itself answers. */
const TRPC: Readonly<Record<number, readonly [number, string]>> = {
  400: [-32_600, 'BAD_REQUEST'],
  401: [-32_001, 'UNAUTHORIZED'],
  404: [-32_004, 'NOT_FOUND'],
  413: [-32_013, 'PAYLOAD_TOO_LARGE'],
  429: [-32_029, 'TOO_MANY_REQUESTS'],
  503: [-32_603, 'SERVICE_UNAVAILABLE'],
};

/** Ends a request with a failure of ours; `status` when it is not that of the error table. */
export function sendError(res: ServerResponse, error: ElanusError, status?: number): void {
  const httpStatus = status ?? errorTable[error.code].status;
  const [code, name] = TRPC[httpStatus] ?? [-32_603, 'INTERNAL_SERVER_ERROR'];
  const data = { code: name, httpStatus, elanus: toWireError(error) };
  sendJson(res, httpStatus, { error: { message: error.message, code, data } });
}

/** Ends a request with JSON. */
export function sendJson(res: ServerResponse, status: number, body: object): void {
  const text = JSON.stringify(body);
  const length = Buffer.byteLength(text);
  if (status === 401) res.setHeader('www-authenticate', 'Bearer');
  res.writeHead(status, { 'content-type': 'application/json', 'content-length': length });
  res.end(text);
}

/** Bounds on what bodies may hold. */
export interface BodyLimits {
  /** Of one request. */
  readonly requestBytesMax: number;
  /** Of all requests not yet answered. */
  readonly inFlightBytesMax: number;
}

const RETRY_AFTER_MS = 250;

/**
 * Counts the bytes of bodies. A request that says its length and is too long is refused before it
 * is read; one that does not say it is counted as it comes, and cut when it does not stop: tRPC
 * refuses it at the limit, and what still arrives is dropped up to as much again.
 */
export class BodyMeter {
  readonly #limits: BodyLimits;
  #inFlightBytes = 0;

  constructor(limits: BodyLimits) {
    this.#limits = limits;
  }

  /** Bytes announced or received by requests not yet answered. */
  get inFlightBytes(): number {
    return this.#inFlightBytes;
  }

  /** @throws ElanusError request_too_large, exhausted */
  admit(req: IncomingMessage, res: ServerResponse): void {
    const { requestBytesMax, inFlightBytesMax } = this.#limits;
    const announced = Number(req.headers['content-length'] ?? 0);
    if (announced > requestBytesMax) {
      throw new ElanusError('request_too_large', { bytes: announced, bytesMax: requestBytesMax });
    }
    if (this.#inFlightBytes + announced > inFlightBytesMax) {
      throw new ElanusError('exhausted', {
        what: 'bytes of requests in flight',
        retryAfterMs: RETRY_AFTER_MS,
      });
    }
    this.#charge(req, res, announced);
  }

  /** Takes part of the common budget until the request is answered or gone. */
  #charge(req: IncomingMessage, res: ServerResponse, announced: number): void {
    let held = announced;
    this.#inFlightBytes += held;
    if (req.headers['content-length'] === undefined) {
      req.on('data', (chunk: Buffer) => {
        held += chunk.length;
        this.#inFlightBytes += chunk.length;
      });
    }
    res.once('close', () => {
      this.#inFlightBytes -= held;
      held = 0;
    });
  }

  /** Hangs up on a caller that goes on sending far above the limit; refused callers included. */
  dropExcess(req: IncomingMessage): void {
    const most = this.#limits.requestBytesMax * 2;
    let received = 0;
    req.on('data', (chunk: Buffer) => {
      received += chunk.length;
      if (received > most) req.destroy();
    });
  }
}
