// A child that opens a folder, writes what it is told to, and stays until it is ended.
import { createInterface } from 'node:readline';
import { elanus } from 'elanus';
import { goodRow, threeDocs } from './kit.ts';

const [folder = ''] = process.argv.slice(2);
const db = await elanus(folder);
const docs = await threeDocs(db);
console.log('open');
for await (const line of createInterface({ input: process.stdin })) {
  await docs.insert([goodRow(Number(line))]);
  console.log(String(await docs.count()));
}
await db.close();
console.log('closed');
