// A child that writes until it is killed. Says on stdout what it is about to do and what was
// acknowledged; two writers on keys of their own, so that several writes are in flight at once.
import { writeSync } from 'node:fs';
import { collection, connect, t } from '@elanus/client';
import { isElanusError } from '@elanus/core';
import { flushShard, invoke } from '@elanus/protocol';
import { localWorld } from '@elanus/runtime/local';
import { startEmbedded } from '../../packages/elanus/src/embedded.ts';
import { randomOperation, type Operation } from './operation.ts';

const [folder = '', seedText = '1', firstText = '0', durabilityText] = process.argv.slice(2);
const durability = durabilityText === 'process' ? 'process' : 'power';

const Rows = collection('rows', {
  id: t.int64({ primary: true, as: 'number' }),
  value: t.int64({ as: 'number' }),
  text: t.varchar({ maxLength: 4096 }),
  vec: t.vector(32, { metric: 'l2' }),
});

const say = (line: string): void => {
  writeSync(1, `${line}\n`);
};

const world = await localWorld(folder, { durability });
const database = await startEmbedded({ world, durability, kernels: 'auto' });
const db = connect(database);
const isThere = (await db.collections()).some(({ schema }) => schema.name === 'rows');
// Once altered it is no longer what is written above, but for the fields that are written.
const rows = isThere ? await db.collection('rows') : await db.collection(Rows);
say('open');

/** Carries out one operation; resolves when it is acknowledged. */
async function run(operation: Operation): Promise<void> {
  const make = (id: number) => ({
    id,
    value: operation.number,
    text: `${operation.number} `.repeat(1 + (operation.number % 40)),
    vec: new Float32Array(32).fill(operation.number % 97),
  });
  if (operation.kind === 'delete') await rows.delete({ ids: [...operation.ids] });
  else await rows.upsert(operation.ids.map(make) as never);
}

/** A clock that jumped forward made its key old: refused, for it may have had its effect before. */
function isExpired(error: unknown): false {
  if (isElanusError(error, 'idempotency_expired')) return false;
  throw error;
}

async function writer(lane: number): Promise<void> {
  let number = Number(firstText);
  for (;;) {
    const operation = randomOperation({ seed: Number(seedText), lane, number });
    say(`begin ${JSON.stringify(operation)}`);
    const done = await run(operation).then(() => true, isExpired);
    say(`${done ? 'done' : 'refused'} ${lane} ${number}`);
    number++;
  }
}

/** The field that the collection has besides; each change puts another in its place. */
async function alterer(): Promise<void> {
  const { schema } = await db.describe('rows');
  let before = schema.fields.map(({ name }) => name).filter((name) => name.startsWith('extra'));
  for (let number = Number(firstText); ; number++) {
    await new Promise((resolve) => setTimeout(resolve, 60));
    const name = `extra${number}`;
    say(`alter ${name}`);
    await db.alter('rows', { drop: before, add: { [name]: t.int32({ nullable: true }) } });
    say(`altered ${name}`);
    before = [name];
  }
}

async function flusher(): Promise<void> {
  for (;;) {
    await new Promise((resolve) => setTimeout(resolve, 25));
    await invoke(world.bus, flushShard, { header: { collectionId: 1, shard: 0 } });
  }
}

await Promise.all([writer(0), writer(1), flusher(), alterer()]);
