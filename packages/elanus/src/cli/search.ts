import { readFileSync } from 'node:fs';
import { defineCommand } from 'citty';
import type { Collection } from '@elanus/client';
import { databaseArgs, withCollection } from './database.ts';
import { usageError } from './failure.ts';
import { jsonLine, withNumbers } from './json-value.ts';
import { anyNumber, listOf, readArgs, readOptions, wholeNumber } from './read-args.ts';
import { table } from './table.ts';
import { note, print } from './terminal.ts';

/** `elanus search`: rows nearest to a vector, or to a stored row. */
export const search = defineCommand({
  meta: { name: 'search', description: 'Find the rows nearest to a vector or to a stored row' },
  args: {
    collection: { type: 'positional', description: 'Name or alias', required: true },
    vector: {
      type: 'string',
      description: 'JSON array of numbers (bits: bytes), or sparse { "7": 0.5 }; -: from stdin',
      valueHint: '[0.1,…]',
    },
    id: { type: 'string', description: 'Search by stored rows: their keys', valueHint: 'a,b' },
    field: { type: 'string', description: 'Vector field, when there are several' },
    limit: { type: 'string', description: 'Hits', default: '10' },
    offset: { type: 'string', description: 'Hits to leave out first' },
    recall: { type: 'string', description: 'Target in (0, 1]; 1 is exact' },
    explain: { type: 'boolean', description: 'Show how it is answered instead' },
    ...readArgs,
    ...databaseArgs,
  },
  run: ({ args }) => {
    if ((args.vector === undefined) === (args.id === undefined)) {
      throw usageError('Give one of --vector and --id.');
    }
    const options = {
      ...readOptions(args),
      ...(args.field === undefined ? {} : { field: args.field }),
      ...(args.vector === undefined ? {} : { vector: vectorOf(args.vector) }),
      ...(args.id === undefined ? {} : { ids: listOf(args.id) }),
      limit: wholeNumber('limit', args.limit),
      offset: wholeNumber('offset', args.offset),
      recall: anyNumber('recall', args.recall),
    };
    const explained = args.explain === true;
    if (explained && args.vector === undefined) throw usageError('--explain goes with --vector.');
    return withCollection(args, async (collection) => {
      if (explained) return show(await explain(collection, options), true);
      const hits = await searchAll(collection, options);
      for (const list of hits) show(withNumbers(list, collection.schema), args.json);
    });
  },
});

type Options = Parameters<Collection['explain']>[0];

function explain(collection: Collection, options: object): Promise<object> {
  return collection.explain(options as Options);
}

async function searchAll(collection: Collection, options: object): Promise<object[][]> {
  const found = (await collection.search(options as Options)) as object[] | object[][];
  return Array.isArray(found[0]) ? (found as object[][]) : [found as object[]];
}

function show(value: object | object[], json: boolean): void {
  if (json || !Array.isArray(value)) return print(jsonLine(value));
  if (value.length === 0) return note('No hits.');
  for (const line of table(value)) print(line);
}

function vectorOf(text: string): object {
  const source = text === '-' ? readFileSync(0, 'utf8') : text;
  try {
    const value: unknown = JSON.parse(source);
    if (typeof value === 'object' && value !== null) return value;
  } catch {
    // Said below: one text for every way of being no vector.
  }
  throw usageError('--vector takes a JSON array of numbers, or an object for a sparse vector.');
}
