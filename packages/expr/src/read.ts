import type { CollectionSchema } from '@elanus/core';
import { checkFilter } from './check.ts';
import type { CheckedFilter } from './checked.ts';
import { parseFilter } from './parser.ts';

/** What `printFilter` wrote has been judged before, and may be longer than what people send. */
const CANONICAL = { textBytesMax: 64 * 1024 * 1024, nodesMax: 10_000_000 };

/** Texts that are kept for a schema, and how long they may be. */
const KNOWN_MAX = 64;
const KNOWN_CHARACTERS_MAX = 2_048;

/** One filter comes to a role many times, from many searches: what was read is kept. */
const known = new WeakMap<CollectionSchema, Map<string, CheckedFilter>>();

/**
 * Reads back what `printFilter` wrote: how roles receive filters. Takes everything `parseFilter`
 * takes, without parameters and with room for long lists. The same text for the same schema gives
 * the same object for a while: treat it as immutable.
 */
export function readFilter(text: string, schema: CollectionSchema): CheckedFilter {
  const before = known.get(schema);
  const found = before?.get(text);
  if (found !== undefined) return found;
  const filter = checkFilter(parseFilter(text, {}, CANONICAL), schema);
  if (text.length > KNOWN_CHARACTERS_MAX) return filter;
  const kept = before ?? new Map<string, CheckedFilter>();
  if (before === undefined) known.set(schema, kept);
  if (kept.size >= KNOWN_MAX) kept.clear();
  kept.set(text, filter);
  return filter;
}
