import type { Keys } from '@elanus/core';

/** Keys as a message carries them: numbers as a body, strings in the header. */
export interface PackedKeys {
  readonly text: readonly string[] | undefined;
  readonly bodies: readonly ArrayBufferView[];
}

/** Splits keys into header and bodies. */
export function packKeys(keys: Keys): PackedKeys {
  return keys instanceof BigInt64Array
    ? { text: undefined, bodies: [keys] }
    : { text: keys, bodies: [] };
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
