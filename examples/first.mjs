// The first ten minutes: a folder, a collection, rows, a search. Run it twice: the rows are kept.
import { elanus, t } from 'elanus';

const db = await elanus('./data');
const birds = await db.collection('birds', {
  id: t.int64({ primary: true }),
  name: t.varchar({ maxLength: 64 }),
  grams: t.int32(),
  traits: t.vector(3, { metric: 'cosine' }), // hovers, swims, sings
});

await birds.upsert([
  { id: 1n, name: 'black-winged kite', grams: 260, traits: [0.9, 0, 0.1] },
  { id: 2n, name: 'common kestrel', grams: 190, traits: [0.8, 0, 0.2] },
  { id: 3n, name: 'mallard', grams: 1100, traits: [0, 0.9, 0.2] },
  { id: 4n, name: 'nightingale', grams: 21, traits: [0.1, 0, 1] },
]);

console.log('Like something that hovers:');
for (const { name, score } of await birds.search({ vector: [1, 0, 0], limit: 2 })) {
  console.log(`  ${score.toFixed(3)}  ${name}`);
}

console.log('Like bird 4, but heavier than 100 g:');
const [heavier = []] = await birds.search({ ids: [4n], limit: 2, filter: { grams: { gt: 100 } } });
for (const { name, grams } of heavier) console.log(`  ${name}, ${grams} g`);

console.log(`${await birds.count()} birds are kept in ./data`);
await db.close();
