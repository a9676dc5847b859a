/** Writes: route rows to shards, cut them into records, append, gather what happened. */
import { checkRowCount } from '@elanus/api';
import type { Call, DeleteRequest, KeyColumn, WriteRequest, WriteResult } from '@elanus/api';
import {
  columnOf,
  columnRows,
  createBitset,
  ElanusError,
  encodeColumns,
  isElanusError,
  isVectorColumn,
  keysIncrease,
  LIMITS,
  primaryField,
  setBit,
  storedFields,
  toWireError,
  vectorShape,
  type Clock,
  type Column,
  type CollectionSchema,
  type ColumnBatch,
  type Field,
  type FieldId,
  type SparseColumn,
  type VectorColumn,
} from '@elanus/core';
import { keysOf, saysNothing } from '@elanus/expr';
import { appendWrite, checkWrite, leaseIds, selectShard, unpackRows } from '@elanus/protocol';
import type { Access } from './access.ts';
import { keyAt } from './merge-rows.ts';
import { readRequestFilter } from './request-filter.ts';
import { encodeRecords, inWhole, splitByShard, type ShardRows } from './split-write.ts';

type WriteKind = 'insert' | 'upsert' | 'delete';

interface Append {
  readonly schema: CollectionSchema;
  readonly batch: ColumnBatch;
  readonly kind: WriteKind;
  readonly onConflict: 'error' | 'skip';
  readonly asOf: bigint;
  readonly idempotencyKey: string;
}

/** Keys found at a time by a delete with a filter. */
const DELETE_PAGE_ROWS = LIMITS.resultRowsMax;
const KEY_BYTES_MAX = 128;
/** Keys compared in one turn: each costs up to half a microsecond. */
const KEYS_PER_TURN = 4_096;

/** See the file's header. */
export class Writes {
  readonly #access: Access;

  constructor(access: Access) {
    this.#access = access;
  }

  /** Inserts or upserts. Atomic in each shard; all are asked before any writes. */
  async write(request: WriteRequest, call: Call | undefined): Promise<WriteResult> {
    const { collection, mode, onConflict, idempotencyKey } = request;
    checkKey(idempotencyKey);
    if (request.batch.rowCount === 0) throw new ElanusError('empty_write', {});
    checkRowCount(request.batch.rowCount);
    const schema = await this.#access.schema(collection, call);
    if ((request.collectionId ?? schema.collectionId) !== schema.collectionId) {
      throw new ElanusError('collection_dropped', { name: collection });
    }
    const { batch, keys } = await this.#withKeys(request.batch, schema, call);
    checkFields(batch, schema);
    await checkDistinct(this.#access.clock, columnOf(batch, primaryField(schema).id));
    const kind = mode === 'upsert' || onConflict === 'replace' ? 'upsert' : 'insert';
    const result = await this.#append(
      {
        schema,
        batch,
        kind,
        onConflict: onConflict === 'skip' ? 'skip' : 'error',
        asOf: 0n,
        idempotencyKey,
      },
      call,
    );
    return keys === undefined ? result : { ...result, keys };
  }

  /** Deletes by keys, by a filter read at one instant, or everything. */
  async delete(request: DeleteRequest, call: Call | undefined): Promise<WriteResult> {
    const { collection, target, idempotencyKey } = request;
    checkKey(idempotencyKey);
    const schema = await this.#access.schema(collection, call);
    if (target.kind === 'keys') {
      if (columnRows(target.keys) === 0) throw new ElanusError('empty_delete', {});
      return this.#deleteKeys({ schema, keys: target.keys, asOf: 0n, idempotencyKey }, call);
    }
    const filter = readRequestFilter(target.kind === 'filter' ? target.filter : undefined, schema);
    const says = filter.checked !== undefined && !saysNothing(filter.checked);
    if (target.kind === 'filter' && !says) throw new ElanusError('empty_delete', {});
    const key = primaryField(schema);
    const listed = filter.checked === undefined ? undefined : keysOf(filter.checked, key.id);
    if (listed !== undefined) {
      if (listed.length === 0) throw new ElanusError('empty_delete', {});
      const keys = keyColumn(listed);
      return this.#deleteKeys({ schema, keys, asOf: 0n, idempotencyKey }, call);
    }
    return this.#deleteFound({ schema, filter: filter.text, request }, call);
  }

  async #deleteKeys(
    input: {
      readonly schema: CollectionSchema;
      readonly keys: KeyColumn;
      readonly asOf: bigint;
      readonly idempotencyKey: string;
    },
    call: Call | undefined,
  ): Promise<WriteResult> {
    const { schema, keys, asOf, idempotencyKey } = input;
    const columns = new Map<FieldId, Column>([[primaryField(schema).id, keys]]);
    const batch = { rowCount: columnRows(keys), columns };
    const rest = { kind: 'delete' as const, onConflict: 'error' as const, asOf, idempotencyKey };
    return this.#append({ schema, batch, ...rest }, call);
  }

  /**
   * Reads matching keys page by page, each page at its instant R, and deletes what still is as it
   * was at R. A retry finds what is left: the delete itself needs no memory of the first attempt.
   */
  async #deleteFound(
    input: {
      readonly schema: CollectionSchema;
      readonly filter: string | undefined;
      readonly request: DeleteRequest;
    },
    call: Call | undefined,
  ): Promise<WriteResult> {
    const { schema, filter, request } = input;
    const key = primaryField(schema);
    const demand = this.#access.demand(request);
    let count = 0;
    let timestamp = 0n;
    for (let shard = 0; shard < schema.shards; shard++) {
      let after: string | undefined;
      for (;;) {
        const header = {
          collectionId: schema.collectionId,
          shard,
          demand,
          filter,
          after,
          limit: DELETE_PAGE_ROWS,
          byKeys: false,
          fields: [key.id],
          withTimestamp: false,
        };
        const page = await this.#access.call(selectShard, { header }, call);
        const { at } = page.header;
        if (at > timestamp) timestamp = at;
        const keys = columnOf(unpackRows(page.header.rows, page.bodies), key.id);
        const rows = columnRows(keys);
        if (rows === 0) break;
        const ownKey = `${at}:${shard}:${count}:${request.idempotencyKey}`;
        const idempotencyKey = ownKey.slice(0, KEY_BYTES_MAX);
        const part = { schema, keys: keys as KeyColumn, asOf: at, idempotencyKey };
        const done = await this.#deleteKeys(part, call);
        count += done.count;
        if (done.timestamp > timestamp) timestamp = done.timestamp;
        if (rows < DELETE_PAGE_ROWS) break;
        after = String(keyAt(keys, rows - 1));
      }
    }
    return { count, timestamp };
  }

  /** Sends each shard its rows, once nothing is known that would refuse a part of them. */
  async #append(append: Append, call: Call | undefined): Promise<WriteResult> {
    const { schema, kind, onConflict, asOf, idempotencyKey } = append;
    const key = primaryField(schema);
    const parts = splitByShard(append.batch, key.id, schema.shards);
    const records = await allOrFirst(parts, ({ batch }) => {
      return encodeRecords(this.#access.clock, batch);
    });
    const refusable = kind === 'insert' && onConflict === 'error' && key.autoId !== true;
    if (refusable && parts.length > 1) await this.#check(append, parts, call);
    const results = await Promise.allSettled(
      parts.map(async (part, i) => {
        const address = { collectionId: schema.collectionId, shard: part.shard };
        const schemaVersion = schema.version;
        const frames = records[i] ?? [];
        const chunks = frames.map((frame) => frame.length);
        const header = {
          ...address,
          kind,
          schemaVersion,
          idempotencyKey,
          onConflict,
          asOf,
          chunks,
        };
        const parcel = { header, bodies: frames.flat() };
        try {
          return (await this.#access.call(appendWrite, parcel, call)).header;
        } catch (error) {
          throw inWhole(error, part);
        }
      }),
    );
    return gathered(results, parts, idempotencyKey);
  }

  /** Asks every shard before any appends: a key that exists refuses the write whole. */
  async #check(
    { schema, idempotencyKey }: Append,
    parts: readonly ShardRows[],
    call: Call | undefined,
  ): Promise<void> {
    const { collectionId, version: schemaVersion } = schema;
    const key = primaryField(schema).id;
    await allOrFirst(parts, async ({ shard, batch }) => {
      const columns = new Map([[key, columnOf(batch, key)]]);
      const bodies = [encodeColumns({ rowCount: batch.rowCount, columns })];
      const header = { collectionId, shard, schemaVersion, idempotencyKey };
      return this.#access.call(checkWrite, { header, bodies }, call);
    });
  }

  /** Gives rows without keys their ids, where the schema says that the database makes them. */
  async #withKeys(
    batch: ColumnBatch,
    schema: CollectionSchema,
    call: Call | undefined,
  ): Promise<{ readonly batch: ColumnBatch; readonly keys: KeyColumn | undefined }> {
    const key = primaryField(schema);
    if (batch.columns.has(key.id)) return { batch, keys: undefined };
    if (key.autoId !== true) throw new ElanusError('missing_field', { field: key.name });
    const header = { count: batch.rowCount };
    const { from } = (await this.#access.call(leaseIds, { header }, call)).header;
    const ids = Array.from({ length: batch.rowCount }, (_, i) => BigInt(from + i));
    const keys = keyColumn(key.type === 'int64' ? ids : ids.map(String));
    return { batch: { ...batch, columns: new Map([[key.id, keys], ...batch.columns]) }, keys };
  }
}

/** Runs something for every shard's rows. @throws the failure about the first row, else any */
async function allOrFirst<T>(
  parts: readonly ShardRows[],
  run: (part: ShardRows) => Promise<T>,
): Promise<T[]> {
  const results = await Promise.allSettled(parts.map(run));
  const done: T[] = [];
  let first: { readonly error: unknown; readonly row: number } | undefined;
  results.forEach((result, i) => {
    if (result.status === 'fulfilled') {
      done.push(result.value);
      return;
    }
    const error = inWhole(result.reason, parts[i] as ShardRows);
    const details = isElanusError(error) ? (error.details as { readonly row?: number }) : {};
    const row = details.row ?? Infinity;
    if (first === undefined || row < first.row) first = { error, row };
  });
  if (first !== undefined) throw first.error;
  return done;
}

type Appended = PromiseSettledResult<{ readonly count: number; readonly timestamp: bigint }>;

/** What the shards did as one result. @throws their failure; write_partial when some wrote. */
function gathered(
  results: readonly Appended[],
  parts: readonly ShardRows[],
  idempotencyKey: string,
): WriteResult {
  let count = 0;
  let timestamp = 0n;
  const reasons: unknown[] = [];
  for (const result of results) {
    if (result.status === 'rejected') {
      reasons.push(result.reason);
      continue;
    }
    count += result.value.count;
    if (result.value.timestamp > timestamp) timestamp = result.value.timestamp;
  }
  if (reasons.length === 0) return { count, timestamp };
  // That nobody knows whether rows were written says more than why others were not.
  const cause = reasons.find(isUnsure) ?? reasons[0];
  if (count === 0) throw cause;
  const shards = results.map((result, i) => {
    const shard = parts[i]?.shard ?? 0;
    if (result.status === 'fulfilled') return `${shard}: ${result.value.count} rows`;
    return `${shard}: ${toWireError(result.reason).code}`;
  });
  throw new ElanusError('write_partial', { written: count, shards, idempotencyKey }, { cause });
}

function isUnsure(error: unknown): boolean {
  const codes = ['deadline_exceeded', 'cancelled', 'write_unknown'];
  return isElanusError(error) && codes.includes(error.code);
}

function checkKey(idempotencyKey: string): void {
  const fits = typeof idempotencyKey === 'string' && idempotencyKey.length > 0;
  if (fits && new TextEncoder().encode(idempotencyKey).length <= KEY_BYTES_MAX) return;
  throw new ElanusError('invalid_argument', {
    argument: 'idempotencyKey',
    hint: `It is text of 1 to ${KEY_BYTES_MAX} bytes.`,
  });
}

/** Every field that must be there is; nothing is there that is no field; lengths agree. */
function checkFields(batch: ColumnBatch, schema: CollectionSchema): void {
  const fields = storedFields(schema);
  for (const field of fields) {
    const column = batch.columns.get(field.id);
    if (column === undefined) {
      if (field.nullable === true || field.default !== undefined) continue;
      throw new ElanusError('missing_field', { field: field.name });
    }
    if (isVectorColumn(column)) {
      checkShape(column, field);
    } else if (column.kind !== field.type) {
      const expected = field.type;
      throw new ElanusError('wrong_type', { field: field.name, expected, got: column.kind });
    }
    if (columnRows(column) !== batch.rowCount) {
      throw new ElanusError('columns_ragged', { field: field.name });
    }
  }
}

/** Vectors are of their field's type and dimension. */
function checkShape(column: VectorColumn | SparseColumn, field: Field): void {
  const [type, dim] = column.kind === 'vector' ? [column.type, column.dim] : ['sparse', 0];
  const shape = vectorShape(field);
  if (field.type !== 'vector' || type !== shape.type) {
    const expected = field.type === 'vector' ? shape.type : field.type;
    throw new ElanusError('wrong_type', { field: field.name, expected, got: `${type} vectors` });
  }
  if (dim === shape.dim) return;
  const expected = String(shape.dim);
  throw new ElanusError('dimension_mismatch', { field: field.name, expected, got: String(dim) });
}

/** No key twice in one write. */
async function checkDistinct(clock: Clock, keys: Column): Promise<void> {
  if (keysIncrease(keys)) return;
  const seen = new Set<bigint | string>();
  const rows = columnRows(keys);
  for (let row = 0; row < rows; row++) {
    const key = keyAt(keys, row);
    if (seen.has(key)) throw new ElanusError('duplicate_key', { key: String(key), row });
    seen.add(key);
    if ((row + 1) % KEYS_PER_TURN === 0) await clock.turn();
  }
}

/** A key column of listed keys, all of one kind. */
export function keyColumn(keys: readonly (bigint | string)[]): KeyColumn {
  if (typeof keys[0] === 'bigint') {
    return { kind: 'int64', values: BigInt64Array.from(keys as readonly bigint[]) };
  }
  const encoder = new TextEncoder();
  const parts = keys.map((key) => encoder.encode(String(key)));
  const offsets = new Uint32Array(keys.length + 1);
  parts.forEach((part, i) => {
    offsets[i + 1] = (offsets[i] ?? 0) + part.length;
  });
  const data = new Uint8Array(offsets[keys.length] ?? 0);
  parts.forEach((part, i) => data.set(part, offsets[i]));
  const valid = createBitset(keys.length);
  keys.forEach((_, i) => setBit(valid, i));
  return { kind: 'varchar', offsets, data, valid };
}
