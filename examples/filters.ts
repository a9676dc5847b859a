// Filters in their three forms: objects, the builder, and text with bound values.
import { elanus, expr, t } from 'elanus';

const db = await elanus(':memory:');
const docs = await db.collection('docs', {
  id: t.int64({ primary: true, as: 'number' }),
  year: t.int32({ nullable: true }),
  tags: t.array(t.varchar({ maxLength: 32 })),
  meta: t.json<{ author?: { name: string } }>(),
  vec: t.vector(2),
});
await docs.insert([
  { id: 1, year: 2019, tags: ['bird'], meta: { author: { name: 'Ada' } }, vec: [1, 0] },
  { id: 2, year: 2024, tags: ['bird', 'map'], meta: {}, vec: [0.9, 0.1] },
  { id: 3, year: null, tags: [], meta: { author: { name: 'Bo' } }, vec: [0, 1] },
]);

const ids = (rows: readonly { id: number }[]): string => rows.map((row) => row.id).join(', ');

const recent = await docs.query({ filter: { year: { gte: 2020 } } });
console.log('since 2020:', ids(recent)); // null is neither before nor after
const unknown = await docs.query({ filter: { year: null } });
console.log('without a year:', ids(unknown));
const birds = await docs.query({ filter: { tags: { contains: 'bird' }, not: { year: 2019 } } });
console.log('birds, not of 2019:', ids(birds));
const byAda = await docs.query({ filter: (d) => d.meta.at('author').at('name').eq('Ada') });
console.log('by Ada:', ids(byAda));
const since = 2019; // bound, never pasted into the text
const text = await docs.query({ filter: expr`year >= ${since} and array_contains(tags, "map")` });
console.log('by text:', ids(text));
await db.close();
