import { defineCommand } from 'citty';
import { databaseArgs, withCollection } from './database.ts';
import { jsonLine } from './json-value.ts';
import { bytes, count, note, print } from './terminal.ts';

/** `elanus compact`: merges segments and removes deleted rows now. */
export const compact = defineCommand({
  meta: { name: 'compact', description: 'Merge segments, remove deleted rows' },
  args: {
    collection: { type: 'positional', description: 'Name or alias', required: true },
    ...databaseArgs,
  },
  run: ({ args }) =>
    withCollection(args, async (collection) => {
      let told = 0;
      const done = await collection.compact({
        onProgress: ({ after, jobs }) => {
          if (jobs > told) note(`${jobs} done, ${count(after.segments)} segments now`);
          told = jobs;
        },
      });
      if (args.json) return print(jsonLine(done));
      const { before, after, freedBytes } = done;
      print(`segments: ${count(before.segments)} before, ${count(after.segments)} now`);
      print(`rows in them: ${count(before.rows)} before, ${count(after.rows)} now`);
      print(`given back: ${bytes(freedBytes)}`);
    }),
});
