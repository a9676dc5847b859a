import type { SchemaDefinition, WireError } from '@elanus/core';
import {
  ElanusError,
  LIMITS,
  decodeColumns,
  errorTable,
  isElanusError,
  toWireError,
} from '@elanus/core';
import { TRPCError, initTRPC } from '@trpc/server';
import { octetInputParser } from '@trpc/server/http';
import { ZodError } from 'zod';
import { checkBatch, checkRowCount } from './check-batch.ts';
import type { AlterRequest, Call, CollectionSummary, Database } from './database.ts';
import type { SetIndexRequest } from './database.ts';
import { encodeKeys } from './encode-keys.ts';
import type { InputRow } from './encode-rows.ts';
import { encodeRows } from './encode-rows.ts';
import { decodeEnvelope } from './envelope.ts';
import { deletePart, filterPart, readPart, searchPart } from './json-requests.ts';
import { frameResult, jsonGet, jsonHits, jsonRows, jsonWrite } from './json-results.ts';
import { inputs, writeHead } from './schemas.ts';

/** What each HTTP request brings besides its input. */
export interface ApiContext {
  /** From the header `elanus-timeout-ms`. */
  readonly timeoutMs?: number | undefined;
}

/** What the router stands on. */
export interface RouterOptions {
  readonly database: Database;
  /** A new idempotency key, for callers that give none. */
  readonly newKey: () => string;
}

const t = initTRPC.context<ApiContext>().create({
  isDev: false,
  errorFormatter: ({ shape, error }) => ({
    ...shape,
    data: { code: shape.data.code, httpStatus: shape.data.httpStatus, elanus: wireError(error) },
  }),
});

/** The failure as ours: code and details survive, stacks and causes do not. */
function wireError(error: TRPCError): WireError {
  if (isElanusError(error.cause)) return toWireError(error.cause);
  if (error.cause instanceof ZodError) {
    const issue = error.cause.issues[0];
    const argument = issue?.path.map(String).join('.') || 'input';
    return { code: 'invalid_argument', details: { argument, hint: issue?.message ?? '' } };
  }
  if (error.code === 'NOT_FOUND' || error.code === 'METHOD_NOT_SUPPORTED') {
    return { code: 'invalid_argument', details: { argument: 'path', hint: error.message } };
  }
  if (error.code === 'PAYLOAD_TOO_LARGE') {
    return { code: 'request_too_large', details: { bytesMax: LIMITS.requestBytesMax } };
  }
  if (error.code === 'PARSE_ERROR' || error.code === 'BAD_REQUEST') {
    return { code: 'invalid_argument', details: { argument: 'input', hint: error.message } };
  }
  return toWireError(error.cause ?? error);
}

const TRPC_CODES: Readonly<Record<number, TRPCError['code']>> = {
  400: 'BAD_REQUEST',
  401: 'UNAUTHORIZED',
  403: 'FORBIDDEN',
  404: 'NOT_FOUND',
  409: 'CONFLICT',
  410: 'PRECONDITION_FAILED',
  413: 'PAYLOAD_TOO_LARGE',
  429: 'TOO_MANY_REQUESTS',
  499: 'CLIENT_CLOSED_REQUEST',
  503: 'SERVICE_UNAVAILABLE',
  504: 'GATEWAY_TIMEOUT',
};

/** Gives our failures the HTTP status of the error table. */
const procedure = t.procedure.use(async ({ next }) => {
  const result = await next();
  if (result.ok || !isElanusError(result.error.cause)) return result;
  const failure = result.error.cause;
  const code = TRPC_CODES[errorTable[failure.code].status] ?? 'INTERNAL_SERVER_ERROR';
  throw new TRPCError({ code, message: failure.message, cause: failure });
});

interface Opts {
  readonly ctx: ApiContext;
  readonly signal: AbortSignal | undefined;
}

const callOf = ({ ctx, signal }: Opts): Call => ({ signal, timeoutMs: ctx.timeoutMs });

/**
 * The public contract as a tRPC router: checks shapes, turns JSON into columns and columns into
 * JSON, and hands every decision to the database. Reads are queries (servers allow them by POST,
 * for vectors do not fit into an address); writes are mutations, `entities.write` takes octets.
 */
export function createRouter(options: RouterOptions) {
  return t.router({
    collections: collectionProcedures(options),
    entities: t.router({ ...writeProcedures(options), ...readProcedures(options) }),
    ...searchProcedures(options),
    health: procedure.query((opts) => options.database.health(callOf(opts))),
    version: procedure.query(async (opts) => {
      const { version } = await options.database.health(callOf(opts));
      return { version };
    }),
  });
}

/** The router's type: what a stock tRPC client is made from. */
export type ElanusRouter = ReturnType<typeof createRouter>;

/** A collection as JSON; everything in it is JSON already. */
const infoOf = (info: CollectionSummary): CollectionSummary => ({
  schema: info.schema,
  aliases: info.aliases,
});

function collectionProcedures({ database }: RouterOptions) {
  return t.router({
    create: procedure.input(inputs.create).mutation(async (opts) => {
      const { name, definition, existing } = opts.input;
      const request = {
        name,
        definition: exact<SchemaDefinition>(definition),
        existing: existing ?? 'refuse',
      };
      return infoOf(await database.createCollection(request, callOf(opts)));
    }),
    open: procedure
      .input(inputs.collection)
      .query(async (opts) =>
        infoOf(await database.openCollection(opts.input.collection, callOf(opts))),
      ),
    list: procedure.query(async (opts) => {
      const infos = await database.listCollections(callOf(opts));
      return infos.map(infoOf);
    }),
    describe: procedure
      .input(inputs.collection)
      .query((opts) => database.describeCollection(opts.input.collection, callOf(opts))),
    alter: procedure
      .input(inputs.alter)
      .mutation(async (opts) =>
        infoOf(await database.alterCollection(exact<AlterRequest>(opts.input), callOf(opts))),
      ),
    drop: procedure
      .input(inputs.collection)
      .mutation((opts) => database.dropCollection(opts.input.collection, callOf(opts))),
    rename: procedure
      .input(inputs.rename)
      .mutation((opts) => database.renameCollection(opts.input, callOf(opts))),
    alias: procedure
      .input(inputs.alias)
      .mutation((opts) => database.setAlias(opts.input, callOf(opts))),
    index: procedure
      .input(inputs.index)
      .mutation((opts) => database.setIndex(exact<SetIndexRequest>(opts.input), callOf(opts))),
    compact: procedure
      .input(inputs.collection)
      .mutation((opts) => database.compact(opts.input.collection, callOf(opts))),
    compaction: procedure
      .input(inputs.compaction)
      .query((opts) => database.describeCompaction(opts.input, callOf(opts))),
    cancelCompaction: procedure
      .input(inputs.compaction.pick({ id: true }))
      .mutation((opts) => database.cancelCompaction(opts.input.id, callOf(opts))),
  });
}

/** Zod writes absent members as `undefined`; the catalog wants them absent. */
function exact<T>(value: unknown): T {
  return JSON.parse(JSON.stringify(value)) as T;
}

interface JsonWrite {
  readonly collection: string;
  readonly rows: readonly InputRow[];
  readonly mode: 'insert' | 'upsert';
  readonly onConflict: 'error' | 'skip' | 'replace';
  readonly idempotencyKey: string | undefined;
}

async function writeRows(options: RouterOptions, write: JsonWrite, call: Call) {
  checkRowCount(write.rows.length);
  const { schema } = await options.database.openCollection(write.collection, call);
  const result = await options.database.write(
    {
      collection: write.collection,
      collectionId: schema.collectionId,
      schemaVersion: schema.version,
      batch: encodeRows(write.rows, schema),
      mode: write.mode,
      onConflict: write.onConflict,
      idempotencyKey: write.idempotencyKey ?? options.newKey(),
    },
    call,
  );
  return jsonWrite(result, schema);
}

function writeProcedures(options: RouterOptions) {
  const { database } = options;
  return {
    insert: procedure.input(inputs.insert).mutation(({ input, ...opts }) => {
      const { onConflict = 'error', idempotencyKey, ...rest } = input;
      const write: JsonWrite = { ...rest, mode: 'insert', onConflict, idempotencyKey };
      return writeRows(options, write, callOf(opts));
    }),
    upsert: procedure.input(inputs.upsert).mutation(({ input, ...opts }) => {
      const { idempotencyKey, ...rest } = input;
      const write: JsonWrite = { ...rest, mode: 'upsert', onConflict: 'replace', idempotencyKey };
      return writeRows(options, write, callOf(opts));
    }),
    /** An envelope of `writeHead` and a column frame, as octet-stream. */
    write: procedure.input(octetInputParser).mutation(async (opts) => {
      const { head, body } = decodeEnvelope(await drain(opts.input));
      const request = { ...readHead(head), batch: decodeColumns(body) };
      const call = callOf(opts);
      const { schema } = await database.openCollection(request.collection, call);
      if (request.schemaVersion !== schema.version) {
        throw new ElanusError('schema_version_stale', { name: schema.name });
      }
      checkBatch(request.batch, schema);
      return jsonWrite(await database.write(request, call), schema);
    }),
    delete: procedure.input(inputs.delete).mutation(async (opts) => {
      const call = callOf(opts);
      const { schema } = await database.openCollection(opts.input.collection, call);
      const idempotencyKey = opts.input.idempotencyKey ?? options.newKey();
      const request = deletePart(opts.input, { schema, idempotencyKey });
      return jsonWrite(await database.delete(request, call), schema);
    }),
    reserveIds: procedure.input(inputs.reserveIds).mutation(async (opts) => {
      const block = await database.reserveIds(opts.input, callOf(opts));
      return { first: String(block.first), count: block.count };
    }),
  };
}

function readHead(head: unknown) {
  const parsed = writeHead.safeParse(head);
  if (parsed.success) return parsed.data;
  const hint = parsed.error.issues[0]?.message ?? '';
  throw new ElanusError('invalid_argument', { argument: 'head', hint });
}

/** All bytes of a request's body, bounded. @throws request_too_large */
async function drain(stream: ReadableStream): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  const reader = (stream as ReadableStream<Uint8Array>).getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    length += value.length;
    if (length > LIMITS.requestBytesMax) {
      await reader.cancel();
      throw new ElanusError('request_too_large', { bytesMax: LIMITS.requestBytesMax });
    }
    chunks.push(value);
  }
  const bytes = new Uint8Array(length);
  let at = 0;
  for (const chunk of chunks) {
    bytes.set(chunk, at);
    at += chunk.length;
  }
  return bytes;
}

function readProcedures({ database }: RouterOptions) {
  return {
    get: procedure.input(inputs.get).query(async (opts) => {
      const { input } = opts;
      const call = callOf(opts);
      const { schema } = await database.openCollection(input.collection, call);
      const keys = encodeKeys(input.ids, schema);
      const request = { ...readPart(input), collection: input.collection, keys };
      const result = await database.get(request, call);
      if (input.as === 'frame') return frameResult(result);
      const rows = jsonGet(result, schema, { input, keys: input.ids.length });
      return { rows, timestamp: String(result.timestamp) };
    }),
    query: procedure.input(inputs.query).query(async (opts) => {
      const { input } = opts;
      const call = callOf(opts);
      const request = {
        ...readPart(input),
        collection: input.collection,
        filter: filterPart(input),
        limit: input.limit ?? LIMITS.resultRowsMax - (input.offset ?? 0),
        offset: input.offset ?? 0,
      };
      const result = await database.query(request, call);
      if (input.as === 'frame') return frameResult(result);
      const { schema } = await database.openCollection(input.collection, call);
      return { rows: jsonRows(result, schema, input), timestamp: String(result.timestamp) };
    }),
    count: procedure.input(inputs.count).query(async (opts) => {
      const { input } = opts;
      const request = {
        ...readPart(input),
        collection: input.collection,
        filter: filterPart(input),
      };
      const result = await database.count(request, callOf(opts));
      return { count: result.count, timestamp: String(result.timestamp) };
    }),
    scanPage: procedure.input(inputs.scan).query(async (opts) => {
      const { input } = opts;
      const call = callOf(opts);
      const request = {
        ...readPart(input),
        collection: input.collection,
        filter: filterPart(input),
        pageRows: input.pageRows ?? 1000,
        page: input.page,
      };
      const result = await database.scan(request, call);
      if (input.as === 'frame') return frameResult(result);
      const { schema } = await database.openCollection(input.collection, call);
      const rows = jsonRows(result, schema, input);
      return { rows, next: result.next, timestamp: String(result.timestamp) };
    }),
  };
}

function searchProcedures({ database }: RouterOptions) {
  return {
    search: procedure.input(inputs.search).query(async (opts) => {
      const { input } = opts;
      const call = callOf(opts);
      const { schema } = await database.openCollection(input.collection, call);
      const result = await database.search(searchPart(input, schema), call);
      if (input.as === 'frame') return frameResult(result);
      const hits = jsonHits(result, schema, input);
      return { hits, timestamp: String(result.timestamp) };
    }),
    explain: procedure.input(inputs.search).query(async (opts) => {
      const call = callOf(opts);
      const { schema } = await database.openCollection(opts.input.collection, call);
      return database.explain(searchPart(opts.input, schema), call);
    }),
  };
}
