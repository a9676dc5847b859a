import { ElanusError } from '@elanus/core';

/** The newest timestamps a client has seen, by collection. */
export interface Session {
  /** What a session read of the collection has to see; undefined before anything was seen. */
  seen(collectionId: number): bigint | undefined;
  /** Notes a timestamp that a write or a read answered. */
  note(collectionId: number, timestamp: bigint): void;
  /** A token another client can start from. */
  token(): string;
}

/**
 * A session, empty or from a token. @throws invalid_argument for text that is no token.
 */
export function createSession(token?: string): Session {
  const seen = token === undefined ? new Map<number, bigint>() : readToken(token);
  return {
    seen: (collectionId) => seen.get(collectionId),
    note: (collectionId, timestamp) => {
      if (timestamp > (seen.get(collectionId) ?? 0n)) seen.set(collectionId, timestamp);
    },
    token: () => ['s1', ...[...seen].map(([id, ts]) => `${id}-${ts.toString(36)}`)].join('.'),
  };
}

function readToken(token: string): Map<number, bigint> {
  const [version, ...parts] = token.split('.');
  const seen = new Map<number, bigint>();
  for (const part of parts) {
    const match = /^(\d{1,15})-([0-9a-z]{1,13})$/.exec(part);
    if (match === null) throw unreadable();
    seen.set(Number(match[1]), base36(match[2] ?? ''));
  }
  if (version !== 's1') throw unreadable();
  return seen;
}

function base36(text: string): bigint {
  let value = 0n;
  for (const char of text) value = value * 36n + BigInt(Number.parseInt(char, 36));
  return value;
}

function unreadable(): Error {
  return new ElanusError('invalid_argument', {
    argument: 'session',
    hint: 'Pass what db.session returned.',
  });
}
