/** `elanus demo words`: 341,479 English words; type one, see its neighbours. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { collection, t, type Collection, type Db } from '@elanus/client';
import { isElanusError } from '@elanus/core';
import { isDatabase } from '../cli/database.ts';
import { kernelsNote } from '../cli/kernels-note.ts';
import { count, duration, print, styled } from '../cli/terminal.ts';
import { elanus } from '../open.ts';
import { farewell } from './farewell.ts';
import { insertAll } from './insert.ts';
import { measureRecall, measureSpeed, waitForIndex } from './measure.ts';
import { finding, freshFolder, headline, type Curtain } from './stage.ts';
import { readWords, WORD_DIM, type WordVectors } from './word-vectors.ts';

const Schema = collection('words', {
  word: t.varchar({ primary: true, maxLength: 256 }),
  rank: t.int32(),
  vector: t.vector(WORD_DIM, { metric: 'cosine' }),
});
type Fields = typeof Schema extends { readonly fields: infer S } ? S : never;
type WordRows = Collection<Fields, false>;

const BATCH_ROWS = 5_000;
const NEIGHBOURS = 10;
const RECALL_QUERIES = 100;
const SPEED_MS = 1_500;
const SHOWN = ['kite', 'tuesday', 'copenhagen'];

/** Runs the demo in a folder below `parent`; one that is complete is opened as it is. */
export async function wordsDemo(parent: string, curtain: Curtain): Promise<void> {
  print(styled('bold', 'Elanus: a vector database in your own process.'));
  kernelsNote();
  const source = await readWords(curtain, print);
  const { db, words } = await openWords(parent, source, curtain);
  const query = (i: number): Float32Array => {
    const row = (i * 3_001) % source.words.length;
    return source.vectors.slice(row * WORD_DIM, (row + 1) * WORD_DIM);
  };
  headline('Measure');
  const recall = await measureRecall(words, query, RECALL_QUERIES);
  finding('recall@10', `${(100 * recall).toFixed(2)} % of what an exact search finds`);
  for (const line of await measureSpeed(words, query, SPEED_MS)) finding(line.name, line.text);
  headline('Neighbours');
  for (const word of SHOWN) await showNeighbours(words, word);
  await converse(words);
  await db.close();
  farewell({ folder: join(parent, 'words'), collection: 'words', key: 'kite' });
}

async function openWords(
  parent: string,
  source: WordVectors,
  curtain: Curtain,
): Promise<{ db: Db; words: WordRows }> {
  const folder = join(parent, 'words');
  if (existsSync(folder) && isDatabase(folder)) {
    const db = await elanus(folder);
    curtain.add(() => db.close());
    const words = await db.collection(Schema);
    const rows = await words.count();
    if (rows === source.words.length) {
      print(`${count(rows)} words are here already, from the last time.`);
      return { db, words };
    }
    await db.close();
  }
  const db = await elanus(freshFolder(parent, 'words'));
  curtain.add(() => db.close());
  const words = await db.collection(Schema);
  await insertAll({
    total: source.words.length,
    batchRows: BATCH_ROWS,
    insert: (first, end) => words.insert(columnsOf(source, first, end)),
  });
  await waitForIndex(words);
  return { db, words };
}

function columnsOf(source: WordVectors, first: number, end: number) {
  return {
    word: source.words.slice(first, end),
    rank: Int32Array.from({ length: end - first }, (_, i) => first + i + 1),
    vector: source.vectors.subarray(first * WORD_DIM, end * WORD_DIM),
  };
}

/** One line: the word, its neighbours, and how long that took. */
async function showNeighbours(words: WordRows, word: string): Promise<void> {
  const startMs = performance.now();
  try {
    const [hits = []] = await words.search({ ids: [word], limit: NEIGHBOURS + 1, select: [] });
    const ms = performance.now() - startMs;
    const others = hits.filter((hit) => hit.word !== word).slice(0, NEIGHBOURS);
    const near = others.map((hit) => hit.word).join(', ');
    print(`  ${styled('bold', word)}: ${near} ${styled('dim', `(${duration(ms)})`)}`);
  } catch (error) {
    if (!isElanusError(error, 'key_not_found')) throw error;
    print(`  ${word} is not among the words; they are lower case.`);
  }
}

/** Answers words typed, or piped in, until the input ends. */
async function converse(words: WordRows): Promise<void> {
  const { stdin } = process;
  if (stdin.isTTY) print('\nType a word; an empty line ends it.');
  const lines = createInterface({ input: stdin, terminal: false });
  const ask = (): void => {
    if (stdin.isTTY) process.stdout.write('> ');
  };
  ask();
  for await (const line of lines) {
    const word = line.trim().toLowerCase();
    if (word === '' && stdin.isTTY) break;
    if (word !== '') await showNeighbours(words, word);
    ask();
  }
  lines.close();
}
