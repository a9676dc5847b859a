// Fills a folder's log with rows that are nowhere else, says so, and waits to be killed; or opens
// the folder, asks it, and says how long that took.
import { collection, elanus, t } from 'elanus';

const [what = '', folder = '', bytesText = '0'] = process.argv.slice(2);
const DIM = 768;
const BATCH = 500;
const SHARDS = 6;
const Rows = collection(
  'rows',
  {
    id: t.int64({ primary: true, as: 'number' }),
    title: t.varchar({ maxLength: 64 }),
    vec: t.vector(DIM, { metric: 'l2' }),
  },
  { shards: SHARDS },
);
const rows = Math.ceil(Number(bytesText) / (DIM * 4));

if (what === 'fill') {
  const db = await elanus(folder);
  const open = await db.collection(Rows);
  for (let first = 0; first < rows; first += BATCH) {
    const id = Float64Array.from({ length: BATCH }, (_, i) => first + i);
    const vec = Float32Array.from({ length: BATCH * DIM }, (_, i) => (first + i * 7_919) % 1_009);
    const title = Array.from({ length: BATCH }, (_, i) => `row ${first + i}`);
    await open.insert({ id: id as never, title, vec });
  }
  console.log('filled');
  setInterval(() => undefined, 1_000);
} else {
  const begin = performance.now();
  const db = await elanus(folder);
  const opened = performance.now();
  const open = await db.collection(Rows);
  const count = await open.count();
  const [hit] = await open.search({ ids: [3], limit: 1, select: ['title'] });
  const answered = performance.now();
  const { user, system } = process.cpuUsage();
  const right = hit?.[0]?.title === 'row 3';
  const times = {
    openMs: opened - begin,
    answerMs: answered - begin,
    cpuMs: (user + system) / 1e3,
  };
  console.log(JSON.stringify({ ...times, count, right }));
  process.exit(0);
}
