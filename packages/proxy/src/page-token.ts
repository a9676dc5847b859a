import { ElanusError } from '@elanus/core';

/** Where a scan stands: bound to its instant, its collection and its question. */
export interface PageToken {
  readonly at: bigint;
  /** Newest key already answered. */
  readonly after: string;
  /** Collection, filter and projection, as `questionOf` says. */
  readonly question: string;
}

/** A token as text that fits an URL. */
export function encodePageToken(token: PageToken): string {
  const json = JSON.stringify([1, token.at.toString(), token.after, token.question]);
  return Buffer.from(json).toString('base64url');
}

/** Reads a token back. @throws invalid_argument when it is not one, or of another question */
export function decodePageToken(text: string, question: string): PageToken {
  const refuse = (hint: string) => new ElanusError('invalid_argument', { argument: 'page', hint });
  let parts: unknown;
  try {
    parts = JSON.parse(Buffer.from(text, 'base64url').toString());
  } catch {
    throw refuse('Give `next` of the page before, unchanged.');
  }
  if (!Array.isArray(parts) || parts.length !== 4 || parts[0] !== 1) {
    throw refuse('Give `next` of the page before, unchanged.');
  }
  const [, at, after, asked] = parts as unknown[];
  if (typeof at !== 'string' || !/^\d{1,20}$/.test(at) || typeof after !== 'string') {
    throw refuse('Give `next` of the page before, unchanged.');
  }
  if (asked !== question) throw refuse('This page belongs to another filter or projection.');
  return { at: BigInt(at), after, question };
}
