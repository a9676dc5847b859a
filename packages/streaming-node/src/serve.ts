/** The calls a streaming node answers: decodes a call, finds the shard, encodes the answer. */
import {
  andThen,
  assert,
  columnOf,
  columnRows,
  decodeColumns,
  fieldId,
  storedFields,
  type Bus,
  type Column,
  type Field,
} from '@elanus/core';
import {
  adoptBuild,
  appendWrite,
  checkWrite,
  countShard,
  describeShards,
  dropShards,
  flushShard,
  openShards,
  packRows,
  searchShard,
  selectShard,
  serveCall,
  unpackVectors,
} from '@elanus/protocol';
import { keyIn, parseKey } from '@elanus/segment';
import type { ShardHits } from './delegator/reads.ts';
import type { Shard } from './shard/shard.ts';
import type { Channel } from './streaming-node.ts';

/** Column frames from their chunks. */
function framesOf(bodies: readonly ArrayBufferView[], chunks: readonly number[]): Uint8Array[][] {
  const all = bodies.map((body) => {
    assert(body instanceof Uint8Array, 'parts are column frames');
    return body;
  });
  let at = 0;
  return chunks.map((count) => all.slice(at, (at += count)));
}

/** Starts answering for a channel; returns the ends. */
export function serveShards(bus: Bus, channel: Channel): (() => void)[] {
  return [...serveWrites(bus, channel), ...serveReads(bus, channel), ...serveControl(bus, channel)];
}

function serveWrites(bus: Bus, channel: Channel): (() => void)[] {
  return [
    serveCall(bus, appendWrite, async ({ header, bodies }, { signal }) => {
      const parts = framesOf(bodies, header.chunks);
      const { kind, schemaVersion, idempotencyKey, onConflict, asOf } = header;
      const result = await channel
        .shard(header)
        .admission.write({ kind, schemaVersion, idempotencyKey, onConflict, asOf, parts }, signal);
      return { header: result };
    }),
    serveCall(bus, checkWrite, async ({ header, bodies }) => {
      const shard = channel.shard(header);
      const { schemaVersion, idempotencyKey } = header;
      const keys = keyColumnIn(shard, bodies[0]);
      await shard.admission.check({ schemaVersion, idempotencyKey, keys });
      return { header: {} };
    }),
  ];
}

function serveReads(bus: Bus, channel: Channel): (() => void)[] {
  return [
    serveCall(bus, searchShard, ({ header, bodies }, caller) => {
      const shard = channel.shard(header);
      const { vectors: queries } = unpackVectors(header.vectors, bodies);
      const { demand, metric, nq, limit, filter, bounds, effort, withTimestamp } = header;
      const fields = fieldsOf(shard, header.fields);
      const field = fieldId(header.field);
      const found = shard.reads.search(
        {
          demand,
          field,
          metric,
          queries,
          nq,
          limit,
          filter,
          bounds,
          effort,
          fields,
          withTimestamp,
          explain: header.explain,
          repeats: header.repeats,
        },
        caller,
      );
      return andThen(found, packHits);
    }),
    serveCall(bus, selectShard, async ({ header, bodies }, caller) => {
      const shard = channel.shard(header);
      const { demand, filter, limit, withTimestamp } = header;
      const want = { demand, fields: fieldsOf(shard, header.fields), withTimestamp };
      if (header.byKeys) {
        const { at, found, columns } = await shard.reads.get(keysIn(shard, bodies[0]), want);
        const { head: rows, bodies: fields } = packRows(columns);
        return { header: { at, found, rows }, bodies: fields };
      }
      const after = parseKey(header.after, shard.state.keyKind);
      const select = { ...want, filter, after, limit };
      const { at, columns } = await shard.reads.select(select, caller);
      const { head: rows, bodies: fields } = packRows(columns);
      return { header: { at, found: [], rows }, bodies: fields };
    }),
    serveCall(bus, countShard, ({ header }, caller) => {
      const { demand, filter } = header;
      const counted = channel.shard(header).reads.count(demand, filter, caller);
      return andThen(counted, (reply) => ({ header: reply }));
    }),
  ];
}

/** Hits as a reply. */
function packHits({ at, hits, columns, explain, standing }: ShardHits) {
  const { head: rows, bodies } = packRows(columns, [hits.counts, hits.scores]);
  return { header: { at, rows, explain }, bodies, standing };
}

function serveControl(bus: Bus, channel: Channel): (() => void)[] {
  return [
    serveCall(bus, openShards, async ({ header }) => {
      await channel.openShards(header.schema);
      return { header: channel.owned };
    }),
    serveCall(bus, dropShards, async ({ header }) => {
      await channel.dropShards(header.collectionId);
      return { header: channel.owned };
    }),
    serveCall(bus, flushShard, async ({ header }) => {
      return { header: { segments: await channel.shard(header).flush() } };
    }),
    serveCall(bus, adoptBuild, async ({ header }) => {
      const { inputs, output, origins, expiredBefore } = header;
      await channel.shard(header).adoption.adopt({ inputs, output, origins, expiredBefore });
      return { header: {} };
    }),
    serveCall(bus, describeShards, ({ header }) => {
      const shards = [...channel.shards.values()]
        .filter((shard) => shard.state.collectionId === header.collectionId)
        .map((shard) => shard.status());
      return Promise.resolve({ header: { shards } });
    }),
  ];
}

function fieldsOf(shard: Shard, ids: readonly number[]): readonly Field[] {
  const { keyField } = shard.state;
  if (ids.length === 1 && ids[0] === keyField.id) return [keyField];
  const stored = storedFields(shard.state.schema);
  const fields: Field[] = [];
  for (const id of ids) {
    const field = stored.find((one) => one.id === id);
    if (field !== undefined) fields.push(field);
  }
  return fields;
}

function keysIn(shard: Shard, body: ArrayBufferView | undefined): readonly (bigint | string)[] {
  const column = keyColumnIn(shard, body);
  return Array.from({ length: columnRows(column) }, (_, i) => keyIn(column, i));
}

function keyColumnIn(shard: Shard, body: ArrayBufferView | undefined): Column {
  assert(body instanceof Uint8Array, 'keys are a column frame');
  return columnOf(decodeColumns(body), shard.state.keyField.id);
}
