import { defineCommand } from 'citty';
import type { CollectionDetails } from '@elanus/api';
import { ttlOf } from '@elanus/core';
import { databaseArgs, withDatabase } from './database.ts';
import { jsonLine } from './json-value.ts';
import { table } from './table.ts';
import { bytes, count, print } from './terminal.ts';

/** `elanus describe`: one collection's fields and sizes. */
export const describe = defineCommand({
  meta: { name: 'describe', description: 'Show a collection: fields, rows, index' },
  args: {
    collection: { type: 'positional', description: 'Name or alias', required: true },
    ...databaseArgs,
  },
  run: ({ args }) =>
    withDatabase(args, async (db) => {
      const details = await db.describe(args.collection);
      if (args.json) return print(jsonLine(details));
      const { schema, rowCount, indexedRows, segments, memoryBytes, aliases } = details;
      print(`${schema.name}: ${count(rowCount)} rows, ${count(indexedRows)} of them indexed`);
      print(`segments: ${segments}, shards: ${schema.shards}, memory: ${bytes(memoryBytes)}`);
      if (aliases.length > 0) print(`aliases: ${aliases.join(', ')}`);
      print();
      const fields = schema.fields.map(
        ({ name, type, dim, metric, vectorType, element, index: _index, ...rest }) => ({
          field: name,
          type:
            type === 'vector'
              ? vectorName([vectorType, dim, metric])
              : typeName(type, element?.type),
          options: Object.entries(rest)
            .filter(([key, value]) => key !== 'id' && value !== undefined)
            .map(([key, value]) => (value === true ? key : `${key}: ${JSON.stringify(value)}`))
            .join(', '),
        }),
      );
      for (const line of table(fields)) print(line);
      for (const line of indexLines(details.indexes)) print(line);
      for (const line of jobLines(details.jobs)) print(line);
      const ttlMs = ttlOf(schema.ttl);
      if (ttlMs !== undefined) print(`Rows live ${count(ttlMs)} milliseconds.`);
      if (schema.dynamic) print('Rows may carry more than these fields.');
    }),
});

/** One line for each vector field: what was chosen, what stands, what is on its way. */
function indexLines(indexes: CollectionDetails['indexes']): readonly string[] {
  return indexes.map((index) => {
    const { kind: chosen, ...params } = index.choice;
    const options = Object.entries(params).map(([name, value]) => `, ${name}: ${String(value)}`);
    const built = index.parts.map(({ kind, rows }) => `${kind} over ${count(rows)} rows`);
    const pending = index.pendingRows > 0 ? [`${count(index.pendingRows)} rows pending`] : [];
    const stands = [...built, ...pending].join(', ') || 'none yet';
    const why = index.failure === undefined ? '' : `; last build: ${index.failure}`;
    const head = `index of ${index.field} (${chosen}${options.join('')})`;
    return `${head}: ${stands}, ${bytes(index.bytes)}${why}`;
  });
}

/** One line for each job that runs, or has failed and is tried again. */
function jobLines(jobs: CollectionDetails['jobs']): readonly string[] {
  return jobs.map(({ kind, state, segments, rows, attempts, failure }) => {
    const why = failure === undefined ? '' : `; last: ${failure}`;
    return `${kind} of ${segments} segments, ${count(rows)} rows: ${state}, try ${attempts}${why}`;
  });
}

/** `vector(768, cosine)`, `vector(float16, 768, l2)`, `vector(sparse, ip)`. */
function vectorName(parts: readonly (string | number | undefined)[]): string {
  return `vector(${parts.filter((part) => part !== undefined).join(', ')})`;
}

function typeName(type: string, element: string | undefined): string {
  return element === undefined ? type : `${type} of ${element}`;
}
