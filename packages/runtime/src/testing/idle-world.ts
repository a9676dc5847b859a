import { systemClock } from '../clock/system.ts';
import { localWorld } from '../local-world.ts';

/** Opens a folder, uses every part once and leaves it open: the process must end by itself. */
const world = await localWorld(process.argv[2] ?? '');
const entry = new URL('./sample-tasks.ts', import.meta.url).href;
const stream = await world.logs.open('p0');
await stream.append({ subject: 'v0', parts: [Buffer.from('kept')] });
await world.meta.txn({ compare: [], then: [{ put: 'a', value: Buffer.from('1') }] });
await world.meta.grant(60_000);
await world.objects.put('o', [Buffer.from('x')]);
await world.pools.build.run({ entry, name: 'add', input: { a: 1, b: 2 } });
systemClock.after(60_000, () => undefined);
console.log('idle');
