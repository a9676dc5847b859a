/**
 * Which web pages may call: browsers ask before they send what a page of another origin wants, and
 * keep the answer from the page unless it names the page's origin (CORS). Off unless origins are
 * listed. It takes the place of no token: any program that is no browser can say any origin.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { ElanusError } from '@elanus/core';

/** What a page may send: our headers, and those of a stock tRPC client. */
const HEADERS = 'authorization, content-type, elanus-timeout-ms, trpc-accept, x-trpc-source';
/** Browsers ask again after two hours; none remembers for longer. */
const MAX_AGE_SECONDS = '7200';

/** Whether pages of an origin may call. */
export interface CorsPolicy {
  allows(origin: string | undefined): boolean;
  /** What answers have to name under `vary`: they depend on who asks. */
  readonly vary: readonly string[];
  /**
   * Names the caller's origin in the answer when it is allowed, refusals included, so that the page
   * can read them; ends the request when it was only the question before. True = ended.
   */
  answer(req: IncomingMessage, res: ServerResponse): boolean;
}

/**
 * The policy of a list of origins, as in `https://app.example`, or `*` for every one; an empty list
 * = no page of another origin, and no header.
 *
 * @throws ElanusError invalid_argument (no origin; `*` without a token: every page that its owner
 * visits could then read and write a local database)
 */
export function corsPolicy(origins: readonly string[], token: string | undefined): CorsPolicy {
  const every = origins.includes('*');
  for (const origin of origins) if (origin !== '*') checkOrigin(origin);
  if (every && token === undefined) {
    const hint = 'Every web page could call then: list origins, or set a token.';
    throw new ElanusError('invalid_argument', { argument: 'cors', got: '*', hint });
  }
  const listed = new Set(origins);
  const allows = (origin: string | undefined): boolean =>
    origin !== undefined && (every || listed.has(origin));
  const vary = listed.size === 0 || every ? [] : ['origin'];
  return {
    allows,
    vary,
    answer: (req, res) => {
      if (listed.size === 0) return false;
      const { origin } = req.headers;
      for (const header of vary) res.appendHeader('vary', header);
      if (origin === undefined || !allows(origin)) return false;
      res.setHeader('access-control-allow-origin', every ? '*' : origin);
      if (!isPreflight(req)) return false;
      answerPreflight(req, res);
      return true;
    },
  };
}

function isPreflight(req: IncomingMessage): boolean {
  return req.method === 'OPTIONS' && req.headers['access-control-request-method'] !== undefined;
}

function answerPreflight(req: IncomingMessage, res: ServerResponse): void {
  res.setHeader('access-control-allow-methods', 'GET, POST');
  res.setHeader('access-control-allow-headers', HEADERS);
  res.setHeader('access-control-max-age', MAX_AGE_SECONDS);
  // A page from the internet that calls a server in the visitor's own network.
  if (req.headers['access-control-request-private-network'] === 'true') {
    res.setHeader('access-control-allow-private-network', 'true');
  }
  res.writeHead(204).end();
}

function checkOrigin(text: string): void {
  if (URL.canParse(text) && new URL(text).origin === text && !text.includes('*')) return;
  const hint = 'An origin is scheme, host and port, without a path: https://app.example.';
  throw new ElanusError('invalid_argument', { argument: 'cors', got: text.slice(0, 200), hint });
}
