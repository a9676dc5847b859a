import type { CollectionSchema } from '@elanus/core';
import { checkFilter } from './check.ts';
import type { CheckedFilter } from './checked.ts';
import { parseFilter } from './parser.ts';

/** Text made by `printFilter` may hold long lists, beyond what people may send as text. */
const CANONICAL_BYTES_MAX = 64 * 1024 * 1024;

/**
 * Reads back what `printFilter` wrote: how roles receive filters. Takes everything `parseFilter`
 * takes, without parameters and with room for long lists.
 */
export function readFilter(text: string, schema: CollectionSchema): CheckedFilter {
  return checkFilter(parseFilter(text, {}, { textBytesMax: CANONICAL_BYTES_MAX }), schema);
}
