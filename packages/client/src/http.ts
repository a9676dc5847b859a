import type {
  Call,
  CollectionDetails,
  CollectionSummary,
  Database,
  Explanation,
  FrameResult,
  Health,
  Json,
  KeyColumn,
  Projection,
  QueryRequest,
  ReadPoint,
  SearchRequest,
  WireFilter,
  WriteRequest,
  WriteResult,
} from '@elanus/api';
import {
  encodeEnvelope,
  encodeValue,
  keyAt,
  readFrameResult,
  scalarColumn,
  toBase64,
} from '@elanus/api';
import type { CompactionStatus, Field, SparseColumn, VectorColumn, WireError } from '@elanus/core';
import { ElanusError, columnRows, encodeColumns, fromWireError } from '@elanus/core';

/** How a server is reached. */
export interface HttpOptions {
  /** Bearer token. */
  readonly token?: string | undefined;
  /** Another `fetch`; the platform's when absent. */
  readonly fetch?: typeof fetch | undefined;
}

type Fetch = (path: string, body: BodyInit | undefined, call: Call | undefined) => Promise<unknown>;

/**
 * A database behind HTTP: speaks to the server's tRPC router with nothing but `fetch`, so that it
 * runs in browsers and at the edge. Rows travel as columns, failures come back as they were thrown.
 *
 * @param url the server's address, as in `http://localhost:19530`.
 */
export function httpTransport(url: string, options: HttpOptions = {}): Database {
  const send = sender(url, options);
  const json = <T>(path: string, input: unknown, call?: Call): Promise<T> =>
    send(path, input === undefined ? undefined : JSON.stringify(input), call) as Promise<T>;
  return { ...catalogOf(json), ...rowsOf(json, send), close: async () => undefined };
}

type SendJson = <T>(path: string, input: unknown, call?: Call) => Promise<T>;

function sender(url: string, options: HttpOptions): Fetch {
  const base = `${url.replace(/\/+$/, '')}/trpc/`;
  const doFetch = options.fetch ?? fetch;
  return async (path, body, call) => {
    const headers: Record<string, string> = {
      'content-type': typeof body === 'string' ? 'application/json' : 'application/octet-stream',
    };
    if (body === undefined) headers['content-type'] = 'application/json';
    if (options.token !== undefined) headers['authorization'] = `Bearer ${options.token}`;
    const { timeoutMs, signal } = call ?? {};
    if (timeoutMs !== undefined) headers['elanus-timeout-ms'] = deadline(timeoutMs);
    const timeout = timeoutMs === undefined ? undefined : AbortSignal.timeout(timeoutMs);
    const signals = [signal, timeout].filter((one) => one !== undefined);
    const init: RequestInit = { method: 'POST', headers, signal: AbortSignal.any(signals) };
    if (body !== undefined) init.body = body;
    try {
      const response = await doFetch(base + path, init);
      return await readResponse(response, url);
    } catch (error) {
      throw failure(error, { url, timeoutMs, signal, timeout });
    }
  };
}

interface Sent {
  readonly url: string;
  readonly timeoutMs: number | undefined;
  readonly signal: AbortSignal | undefined;
  readonly timeout: AbortSignal | undefined;
}

function failure(error: unknown, sent: Sent): unknown {
  if (error instanceof ElanusError) return error;
  if (sent.signal?.aborted === true) return new ElanusError('cancelled', {}, { cause: error });
  if (sent.timeout?.aborted === true) {
    const details = { timeoutMs: Math.round(sent.timeoutMs ?? 0) };
    return new ElanusError('deadline_exceeded', details, { cause: error });
  }
  const hint = 'Is `elanus serve` running there?';
  return new ElanusError('unavailable', { what: sent.url, hint }, { cause: error });
}

interface Envelope {
  readonly result?: { readonly data?: unknown };
  readonly error?: { readonly message?: string; readonly data?: { readonly elanus?: WireError } };
}

async function readResponse(response: Response, url: string): Promise<unknown> {
  const text = await response.text();
  let envelope: Envelope;
  try {
    envelope = JSON.parse(text) as Envelope;
  } catch {
    const hint = `It answered ${response.status}, and no JSON.`;
    throw new ElanusError('unavailable', { what: url, hint });
  }
  const wire = envelope.error?.data?.elanus;
  if (wire !== undefined) throw fromWireError(wire);
  if (envelope.result !== undefined) return envelope.result.data;
  const hint = `It answered ${response.status}: is it an Elanus server?`;
  throw new ElanusError('unavailable', { what: url, hint });
}

type Catalog = Pick<
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
  | 'reserveIds'
  | 'health'
>;

function catalogOf(json: SendJson): Catalog {
  return {
    createCollection: (request, call) =>
      json<CollectionSummary>('collections.create', request, call),
    openCollection: (collection, call) =>
      json<CollectionSummary>('collections.open', { collection }, call),
    describeCollection: (collection, call) =>
      json<CollectionDetails>('collections.describe', { collection }, call),
    listCollections: (call) => json<CollectionSummary[]>('collections.list', undefined, call),
    alterCollection: (request, call) => json<CollectionSummary>('collections.alter', request, call),
    renameCollection: (request, call) => json<undefined>('collections.rename', request, call),
    setAlias: (request, call) => json<undefined>('collections.alias', request, call),
    setIndex: (request, call) => json<undefined>('collections.index', request, call),
    compact: (collection, call) =>
      json<CompactionStatus>('collections.compact', { collection }, call),
    describeCompaction: (request, call) =>
      json<CompactionStatus>('collections.compaction', request, call),
    cancelCompaction: (id, call) =>
      json<CompactionStatus>('collections.cancelCompaction', { id }, call),
    dropCollection: (collection, call) => json<undefined>('collections.drop', { collection }, call),
    reserveIds: async (request, call) => {
      type Block = { readonly first: string; readonly count: number };
      const block = await json<Block>('entities.reserveIds', request, call);
      return { first: BigInt(block.first), count: block.count };
    },
    health: (call) => json<Health>('health', undefined, call),
  };
}

/** What the server answers to a write. */
interface Written {
  readonly count: number;
  readonly timestamp: string;
  readonly ids?: readonly string[];
}

type Rows = Omit<Database, keyof Catalog | 'close'>;

function rowsOf(json: SendJson, send: Fetch): Rows {
  return {
    write: async (request, call) => {
      const body = writeBody(request);
      return writtenOf(request, (await send('entities.write', body, call)) as Written);
    },
    delete: async (request, call) => {
      const { target } = request;
      const input = {
        ...pointOf(request),
        collection: request.collection,
        idempotencyKey: request.idempotencyKey,
        ...(target.kind === 'keys' ? { ids: keysOf(target.keys) } : {}),
        ...(target.kind === 'filter' ? filterOf(target.filter) : {}),
        ...(target.kind === 'all' ? { all: true } : {}),
      };
      const result = await json<Written>('entities.delete', input, call);
      return { count: result.count, timestamp: BigInt(result.timestamp) };
    },
    search: async (request, call) =>
      readFrameResult(await json<FrameResult>('search', searchInput(request), call)),
    explain: (request, call) => json<Explanation>('explain', searchInput(request), call),
    query: async (request, call) =>
      readFrameResult(await json<FrameResult>('entities.query', pageInput(request), call)),
    get: async (request, call) => {
      const input = { ...readInput(request), ids: keysOf(request.keys) };
      return readFrameResult(await json<FrameResult>('entities.get', input, call));
    },
    count: async (request, call) => {
      const { collection, filter } = request;
      const input = { ...pointOf(request), collection, ...filterOf(filter) };
      type Counted = { readonly count: number; readonly timestamp: string };
      const result = await json<Counted>('entities.count', input, call);
      return { count: result.count, timestamp: BigInt(result.timestamp) };
    },
    scan: async (request, call) => {
      const { pageRows, page } = request;
      const input = { ...readInput(request), ...filterOf(request.filter), pageRows, page };
      return readFrameResult(await json<FrameResult>('entities.scanPage', input, call));
    },
  };
}

function writeBody(request: WriteRequest): Uint8Array<ArrayBuffer> {
  const { batch, ...head } = request;
  return encodeEnvelope(head, encodeColumns(batch));
}

/** Keys come back as text; they are a column again before anyone sees them. */
function writtenOf(request: WriteRequest, result: Written): WriteResult {
  const base = { count: result.count, timestamp: BigInt(result.timestamp) };
  if (result.ids === undefined) return base;
  const whole = result.ids.every((id) => /^-?\d{1,19}$/.test(id));
  const type = whole && !hasTextKey(request) ? 'int64' : 'varchar';
  const field = { id: 0, name: 'key', type } as unknown as Field;
  const keys = scalarColumn(type, { values: result.ids, field, firstRow: 0 }, undefined);
  return { ...base, keys };
}

function hasTextKey(request: WriteRequest): boolean {
  const [first] = request.batch.columns.values();
  return first !== undefined && first.kind === 'varchar';
}

function pointOf(request: ReadPoint): Record<string, unknown> {
  const { consistency, sessionTimestamp } = request;
  return {
    consistency: typeof consistency === 'object' ? { at: String(consistency.at) } : consistency,
    ...(sessionTimestamp === undefined ? {} : { session: String(sessionTimestamp) }),
  };
}

function readInput(
  request: ReadPoint & Projection & { readonly collection: string },
): Record<string, unknown> {
  const { collection, select, omit } = request;
  return { ...pointOf(request), collection, select, omit, as: 'frame' };
}

function filterOf(filter: WireFilter | undefined): Record<string, unknown> {
  if (filter === undefined) return {};
  const members = (values: Readonly<Record<string, unknown>>): Record<string, Json> =>
    Object.fromEntries(Object.entries(values).map(([name, value]) => [name, encodeValue(value)]));
  if (filter.kind === 'object') return { filter: members(filter.value) };
  return { expr: { text: filter.text, params: members(filter.params) } };
}

function keysOf(keys: KeyColumn): string[] {
  const rows = 'offsets' in keys ? keys.offsets.length - 1 : keys.values.length;
  return Array.from({ length: rows }, (_, row) => String(keyAt(keys, row)));
}

function pageInput(request: QueryRequest): Record<string, unknown> {
  const { limit, offset } = request;
  return { ...readInput(request), ...filterOf(request.filter), limit, offset };
}

function searchInput(request: SearchRequest): Record<string, unknown> {
  const { queries, field, within, recall, params, limit, offset } = request;
  return {
    ...readInput(request),
    ...filterOf(request.filter),
    ...(queries.kind === 'keys' ? { ids: keysOf(queries.keys) } : vectorsOf(queries.column)),
    field,
    within,
    recall,
    params,
    limit,
    offset,
  };
}

/** Dense vectors travel as one text, sparse ones by their entries. */
function vectorsOf(column: VectorColumn | SparseColumn): object {
  const count = columnRows(column);
  if (column.kind === 'vector') {
    const { buffer, byteOffset, byteLength } = column.values;
    const bytes = new Uint8Array(buffer as ArrayBuffer, byteOffset, byteLength);
    return { packed: { count, values: toBase64(bytes) } };
  }
  const { offsets, indices, values } = column;
  const vectors = Array.from({ length: count }, (_, i) => ({
    indices: Array.from(indices.subarray(offsets[i], offsets[i + 1])),
    values: Array.from(values.subarray(offsets[i], offsets[i + 1])),
  }));
  return { vectors };
}

/** The deadline as servers take it: whole milliseconds, an hour at most. */
function deadline(timeoutMs: number): string {
  return String(Math.min(Math.ceil(timeoutMs), 3_600_000));
}
