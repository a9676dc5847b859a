// Rows from anything that yields them; read again in batches, of one stable snapshot.
import { elanus, t } from 'elanus';

const db = await elanus('./data');
const points = await db.collection('points', {
  id: t.int64({ primary: true, as: 'number' }),
  at: t.vector(8, { metric: 'l2' }),
});

// A generator, a file read line by line, the rows of another database: one row at a time.
async function* rows(count: number) {
  for (let id = 0; id < count; id++) {
    yield { id, at: Float32Array.from({ length: 8 }, (_, i) => Math.sin(id * (i + 1))) };
  }
}

const { count } = await points.upsert(rows(25_000), {
  onProgress: (done) => console.log(`${done.rows} rows acknowledged`),
});

let seen = 0;
for await (const batch of points.scan({ select: [] })) seen += batch.length;
console.log(`wrote ${count}, read ${seen}`);
await db.close();
