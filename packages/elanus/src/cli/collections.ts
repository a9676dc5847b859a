import { defineCommand } from 'citty';
import { databaseArgs, withDatabase } from './database.ts';
import { jsonLine } from './json-value.ts';
import { table } from './table.ts';
import { bytes, count, note, print } from './terminal.ts';

/** `elanus collections`: what the database holds. */
export const collections = defineCommand({
  meta: { name: 'collections', description: 'List collections' },
  args: databaseArgs,
  run: ({ args }) =>
    withDatabase(args, async (db) => {
      const infos = await db.collections();
      const details = await Promise.all(infos.map((info) => db.describe(info.schema.name)));
      const rows = details.map(({ schema, aliases, rowCount, segments, memoryBytes }) => ({
        name: schema.name,
        rows: rowCount,
        fields: schema.fields.length,
        shards: schema.shards,
        segments,
        memoryBytes,
        aliases,
      }));
      if (args.json) return print(jsonLine(rows));
      if (rows.length === 0) return note('No collections yet.');
      const shown = rows.map(({ memoryBytes, rows: all, aliases, ...rest }) => ({
        ...rest,
        rows: count(all),
        memory: bytes(memoryBytes),
        aliases: aliases.join(', '),
      }));
      for (const line of table(shown)) print(line);
    }),
});
