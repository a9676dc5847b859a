import { defineCommand } from 'citty';
import type { Collection } from '@elanus/client';
import { databaseArgs, withCollection } from './database.ts';
import { jsonLine, withNumbers } from './json-value.ts';
import { readArgs, readOptions, wholeNumber } from './read-args.ts';
import { table } from './table.ts';
import { count, note, print } from './terminal.ts';

/** `elanus query`: rows by filter. */
export const query = defineCommand({
  meta: { name: 'query', description: 'Show rows by filter, in the order of keys' },
  args: {
    collection: { type: 'positional', description: 'Name or alias', required: true },
    limit: { type: 'string', description: 'Rows', default: '20' },
    offset: { type: 'string', description: 'Rows to leave out first' },
    count: { type: 'boolean', description: 'Show their number only' },
    ...readArgs,
    ...databaseArgs,
  },
  run: ({ args }) => {
    const options = {
      ...readOptions(args),
      limit: wholeNumber('limit', args.limit),
      offset: wholeNumber('offset', args.offset),
    } as Parameters<Collection['query']>[0];
    return withCollection(args, async (collection) => {
      if (args.count === true) {
        const total = await collection.count(readOptions({ filter: args.filter }));
        return print(args.json ? jsonLine({ count: total }) : count(total));
      }
      const found = (await collection.query(options)) as object[];
      const rows = withNumbers(found, collection.schema);
      if (args.json) for (const row of rows) print(jsonLine(row));
      else if (rows.length === 0) note('No rows.');
      else for (const line of table(rows)) print(line);
    });
  },
});
