import { writeSync } from 'node:fs';
import { nodeFs } from '../fs/node.ts';
import { localLogStore } from '../log/local.ts';

/**
 * Appends until killed; prints the seq of every acknowledged record. Run by `local-kill.test.ts`.
 */
const folder = process.argv[2] ?? '';
const durability = process.argv[3] === 'process' ? 'process' : 'power';
const store = localLogStore({ fs: nodeFs(folder), durability, segmentBytes: 256 * 1024 });
const stream = await store.open('p0');
let { lastSeq } = await stream.span();
writeSync(1, `open ${lastSeq}\n`);
for (;;) {
  const batch = [];
  for (let n = 0; n < 8; n++) {
    const expectedLastSeq = lastSeq++;
    const bytes = Buffer.alloc(500 + ((lastSeq * 7919) % 9000), `${lastSeq};`);
    batch.push(stream.append({ subject: 'v0', parts: [bytes], expectedLastSeq }));
  }
  for (const outcome of await Promise.all(batch)) {
    if (outcome.kind === 'ok') writeSync(1, `${outcome.seq}\n`);
  }
}
