// Opens a folder and searches it; says how long it took and what memory it takes.
import { elanus } from 'elanus';
import { queryDigit } from './digits.ts';

const [folder = '', settleMs = '0'] = process.argv.slice(2);
const vector = queryDigit(0);
const empty = process.memoryUsage.rss();
const begin = performance.now();
const db = await elanus(folder);
const opened = performance.now();
const digits = await db.collection('digits');
const hits = await digits.search({ vector, limit: 10 });
const hit = performance.now();
if (hits.length !== 10) throw new Error('no hits');
const first = process.memoryUsage.rss();
for (let i = 1; i <= 50; i++) await digits.search({ vector: queryDigit(i), limit: 10 });
await new Promise((resolve) => setTimeout(resolve, Number(settleMs)));
const settled = process.memoryUsage.rss();
await db.close();
console.log(JSON.stringify({ openMs: opened - begin, hitMs: hit - begin, empty, first, settled }));
