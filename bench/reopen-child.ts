// Opens a folder and searches it; says how long it took and what memory it takes.
import type * as Elanus from 'elanus';
import { queryDigits } from './digits.ts';

const entry = process.env['ELANUS_BENCH_ENTRY'] ?? 'elanus';
const { elanus } = (await import(entry)) as typeof Elanus;

const [folder = '', settleMs = '0'] = process.argv.slice(2);
const vectors = queryDigits(51);
(globalThis as { gc?: () => void }).gc?.();
const empty = process.memoryUsage.rss();
const cpu = process.cpuUsage();
const begin = performance.now();
const db = await elanus(folder);
const opened = performance.now();
const digits = await db.collection('digits');
const hits = await digits.search({ vector: vectors[0] ?? [], limit: 10 });
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
