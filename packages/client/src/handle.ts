import type {
  Call,
  Database,
  KeyColumn,
  OutputRow,
  ReadPoint,
  RowsResult,
  ScanResult,
  SearchRequest,
  SearchResult,
  WireFilter,
  WriteRequest,
  WriteResult,
} from '@elanus/api';
import { decodeKeys, decodeRows, encodeKeys, fieldColumn, keyReader } from '@elanus/api';
import { searchField } from '@elanus/api';
import type { Awaitable, CollectionSchema, Column, ColumnBatch, Consistency } from '@elanus/core';
import type { FieldId, IndexChoice } from '@elanus/core';
import { ElanusError, LIMITS, assert, isElanusError, isVectorColumn } from '@elanus/core';
import { columnOf, primaryField, sameValue, storedFields } from '@elanus/core';
import type { Collection, Scan } from './collection.ts';
import { compact, type CompactOptions } from './compact.ts';
import { wireFilter } from './filters.ts';
import type { CallIds, IdMemory } from './ids.ts';
import { makeKey } from './ids.ts';
import type { Platform } from './platform.ts';
import type { CallSettings, RetrySettings } from './retry.ts';
import { releaseVectors } from './release-vectors.ts';
import { TIMEOUT_MS, withRetries } from './retry.ts';
import type { Session } from './session.ts';
import type { ShownAs } from './shown-as.ts';
import { schemaToRead, schemaToWrite } from './shown-as.ts';
import { asOfCall } from './write-errors.ts';
import type { Encoded, WritePart } from './write.ts';
import { encodeInput } from './write.ts';

/** What a handle stands on. */
export interface HandleContext {
  readonly database: Database;
  readonly platform: Platform;
  readonly session: Session;
  readonly ids: IdMemory;
  readonly consistency: Consistency;
  readonly settings: CallSettings;
}

/** Options as the untyped inside sees them. */
type Options = Readonly<Record<string, unknown>> & CallSettings;

interface Handle {
  readonly context: HandleContext;
  readonly name: string;
  readonly shown: ShownAs;
  /** The schema as rows are read. */
  schema: CollectionSchema;
  /** The schema as rows are written. */
  written: CollectionSchema;
  /** The filter of the search before, as it was sent. */
  filter: WireFilter | undefined;
}

const LIMIT_DEFAULT = 10;
const PAGE_ROWS_DEFAULT = 1_000;
/** Batches of an iterable that may wait for their acknowledgement at once. */
const IN_FLIGHT = 2;

/**
 * Makes the collection handle; types are put on by `Collection`.
 *
 * @param shown how this handle shows 64-bit integers; as the catalog says when it says nothing.
 */
export function createHandle(
  context: HandleContext,
  schema: CollectionSchema,
  shown: ShownAs = new Map(),
): Collection {
  const handle: Handle = {
    context,
    name: schema.name,
    shown,
    schema: schemaToRead(schema, shown),
    written: schemaToWrite(schema, shown),
    filter: undefined,
  };
  const typed = {
    name: schema.name,
    get schema() {
      return handle.schema;
    },
    insert: (rows: unknown, options: Options = {}) => write(handle, 'insert', { rows, options }),
    upsert: (rows: unknown, options: Options = {}) => write(handle, 'upsert', { rows, options }),
    delete: (target: Options, options: Options = {}) => remove(handle, target, options),
    get: (ids: unknown, options: Options = {}) => get(handle, ids, options),
    query: (options: Options = {}) => query(handle, options),
    count: (options: Options = {}) => count(handle, options),
    search: (options: Options) => search(handle, options),
    scan: (options: Options = {}) => scan(handle, options),
    explain: (options: Options) => {
      const request = searchRequest(handle, options);
      return run(handle, options, (call) => context.database.explain(request, call));
    },
    index: (field: string, index: IndexChoice, options: Options = {}) =>
      run(handle, options, (call) =>
        context.database.setIndex({ collection: handle.name, field, index }, call),
      ),
    compact: (options: CompactOptions = {}) => compact(compactionTarget(handle), options),
    describe: (options: Options = {}) =>
      run(handle, options, (call) => context.database.describeCollection(handle.name, call)),
  };
  return typed as unknown as Collection;
}

function compactionTarget(handle: Handle): Parameters<typeof compact>[0] {
  const { database, platform, settings } = handle.context;
  return {
    database,
    collection: handle.name,
    nowMs: platform.nowMs,
    callMs: settings.timeoutMs ?? TIMEOUT_MS,
    run: (options, send) => run(handle, options, send),
  };
}

async function run<T>(
  handle: Handle,
  options: RetrySettings,
  send: (call: Call) => Awaitable<T>,
): Promise<T> {
  return begin(handle, options, send);
}

/** The same, in this turn where everything is there. */
function begin<T>(
  handle: Handle,
  options: RetrySettings,
  send: (call: Call) => Awaitable<T>,
): Awaitable<T> {
  const { platform, settings } = handle.context;
  const timeoutMs = options.timeoutMs ?? settings.timeoutMs;
  const signal = options.signal ?? settings.signal;
  return withRetries(platform, { timeoutMs, signal, writes: options.writes }, send);
}

function note(handle: Handle, timestamp: bigint): void {
  handle.context.session.note(handle.schema.collectionId, timestamp);
}

function readPoint(handle: Handle, options: Options): ReadPoint {
  const { context, schema } = handle;
  return {
    consistency: (options['consistency'] as Consistency | undefined) ?? context.consistency,
    sessionTimestamp: context.session.seen(schema.collectionId),
  };
}

interface Projected {
  readonly select: readonly string[] | undefined;
  readonly omit: readonly string[] | undefined;
}

function projection(options: Options): Projected {
  const select = options['select'] as readonly string[] | undefined;
  const omit = options['omit'] as readonly string[] | undefined;
  return { select: select && [...select], omit: omit && [...omit] };
}

/** The result as rows, after looking the schema up again when it has changed meanwhile. */
async function rowsOf(handle: Handle, result: RowsResult, options: Options): Promise<OutputRow[]> {
  note(handle, result.timestamp);
  if (result.schemaVersion !== handle.schema.version) await refresh(handle, options);
  return decodeRows(result.rows, handle.schema, projection(options));
}

async function refresh(handle: Handle, options: Options): Promise<void> {
  const { database } = handle.context;
  const info = await run(handle, options, (call) => database.openCollection(handle.name, call));
  handle.schema = schemaToRead(info.schema, handle.shown);
  handle.written = schemaToWrite(info.schema, handle.shown);
}

interface WriteJob {
  readonly rows: unknown;
  readonly options: Options;
}

interface Outcome {
  count: number;
  ids?: unknown[];
  timestamp: bigint;
}

/** A write by its parts, as they are sent. */
interface Writing {
  readonly mode: 'insert' | 'upsert';
  readonly options: Options;
  readonly idempotencyKey: string;
  /** What the rows are encoded in; the handle may know a newer one meanwhile. */
  readonly schema: CollectionSchema;
  /** The ids of its rows, where the database makes them. */
  readonly made: CallIds | undefined;
  /** Those that came back, by part. */
  readonly ids: unknown[][];
  readonly outcome: Outcome;
}

async function write(handle: Handle, mode: 'insert' | 'upsert', job: WriteJob): Promise<Outcome> {
  const { context, written: schema } = handle;
  const { collectionId } = schema;
  const given = job.options['idempotencyKey'] as string | undefined;
  const idempotencyKey = given ?? makeKey(context.platform);
  const auto = primaryField(schema).autoId === true;
  const made = auto ? context.ids.of(collectionId, idempotencyKey) : undefined;
  // Encoded before the first await: later changes to the caller's arrays have no effect.
  const input = encodeInput(job.rows, { schema, idAt: made?.textAt });
  const outcome: Outcome = { count: 0, timestamp: 0n };
  const { options } = job;
  const writing = { mode, options, idempotencyKey, schema, made, ids: [], outcome };
  await sendParts(handle, writing, input);
  if (made === undefined) return outcome;
  if (given === undefined) context.ids.forget(collectionId, idempotencyKey);
  return { ...outcome, ids: writing.ids.flat() };
}

/** Sends the parts, a few at a time; ends when all that were sent have ended. */
async function sendParts(handle: Handle, writing: Writing, input: Encoded): Promise<void> {
  const pending: Promise<void>[] = [];
  const single = input.kind === 'now' && input.parts.length === 1;
  let index = 0;
  try {
    for await (const part of input.parts) {
      const key = writing.idempotencyKey;
      const idempotencyKey = single ? key : `${key}.${index}`;
      const sent = writePart(handle, writing, { ...part, index, idempotencyKey });
      sent.catch(() => undefined);
      pending.push(sent);
      index++;
      if (pending.length >= IN_FLIGHT) await pending.shift();
    }
    for (const sent of pending) await sent;
  } finally {
    await Promise.allSettled(pending);
  }
  if (index === 0) throw new ElanusError('empty_write', {});
}

interface SentPart extends WritePart {
  readonly index: number;
  readonly idempotencyKey: string;
}

async function writePart(handle: Handle, writing: Writing, part: SentPart): Promise<void> {
  const { options, outcome, mode, idempotencyKey } = writing;
  try {
    const whole = await withIds(handle, writing, part);
    const { written: schema } = handle;
    const batch =
      schema === writing.schema ? whole : upgradeBatch(whole, schema, writing.schema.collectionId);
    const conflict = options['onConflict'] as 'error' | 'skip' | 'replace' | undefined;
    const request = {
      collection: handle.name,
      collectionId: schema.collectionId,
      schemaVersion: schema.version,
      batch,
      mode,
      onConflict: mode === 'upsert' ? ('replace' as const) : (conflict ?? 'error'),
      idempotencyKey: part.idempotencyKey,
    };
    let attempts = 0;
    const result = await run(handle, { ...options, writes: true }, (call) => {
      attempts++;
      return sendWrite(handle, { request, call, options });
    });
    // An attempt that was given up may still be under way, and reads what it was given.
    if (attempts === 1) releaseVectors(whole);
    note(handle, result.timestamp);
    outcome.count += result.count;
    if (result.timestamp > outcome.timestamp) outcome.timestamp = result.timestamp;
    if (writing.made !== undefined) writing.ids[part.index] = idsOf(handle, result, batch);
  } catch (error) {
    throw asOfCall(error, { idempotencyKey, firstRow: part.firstRow });
  }
  const onProgress = options['onProgress'] as ((progress: object) => void) | undefined;
  onProgress?.({ rows: outcome.count });
}

interface Sending {
  readonly request: WriteRequest;
  readonly call: Call;
  readonly options: Options;
}

/** Sends a write; when the schema has changed since it was encoded, once more in the new one. */
async function sendWrite(handle: Handle, sending: Sending): Promise<WriteResult> {
  const { database } = handle.context;
  const { request, call } = sending;
  try {
    return await database.write(request, call);
  } catch (error) {
    const isStale = isElanusError(error, 'schema_version_stale');
    if (!isStale && !isElanusError(error, 'collection_dropped')) throw error;
    await refresh(handle, sending.options);
    const { schema } = handle;
    const batch = upgradeBatch(request.batch, schema, request.collectionId);
    return database.write({ ...request, batch, schemaVersion: schema.version }, call);
  }
}

/**
 * The batch in a newer schema: new fields hold nulls or defaults, dropped ones are left out.
 *
 * @throws collection_dropped where it is of another collection: the same ids are other fields.
 */
function upgradeBatch(
  batch: ColumnBatch,
  schema: CollectionSchema,
  collectionId: number | undefined,
): ColumnBatch {
  if (collectionId !== schema.collectionId) {
    throw new ElanusError('collection_dropped', { name: schema.name });
  }
  const values = Array.from({ length: batch.rowCount }, (): undefined => undefined);
  const columns = new Map<FieldId, Column>();
  for (const field of storedFields(schema)) {
    const column = batch.columns.get(field.id);
    columns.set(field.id, column ?? fieldColumn({ values, field, firstRow: 0 }, {}));
  }
  return { rowCount: batch.rowCount, columns };
}

function idsOf(handle: Handle, result: WriteResult, batch: ColumnBatch): unknown[] {
  const field = primaryField(handle.schema);
  const keys = result.keys ?? (batch.columns.get(field.id) as KeyColumn | undefined);
  return keys === undefined ? [] : decodeKeys(keys, field, false);
}

/** Puts ids of a leased block into a batch that has none, so that retries send the same bytes. */
async function withIds(handle: Handle, writing: Writing, part: SentPart): Promise<ColumnBatch> {
  const { batch, firstRow } = part;
  const { made, options } = writing;
  const field = primaryField(handle.schema);
  if (made === undefined || batch.columns.has(field.id)) return batch;
  const { rowCount } = batch;
  let block = made.blocks.get(firstRow);
  if (block?.count !== rowCount) {
    const { database } = handle.context;
    const request = { collection: handle.name, count: rowCount };
    block = await run(handle, options, (call) => database.reserveIds(request, call));
    made.blocks.set(firstRow, block);
  }
  const values = new BigInt64Array(rowCount);
  for (let i = 0; i < rowCount; i++) values[i] = block.first + BigInt(i);
  const columns = new Map(batch.columns);
  columns.set(field.id, { kind: 'int64', values, valid: undefined });
  return { rowCount, columns };
}

async function remove(
  handle: Handle,
  target: Options,
  options: Options,
): Promise<{ count: number; timestamp: bigint }> {
  const { context } = handle;
  const given = options['idempotencyKey'] as string | undefined;
  const idempotencyKey = given ?? makeKey(context.platform);
  const request = {
    ...readPoint(handle, options),
    collection: handle.name,
    target: deleteTarget(handle, target),
    idempotencyKey,
  };
  const result = await run(handle, { ...options, writes: true }, (call) =>
    context.database.delete(request, call),
  ).catch((error: unknown) => {
    throw asOfCall(error, { idempotencyKey, firstRow: 0 });
  });
  note(handle, result.timestamp);
  return { count: result.count, timestamp: result.timestamp };
}

function deleteTarget(
  handle: Handle,
  target: Options,
): Parameters<Database['delete']>[0]['target'] {
  if (typeof target !== 'object' || target === null || Array.isArray(target)) {
    throw new ElanusError('invalid_argument', {
      argument: 'target',
      hint: 'Say what to delete: { ids: [...] }, { filter: ... } or { all: true }.',
    });
  }
  const names = ['ids', 'filter', 'all'].filter((name) => target[name] !== undefined);
  if (names.length > 1) {
    throw new ElanusError('invalid_argument', {
      argument: names.join(', '),
      hint: 'Give exactly one of ids, filter and all.',
    });
  }
  const { ids } = target;
  if (Array.isArray(ids) && ids.length > 0) {
    return { kind: 'keys', keys: encodeKeys(ids, handle.schema) };
  }
  const filter = wireFilter(target['filter']);
  const empty = filter?.kind === 'object' && Object.keys(filter.value).length === 0;
  if (filter !== undefined && !empty) return { kind: 'filter', filter };
  if (target['all'] === true) return { kind: 'all' };
  throw new ElanusError('empty_delete', {});
}

async function get(handle: Handle, ids: unknown, options: Options): Promise<unknown> {
  const many = Array.isArray(ids);
  const list = many ? (ids as unknown[]) : [ids];
  if (list.length === 0) return [];
  const request = {
    ...readPoint(handle, options),
    ...projection(options),
    collection: handle.name,
    keys: encodeKeys(list, handle.schema),
  };
  const { database } = handle.context;
  const result = await run(handle, options, (call) => database.get(request, call));
  const rows = await rowsOf(handle, result, options);
  const placed = Array.from({ length: list.length }, (): OutputRow | undefined => undefined);
  result.positions.forEach((position, i) => {
    placed[position] = rows[i];
  });
  return many ? placed : placed[0];
}

async function query(handle: Handle, options: Options): Promise<OutputRow[]> {
  const offset = (options['offset'] as number | undefined) ?? 0;
  const request = {
    ...readPoint(handle, options),
    ...projection(options),
    collection: handle.name,
    filter: wireFilter(options['filter']),
    // Without a limit: as many as one answer may hold.
    limit: (options['limit'] as number | undefined) ?? LIMITS.resultRowsMax - offset,
    offset,
  };
  const { database } = handle.context;
  const result = await run(handle, options, (call) => database.query(request, call));
  return rowsOf(handle, result, options);
}

async function count(handle: Handle, options: Options): Promise<number> {
  const request = {
    ...readPoint(handle, options),
    collection: handle.name,
    filter: wireFilter(options['filter']),
  };
  const { database } = handle.context;
  const result = await run(handle, options, (call) => database.count(request, call));
  note(handle, result.timestamp);
  return result.count;
}

/** Written out: short searches come so often that each object on their way shows. */
function searchRequest(handle: Handle, options: Options): SearchRequest {
  const { context, schema } = handle;
  const select = options['select'] as readonly string[] | undefined;
  const omit = options['omit'] as readonly string[] | undefined;
  return {
    consistency: (options['consistency'] as Consistency | undefined) ?? context.consistency,
    sessionTimestamp: context.session.seen(schema.collectionId),
    select: select && [...select],
    omit: omit && [...omit],
    collection: handle.name,
    field: options['field'] as string | undefined,
    queries: queries(handle, options),
    limit: (options['limit'] as number | undefined) ?? LIMIT_DEFAULT,
    offset: (options['offset'] as number | undefined) ?? 0,
    filter: searchFilter(handle, options['filter']),
    within: options['within'] as SearchRequest['within'],
    recall: options['recall'] as number | undefined,
    params: options['params'] as SearchRequest['params'],
  };
}

/** Most searches have the filter of the one before: then it is that, not a copy. */
function searchFilter(handle: Handle, filter: unknown): WireFilter | undefined {
  if (filter === undefined) return undefined;
  const { filter: last } = handle;
  if (last?.kind === 'object' && sameValue(last.value, filter)) return last;
  handle.filter = wireFilter(filter);
  return handle.filter;
}

function queries(handle: Handle, options: Options): SearchRequest['queries'] {
  const { vector, vectors, ids } = options;
  const field = searchField(handle.schema, options['field'] as string | undefined);
  if (Array.isArray(ids)) return { kind: 'keys', keys: encodeKeys(ids, handle.schema) };
  const list = vectors === undefined ? [vector] : (vectors as unknown[]);
  if (list.length === 0 || list[0] === undefined) {
    throw new ElanusError('invalid_argument', {
      argument: 'vector',
      hint: 'Give one of vector, vectors and ids.',
    });
  }
  const column = fieldColumn({ values: list, field, firstRow: 0 }, {});
  assert(isVectorColumn(column), 'a vector field has vectors');
  return { kind: 'vectors', column };
}

/** Mostly the answer is there at once: then the promise is all that is made for it. */
function search(handle: Handle, options: Options): Promise<unknown> {
  try {
    const request = searchRequest(handle, options);
    const { database } = handle.context;
    const answer = begin(handle, options, (call) => database.search(request, call));
    if (answer instanceof Promise) return answer.then((later) => found(handle, later, options));
    return Promise.resolve(found(handle, answer, options));
  } catch (error) {
    return Promise.reject(error);
  }
}

function found(handle: Handle, result: SearchResult, options: Options): Awaitable<unknown> {
  note(handle, result.timestamp);
  if (result.schemaVersion === handle.schema.version) return hitLists(handle, result, options);
  return refresh(handle, options).then(() => hitLists(handle, result, options));
}

/** The hits of one vector, or a list of them for each. */
function hitLists(handle: Handle, result: SearchResult, options: Options): unknown {
  const hits = hitsOf(handle, result, options);
  if (options['vector'] !== undefined) return hits;
  const lists: OutputRow[][] = [];
  let at = 0;
  for (const length of result.counts) lists.push(hits.slice(at, (at += length)));
  return lists;
}

/** All hits: the key comes first, then the score, then the fields. */
function hitsOf(handle: Handle, result: SearchResult, options: Options): OutputRow[] {
  const { columns, rowCount } = result.rows;
  const field = primaryField(handle.schema);
  const { name } = field;
  const keyAt = keyReader(columnOf(result.rows, field.id) as KeyColumn, field);
  const rows: OutputRow[] = [];
  for (let i = 0; i < rowCount; i++) rows.push({ [name]: keyAt(i), score: result.scores[i] });
  if (columns.size === 1) return rows;
  const { select, omit } = projection(options);
  return decodeRows(result.rows, handle.schema, { select, omit, rows });
}

function scan(handle: Handle, options: Options): Scan<OutputRow> {
  const filter = wireFilter(options['filter']);
  const page = async (token: string | undefined): Promise<ScanResult & { list: OutputRow[] }> => {
    const request = {
      ...readPoint(handle, options),
      ...projection(options),
      collection: handle.name,
      filter,
      pageRows: (options['pageRows'] as number | undefined) ?? PAGE_ROWS_DEFAULT,
      page: token,
    };
    const { database } = handle.context;
    const result = await run(handle, options, (call) => database.scan(request, call));
    return { ...result, list: await rowsOf(handle, result, options) };
  };
  async function* pages(): AsyncGenerator<OutputRow[]> {
    let token = options['page'] as string | undefined;
    do {
      const { list, next } = await page(token);
      if (list.length > 0) yield list;
      token = next;
    } while (token !== undefined);
  }
  async function* rows(): AsyncGenerator<OutputRow> {
    for await (const list of pages()) yield* list;
  }
  return {
    [Symbol.asyncIterator]: pages,
    rows,
    page: async () => {
      const { list, next } = await page(options['page'] as string | undefined);
      return { rows: list, next };
    },
  };
}
