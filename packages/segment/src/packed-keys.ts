import type { Keys } from '@elanus/core';

/**
 * Keys as a message carries them: numbers become the next of the bodies, strings are returned, for
 * the header.
 */
export function packKeys(keys: Keys, bodies: ArrayBufferView[]): readonly string[] | undefined {
  if (!(keys instanceof BigInt64Array)) return keys;
  bodies.push(keys);
  return undefined;
}

/** Joins what `packKeys` split. */
export function unpackKeys(
  text: readonly string[] | undefined,
  body: ArrayBufferView | undefined,
): Keys {
  return text ?? (body as BigInt64Array);
}

/** A key in its text form, as calls carry single keys. */
export function parseKey(
  text: string | undefined,
  kind: 'int64' | 'varchar',
): bigint | string | undefined {
  return text === undefined || kind === 'varchar' ? text : BigInt(text);
}
