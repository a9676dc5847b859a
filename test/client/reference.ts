import type {
  CollectionSummary,
  Database,
  KeyColumn,
  Projection,
  ReadPoint,
  RowsResult,
  SearchRequest,
  WireFilter,
} from '../../packages/api/src/index.ts';
import { keyAt, searchField } from '../../packages/api/src/index.ts';
import type {
  ArrayColumn,
  BytesColumn,
  CollectionSchema,
  Column,
  ColumnBatch,
  Field,
  FieldId,
  NumberColumn,
  SchemaDefinition,
} from '../../packages/core/src/index.ts';
import {
  ElanusError,
  LIMITS,
  TIMESTAMP_FIELD,
  TIMESTAMP_FIELD_ID,
  columnRows,
  createBitset,
  fieldByName,
  hasBit,
  isPresent,
  primaryField,
  setBit,
  storedFields,
} from '../../packages/core/src/index.ts';
import {
  checkFilter,
  defaultColumn,
  evaluate,
  filterFromObject,
  parseFilter,
  saysNothing,
} from '../../packages/expr/src/index.ts';

const TOTALS = { segments: 1, rows: 0, bytes: 0 };
/** A compaction of what has no segments. */
const COMPACTION = { state: 'running' as const, before: TOTALS, after: TOTALS, jobs: 0 };

interface StoredRow {
  readonly key: bigint | string;
  readonly batch: ColumnBatch;
  readonly index: number;
  readonly timestamp: bigint;
}

interface Stored {
  info: CollectionSummary;
  rows: StoredRow[];
}

/** What the reference saw, for tests of the client. */
export interface Reference extends Database {
  readonly calls: { readonly method: string; readonly request: unknown }[];
  /** Failures to answer with, before anything is done; taken one a call. */
  readonly failures: Error[];
}

/** Everything the reference keeps. */
class ReferenceState {
  readonly collections = new Map<string, Stored>();
  readonly aliases = new Map<string, string>();
  readonly written = new Map<string, { count: number; timestamp: bigint }>();
  readonly calls: { method: string; request: unknown }[] = [];
  readonly failures: Error[] = [];
  clock = 1n << 40n;
  nextId = 1n;

  /** Keeps the call, and fails it when a failure waits. */
  note(method: string, request: unknown): void {
    this.calls.push({ method, request });
    const failure = this.failures.shift();
    if (failure !== undefined) throw failure;
  }

  find(name: string): Stored {
    const stored = this.collections.get(this.aliases.get(name) ?? name);
    if (stored === undefined) throw new ElanusError('collection_not_found', { name });
    return stored;
  }

  infoOf(name: string, stored: Stored): CollectionSummary {
    const aliases = [...this.aliases].filter(([, to]) => to === name).map(([alias]) => alias);
    return { schema: stored.info.schema, aliases };
  }

  answer(stored: Stored, rows: readonly StoredRow[], request: Projection): RowsResult {
    return {
      schemaVersion: stored.info.schema.version,
      rows: gather(stored.info.schema, rows, request),
      timestamp: this.clock,
    };
  }
}

/**
 * The plainest database that keeps the contract of `Database`: rows in memory, every search a scan.
 * The client and the HTTP doors are tested against it; it shares no code with the engine.
 */
export function referenceDatabase(): Reference {
  const state = new ReferenceState();
  return {
    calls: state.calls,
    failures: state.failures,
    ...catalogOf(state),
    ...writesOf(state),
    ...pointReadsOf(state),
    ...scansOf(state),
    health: async () => ({ status: 'ok', version: '0.0.0', durability: 'process' }),
    close: async () => undefined,
  };
}

type CatalogMethods = Pick<
  Database,
  | 'createCollection'
  | 'openCollection'
  | 'describeCollection'
  | 'listCollections'
  | 'alterCollection'
  | 'renameCollection'
  | 'setAlias'
  | 'dropCollection'
  | 'setIndex'
  | 'compact'
  | 'describeCompaction'
  | 'cancelCompaction'
>;

function catalogOf(state: ReferenceState): CatalogMethods {
  return {
    createCollection: async (request) => {
      state.note('createCollection', request);
      const old = state.collections.get(request.name);
      if (old !== undefined) {
        if (request.existing === 'refuse') {
          throw new ElanusError('collection_exists', { name: request.name });
        }
        const differences = compare(old.info.schema, request.definition);
        if (differences.length === 0) return state.infoOf(request.name, old);
        throw new ElanusError('schema_mismatch', { name: request.name, differences });
      }
      const stored = {
        info: { schema: schemaOf(request, state.collections.size), aliases: [] },
        rows: [],
      };
      state.collections.set(request.name, stored);
      return state.infoOf(request.name, stored);
    },
    openCollection: async (name) => {
      state.note('openCollection', name);
      return state.infoOf(name, state.find(name));
    },
    describeCollection: async (name) => {
      state.note('describeCollection', name);
      const stored = state.find(name);
      const rowCount = stored.rows.length;
      const counts = { rowCount, segments: 1, memoryBytes: 0, indexedRows: 0, indexingRows: 0 };
      return { ...state.infoOf(name, stored), ...counts, indexes: [], jobs: [] };
    },
    compact: async (name) => {
      state.note('compact', name);
      return { ...COMPACTION, id: String(state.find(name).rows.length) };
    },
    describeCompaction: async (request) => {
      state.note('describeCompaction', request);
      return { ...COMPACTION, id: request.id, state: 'done' };
    },
    cancelCompaction: async (id) => {
      state.note('cancelCompaction', id);
      return { ...COMPACTION, id, state: 'cancelled' };
    },
    setIndex: async (request) => {
      state.note('setIndex', request);
      const stored = state.find(request.collection);
      const { schema } = stored.info;
      const fields = schema.fields.map((field) => {
        return field.name === request.field ? { ...field, index: request.index } : field;
      });
      stored.info = { ...stored.info, schema: { ...schema, fields } };
    },
    listCollections: async () => {
      state.note('listCollections', undefined);
      return [...state.collections].map(([name, stored]) => state.infoOf(name, stored));
    },
    alterCollection: async (request) => {
      state.note('alterCollection', request);
      const stored = state.find(request.collection);
      const { schema } = stored.info;
      const kept = schema.fields.filter((field) => request.drop?.includes(field.name) !== true);
      const renamed = kept.map((field) => ({
        ...field,
        name: request.rename?.[field.name] ?? field.name,
      }));
      const first = Math.max(...schema.fields.map((field) => field.id)) + 1;
      const added = (request.add ?? []).map((field, i) => ({
        ...field,
        id: (first + i) as FieldId,
      }));
      const fields = [...renamed, ...added];
      stored.info = {
        ...stored.info,
        schema: { ...schema, fields, version: schema.version + 1 },
      };
      return state.infoOf(request.collection, stored);
    },
    renameCollection: async ({ collection, to }) => {
      state.note('renameCollection', { collection, to });
      const stored = state.find(collection);
      state.collections.delete(collection);
      stored.info = { ...stored.info, schema: { ...stored.info.schema, name: to } };
      state.collections.set(to, stored);
    },
    setAlias: async ({ alias, collection }) => {
      state.note('setAlias', { alias, collection });
      if (collection === undefined) state.aliases.delete(alias);
      else state.aliases.set(alias, (state.find(collection), collection));
    },
    dropCollection: async (name) => {
      state.note('dropCollection', name);
      state.find(name);
      state.collections.delete(name);
    },
  };
}

function writesOf(state: ReferenceState): Pick<Database, 'reserveIds' | 'write' | 'delete'> {
  return {
    reserveIds: async (request) => {
      state.note('reserveIds', request);
      const first = state.nextId;
      state.nextId += BigInt(request.count);
      return { first, count: request.count };
    },
    write: async (request) => {
      state.note('write', request);
      const again = state.written.get(request.idempotencyKey);
      if (again !== undefined) return again;
      const stored = state.find(request.collection);
      const { version } = stored.info.schema;
      if (request.schemaVersion !== version) {
        throw new ElanusError('schema_version_stale', { name: request.collection });
      }
      const key = primaryField(stored.info.schema);
      let { batch } = request;
      const made = !batch.columns.has(key.id);
      if (made) batch = withIds(batch, key, state.nextId);
      if (made) state.nextId += BigInt(batch.rowCount);
      const keys = batch.columns.get(key.id) as KeyColumn;
      const timestamp = ++state.clock;
      let count = 0;
      const old = new Map(stored.rows.map((row) => [row.key, row]));
      const fresh = new Map(old);
      for (let index = 0; index < batch.rowCount; index++) {
        const rowKey = keyAt(keys, index);
        const conflict = old.has(rowKey) ? request.onConflict : undefined;
        if (conflict === 'error')
          throw new ElanusError('key_exists', { key: String(rowKey), row: index });
        if (conflict === 'skip') continue;
        fresh.set(rowKey, { key: rowKey, batch, index, timestamp });
        count++;
      }
      stored.rows = [...fresh.values()];
      const result = { count, timestamp };
      state.written.set(request.idempotencyKey, result);
      return made ? { ...result, keys } : result;
    },
    delete: async (request) => {
      state.note('delete', request);
      const stored = state.find(request.collection);
      const { target } = request;
      let gone: readonly StoredRow[] = stored.rows;
      if (target.kind === 'keys') {
        const keys = new Set(keysOf(target.keys));
        gone = stored.rows.filter((row) => keys.has(row.key));
      } else if (target.kind === 'filter') gone = passing(stored, target.filter, true);
      const removed = new Set(gone);
      stored.rows = stored.rows.filter((row) => !removed.has(row));
      return { count: gone.length, timestamp: ++state.clock };
    },
  };
}

function pointReadsOf(state: ReferenceState): Pick<Database, 'search' | 'get'> {
  return {
    search: async (request) => {
      state.note('search', request);
      checkLimit(request);
      const stored = state.find(request.collection);
      const lists = nearest(stored, request);
      return {
        ...state.answer(
          stored,
          lists.flat().map((hit) => hit.row),
          request,
        ),
        counts: Uint32Array.from(lists, (list) => list.length),
        scores: Float32Array.from(lists.flat(), (hit) => hit.score),
      };
    },
    get: async (request) => {
      state.note('get', request);
      const stored = state.find(request.collection);
      const byKey = new Map(stored.rows.map((row) => [row.key, row]));
      const found: StoredRow[] = [];
      const positions: number[] = [];
      keysOf(request.keys).forEach((key, position) => {
        const row = byKey.get(key);
        if (row === undefined) return;
        found.push(row);
        positions.push(position);
      });
      return { ...state.answer(stored, found, request), positions: Uint32Array.from(positions) };
    },
  };
}

function scansOf(state: ReferenceState): Pick<Database, 'query' | 'count' | 'scan' | 'explain'> {
  return {
    query: async (request) => {
      state.note('query', request);
      checkLimit(request);
      const stored = state.find(request.collection);
      const rows = inKeyOrder(passing(stored, request.filter));
      return state.answer(
        stored,
        rows.slice(request.offset, request.offset + request.limit),
        request,
      );
    },
    count: async (request) => {
      state.note('count', request);
      return {
        count: passing(state.find(request.collection), request.filter).length,
        timestamp: state.clock,
      };
    },
    scan: async (request) => {
      state.note('scan', request);
      const stored = state.find(request.collection);
      const rows = inKeyOrder(passing(stored, request.filter));
      const from = Number(request.page ?? 0);
      const to = from + request.pageRows;
      const next = to < rows.length ? String(to) : undefined;
      return { ...state.answer(stored, rows.slice(from, to), request), next };
    },
    explain: async (request) => {
      state.note('explain', request);
      const rows = passing(state.find(request.collection), request.filter).length;
      const recallIs = 'exact' as const;
      return {
        way: 'inline',
        expectedRecall: 1,
        recallIs,
        candidates: rows,
        segments: [],
        stages: [],
      };
    },
  };
}

function checkLimit(request: { readonly limit: number; readonly offset: number }): void {
  const rows = request.limit + request.offset;
  if (request.limit >= 1 && request.offset >= 0 && rows <= LIMITS.resultRowsMax) return;
  throw new ElanusError('limit_out_of_range', { got: String(request.limit) });
}

function keysOf(keys: KeyColumn): (bigint | string)[] {
  const rows = 'offsets' in keys ? keys.offsets.length - 1 : keys.values.length;
  return Array.from({ length: rows }, (_, row) => keyAt(keys, row));
}

function withIds(batch: ColumnBatch, key: Field, first: bigint): ColumnBatch {
  const values = BigInt64Array.from({ length: batch.rowCount }, (_, i) => first + BigInt(i));
  return { ...batch, columns: new Map(batch.columns).set(key.id, { kind: 'int64', values }) };
}

function schemaOf(
  request: { readonly name: string; readonly definition: SchemaDefinition },
  count: number,
): CollectionSchema {
  const { fields, dynamic, shards } = request.definition;
  return {
    collectionId: (count + 1) as CollectionSchema['collectionId'],
    name: request.name,
    version: 1,
    fields: fields.map((field, i) => ({ ...field, id: (100 + i) as FieldId })),
    dynamic: dynamic ?? false,
    shards: shards ?? 1,
  };
}

function compare(schema: CollectionSchema, definition: SchemaDefinition): string[] {
  const old = schema.fields.map(({ id: _id, as: _as, ...field }) => JSON.stringify(field));
  const asked = definition.fields.map(({ as: _as, ...field }) => JSON.stringify(field));
  return asked.filter((field) => !old.includes(field)).map((field) => `other: ${field}`);
}

function inKeyOrder(rows: readonly StoredRow[]): StoredRow[] {
  return rows.toSorted((a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : 0));
}

function passing(stored: Stored, filter: WireFilter | undefined, removing = false): StoredRow[] {
  if (filter === undefined) return stored.rows;
  const { schema } = stored.info;
  const expr =
    filter.kind === 'object'
      ? filterFromObject(filter.value, schema)
      : parseFilter(filter.text, filter.params);
  const checked = checkFilter(expr, schema);
  if (removing && saysNothing(checked)) throw new ElanusError('empty_delete', {});
  return stored.rows.filter((row) => {
    const { batch, index } = row;
    const timestamps = new BigUint64Array(batch.rowCount).fill(row.timestamp);
    const bits = evaluate(checked, { ...batch, timestamps }, { from: index, to: index + 1 });
    return hasBit(bits, index);
  });
}

interface Scored {
  readonly row: StoredRow;
  readonly score: number;
}

function nearest(stored: Stored, request: SearchRequest & ReadPoint): Scored[][] {
  const { schema } = stored.info;
  const field = searchField(schema, request.field);
  const dim = field.dim ?? 1;
  const candidates = passing(stored, request.filter);
  return queriesOf(stored, field, request).map((query) => {
    const scored = candidates.map((row) => ({
      row,
      score: score(field, query, vectorOf(row, field)),
    }));
    const sign = field.metric === 'l2' ? 1 : -1;
    const { min = -Infinity, max = Infinity } = request.within ?? {};
    if (query.length !== dim) throw new ElanusError('dimension_mismatch', { field: field.name });
    return scored
      .filter((hit) => hit.score >= min && hit.score <= max)
      .sort((a, b) => sign * (a.score - b.score) || (a.row.key < b.row.key ? -1 : 1))
      .slice(request.offset, request.offset + request.limit);
  });
}

function queriesOf(stored: Stored, field: Field, request: SearchRequest): Float32Array[] {
  const { queries } = request;
  if (queries.kind === 'vectors') {
    const { column } = queries;
    return Array.from({ length: columnRows(column) }, (_, i) => floatsAt(column, i));
  }
  return keysOf(queries.keys).map((key) => {
    const row = stored.rows.find((candidate) => candidate.key === key);
    if (row === undefined) throw new ElanusError('key_not_found', { key: String(key) });
    return vectorOf(row, field);
  });
}

function vectorOf(row: StoredRow, field: Field): Float32Array {
  const column = row.batch.columns.get(field.id);
  return column === undefined ? new Float32Array(field.dim ?? 1) : floatsAt(column, row.index);
}

/** A vector of float32: the reference knows no other. */
function floatsAt(column: Column, row: number): Float32Array {
  if (column.kind !== 'vector' || !(column.values instanceof Float32Array)) {
    throw new Error('the reference has float32 vectors only');
  }
  return column.values.subarray(row * column.dim, (row + 1) * column.dim);
}

function score(field: Field, a: Float32Array, b: Float32Array): number {
  let [dot, aa, bb, distance] = [0, 0, 0, 0];
  for (let i = 0; i < a.length; i++) {
    const [x, y] = [a[i] as number, b[i] as number];
    dot += x * y;
    aa += x * x;
    bb += y * y;
    distance += (x - y) ** 2;
  }
  if (field.metric === 'l2') return distance;
  return field.metric === 'ip' ? dot : dot / Math.sqrt(aa * bb || 1);
}

/** The rows' columns, gathered one by one. */
function gather(
  schema: CollectionSchema,
  rows: readonly StoredRow[],
  request: Projection,
): ColumnBatch {
  const { select, omit } = request;
  const key = primaryField(schema);
  const scalars = storedFields(schema).filter((field) => field.type !== 'vector');
  const unknown = select?.find(
    (name) => name !== TIMESTAMP_FIELD && fieldByName(schema, name) === undefined,
  );
  if (unknown !== undefined && !schema.dynamic) {
    throw new ElanusError('unknown_field', { field: unknown });
  }
  const wanted =
    select === undefined
      ? scalars.filter((field) => omit?.includes(field.name) !== true)
      : storedFields(schema).filter(
          (field) =>
            select.includes(field.name) || (unknown !== undefined && field.name === '$meta'),
        );
  const fields = wanted.includes(key) || select === undefined ? wanted : [key, ...wanted];
  const columns = new Map<FieldId, Column>();
  for (const field of fields) columns.set(field.id, pick(field, rows));
  if (select?.includes(TIMESTAMP_FIELD) === true) {
    const values = BigInt64Array.from(rows, (row) => row.timestamp);
    columns.set(TIMESTAMP_FIELD_ID, { kind: 'int64', values });
  }
  return { rowCount: rows.length, columns };
}

function pick(field: Field, rows: readonly StoredRow[]): Column {
  const cells = rows.map((row) => {
    const column = row.batch.columns.get(field.id);
    return column === undefined
      ? { column: defaultColumn(field, 1), index: 0 }
      : { column, index: row.index };
  });
  const valid = createBitset(rows.length);
  cells.forEach(({ column, index }, i) => isPresent(column, index) && setBit(valid, i));
  return join(cells, valid) ?? defaultColumn(field, 0);
}

interface Cell {
  readonly column: Column;
  readonly index: number;
}

function join(cells: readonly Cell[], valid: Uint32Array): Column | undefined {
  const kind = cells[0]?.column.kind;
  if (kind === undefined || kind === 'sparse') return undefined;
  if (kind === 'vector') {
    const parts = cells.map(({ column, index }) => [...floatsAt(column, index)]);
    const values = Float32Array.from(parts.flat());
    return { kind, type: 'float32', dim: parts[0]?.length ?? 1, values };
  }
  if (kind === 'array') return joinArrays(cells, valid);
  if (kind === 'varchar' || kind === 'json' || kind === 'bytes') {
    const parts = cells.map(({ column, index }) => {
      const { data, offsets } = column as BytesColumn;
      return data.slice(offsets[index], offsets[index + 1]);
    });
    const offsets = offsetsOf(parts.map((part) => part.length));
    const data = new Uint8Array(offsets[parts.length] as number);
    parts.forEach((part, i) => data.set(part, offsets[i]));
    return { kind, offsets, data, valid };
  }
  const [one] = cells;
  const first = (one?.column as NumberColumn | undefined)?.values ?? new Float64Array(0);
  const values = first.slice(0, 0).constructor as unknown as {
    from(list: unknown[]): NumberColumn['values'];
  };
  const list = cells.map(({ column, index }) => (column as NumberColumn).values[index]);
  return { kind, values: values.from(list), valid };
}

function joinArrays(cells: readonly Cell[], valid: Uint32Array): ArrayColumn {
  const elements: Cell[] = [];
  const lengths = cells.map(({ column, index }) => {
    const { offsets, element } = column as ArrayColumn;
    const from = offsets[index] as number;
    const to = offsets[index + 1] as number;
    for (let i = from; i < to; i++) elements.push({ column: element, index: i });
    return to - from;
  });
  const element =
    join(elements, createBitset(elements.length)) ??
    (cells[0]?.column as ArrayColumn | undefined)?.element;
  const { valid: _none, ...rest } = element as NumberColumn;
  return { kind: 'array', offsets: offsetsOf(lengths), element: rest, valid };
}

function offsetsOf(lengths: readonly number[]): Uint32Array {
  const offsets = new Uint32Array(lengths.length + 1);
  lengths.forEach((length, i) => {
    offsets[i + 1] = (offsets[i] as number) + length;
  });
  return offsets;
}
