// From the import to the first hit, in a process that has loaded nothing of ours before. Plain
// JavaScript: Node compiles what reads TypeScript in the background, beside what is measured.
const begin = performance.now();
const { elanus, collection, t } = await import(process.env['ELANUS_BENCH_ENTRY'] ?? 'elanus');
const imported = performance.now();
const Docs = collection('docs', { id: t.int64({ primary: true }), vec: t.vector(4) });
const db = await elanus(':memory:');
const opened = performance.now();
const docs = await db.collection(Docs);
await docs.insert([
  { id: 1n, vec: [1, 0, 0, 0] },
  { id: 2n, vec: [0, 1, 0, 0] },
]);
const hits = await docs.search({ vector: [1, 0, 0, 0], limit: 1 });
const hit = performance.now();
if (hits[0]?.id !== 1n) throw new Error('no hit');
await db.close();
const times = [imported - begin, opened - imported, hit - opened, hit - begin];
console.log(JSON.stringify(times));
