import { createReadStream } from 'node:fs';
import { createInterface } from 'node:readline';
import { defineCommand } from 'citty';
import { ElanusError } from '@elanus/core';
import { databaseArgs, withCollection } from './database.ts';
import { usageError } from './failure.ts';
import { jsonLine } from './json-value.ts';
import { count, duration, note, print, progress } from './terminal.ts';

const CONFLICTS = ['error', 'skip', 'replace'] as const;

/** `elanus insert`: rows from JSON lines. */
export const insert = defineCommand({
  meta: { name: 'insert', description: 'Insert rows: JSON lines from a file or stdin' },
  args: {
    collection: { type: 'positional', description: 'Name or alias', required: true },
    file: {
      type: 'positional',
      description: 'JSON lines; stdin when absent or -',
      required: false,
    },
    'on-conflict': {
      type: 'string',
      description: 'When a key exists: error, skip or replace',
      default: 'error',
    },
    ...databaseArgs,
  },
  run: ({ args }) => {
    const onConflict = CONFLICTS.find((one) => one === args['on-conflict']);
    if (onConflict === undefined) throw usageError('--on-conflict is error, skip or replace.');
    const { file = '-' } = args;
    if (file === '-' && process.stdin.isTTY)
      throw usageError('Give a file, or pipe JSON lines in.');
    return withCollection(args, async (collection) => {
      const startMs = performance.now();
      const shown = progress(`inserting into ${collection.name}`, undefined);
      let acknowledged = 0;
      const onProgress = ({ rows }: { readonly rows: number }): void => {
        acknowledged = rows;
        shown.update(rows, `${count(rows / ((performance.now() - startMs) / 1000))} rows/s`);
      };
      try {
        const rows = jsonLines(file) as AsyncIterable<never>;
        const outcome = await collection.insert(rows, { onConflict, onProgress });
        shown.clear();
        const ms = performance.now() - startMs;
        if (args.json) print(jsonLine({ count: outcome.count, timestamp: outcome.timestamp }));
        else print(`${count(outcome.count)} rows in ${duration(ms)}`);
      } catch (error) {
        shown.clear();
        if (acknowledged > 0) note(`${count(acknowledged)} rows were acknowledged before this:`);
        throw error;
      }
    });
  },
});

/** Rows of a file, or of stdin. @throws ElanusError invalid_argument with the line */
async function* jsonLines(file: string): AsyncGenerator<object> {
  const input = file === '-' ? process.stdin : createReadStream(file);
  let line = 0;
  try {
    for await (const text of createInterface({ input, crlfDelay: Number.POSITIVE_INFINITY })) {
      line++;
      if (text.trim() !== '') yield parseRow(text, line);
    }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === undefined || error instanceof ElanusError)
      throw error;
    const why = (error as Error).message;
    throw new ElanusError('file_not_found', { path: file, why }, { cause: error });
  }
}

function parseRow(text: string, line: number): object {
  let row: unknown;
  try {
    row = JSON.parse(text);
  } catch (cause) {
    const hint = `It is not JSON: ${(cause as Error).message}.`;
    throw new ElanusError('invalid_argument', { argument: `line ${line}`, hint }, { cause });
  }
  if (typeof row === 'object' && row !== null && !Array.isArray(row)) return row;
  const hint = 'A line holds one row as a JSON object.';
  throw new ElanusError('invalid_argument', { argument: `line ${line}`, hint });
}
