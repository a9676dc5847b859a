// Opens a folder and searches it; says how long it took and what memory it takes. Plain JavaScript:
// Node compiles what reads TypeScript in the background, beside what is measured.
import { readFileSync } from 'node:fs';

const [folder, queries, dim, settleMs] = process.argv.slice(2);
const { elanus } = await import(process.env['ELANUS_BENCH_ENTRY'] ?? 'elanus');

const { buffer } = new Uint8Array(readFileSync(queries));
const vectors = Array.from({ length: buffer.byteLength / 4 / Number(dim) }, (_, i) => {
  return new Float32Array(buffer, i * 4 * Number(dim), Number(dim));
});
const empty = process.memoryUsage.rss();
const cpu = process.cpuUsage();
const begin = performance.now();
const db = await elanus(folder);
const opened = performance.now();
const digits = await db.collection('digits');
const hits = await digits.search({ vector: vectors[0], limit: 10 });
const hit = performance.now();
const { user, system } = process.cpuUsage(cpu);
if (hits.length !== 10) throw new Error('no hits');
const first = process.memoryUsage.rss();
for (const vector of vectors) await digits.search({ vector, limit: 10 });
await new Promise((resolve) => setTimeout(resolve, Number(settleMs)));
const settled = process.memoryUsage.rss();
await db.close();
const times = { openMs: opened - begin, hitMs: hit - begin, cpuMs: (user + system) / 1e3 };
console.log(JSON.stringify({ ...times, empty, first, settled }));
