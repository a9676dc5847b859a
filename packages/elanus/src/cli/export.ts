import { once } from 'node:events';
import { defineCommand } from 'citty';
import type { Collection } from '@elanus/client';
import { databaseArgs, withCollection } from './database.ts';
import { jsonLine, withNumbers } from './json-value.ts';
import { readArgs, readOptions } from './read-args.ts';
import { count, note, progress } from './terminal.ts';

/** `elanus export`: all rows as JSON lines, vectors included, of one instant. */
export const exportRows = defineCommand({
  meta: { name: 'export', description: 'Write all rows as JSON lines to stdout, vectors included' },
  args: {
    collection: { type: 'positional', description: 'Name or alias', required: true },
    ...readArgs,
    ...databaseArgs,
  },
  run: ({ args }) =>
    withCollection(args, async (collection) => {
      const { schema } = collection;
      const names = schema.fields.map((field) => field.name);
      const every = schema.dynamic ? [...names, '$meta'] : names;
      const options = { select: every, ...readOptions(args) } as Parameters<Collection['scan']>[0];
      const piped = process.stdout.isTTY !== true;
      const shown = progress(`exporting ${collection.name}`, undefined);
      let rows = 0;
      for await (const batch of collection.scan(options)) {
        const text = withNumbers(batch, schema)
          .map((row) => `${jsonLine(row)}\n`)
          .join('');
        if (!process.stdout.write(text)) await once(process.stdout, 'drain');
        rows += batch.length;
        if (piped) shown.update(rows);
      }
      shown.clear();
      note(`${count(rows)} rows`);
    }),
});
