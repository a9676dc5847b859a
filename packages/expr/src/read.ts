import type { CollectionSchema } from '@elanus/core';
import { checkFilter } from './check.ts';
import type { CheckedFilter } from './checked.ts';
import { parseFilter } from './parser.ts';

/** What `printFilter` wrote has been judged before, and may be longer than what people send. */
const CANONICAL = { textBytesMax: 64 * 1024 * 1024, nodesMax: 10_000_000 };

/**
 * Reads back what `printFilter` wrote: how roles receive filters. Takes everything `parseFilter`
 * takes, without parameters and with room for long lists.
 */
export function readFilter(text: string, schema: CollectionSchema): CheckedFilter {
  return checkFilter(parseFilter(text, {}, CANONICAL), schema);
}
