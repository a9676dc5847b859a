import { BINARY_METRICS, LIMITS, METRICS, VECTOR_TYPES } from '@elanus/core';
import { z } from 'zod';
import type { Json } from './wire-value.ts';

/**
 * What HTTP callers may send, procedure by procedure. Shapes only: names, limits and values are
 * judged by the database. 64-bit integers are decimal strings; dense vectors are arrays of numbers
 * (those of bits of bytes) or base64 of the field's own array, little-endian; sparse ones are
 * `{ indices, values }`.
 */
const name = z.string().min(1).max(LIMITS.nameLengthMax);
const int64 = z.string().regex(/^-?\d{1,20}$/);
const key = z.union([z.string(), z.number().int()]);

/** A vector as JSON has it; parsed by hand, for zod takes 35 to 155 us for 768 numbers. */
const vector = z.custom<readonly unknown[] | string | object>(
  (value) => typeof value === 'string' || (typeof value === 'object' && value !== null),
  'a vector is an array of numbers, base64 of its bytes, or { indices, values }',
);

const scalarTypes = [
  'bool',
  'int8',
  'int16',
  'int32',
  'int64',
  'float',
  'double',
  'varchar',
  'json',
  'timestamp',
  'bytes',
] as const;

/** Parameters are judged by kind: `checkIndexChoice`. */
const indexChoice = z.object({ kind: z.string() }).catchall(z.number());

const fieldDefinition = z.strictObject({
  name,
  type: z.enum([...scalarTypes, 'array', 'vector']),
  primary: z.boolean().optional(),
  autoId: z.boolean().optional(),
  nullable: z.boolean().optional(),
  default: z.union([z.string(), z.number(), z.boolean()]).optional(),
  as: z.enum(['bigint', 'number', 'string']).optional(),
  maxLength: z.number().int().optional(),
  oneOf: z.array(z.string()).optional(),
  element: z
    .strictObject({ type: z.enum(scalarTypes), maxLength: z.number().int().optional() })
    .optional(),
  maxCapacity: z.number().int().optional(),
  vectorType: z.enum(VECTOR_TYPES).optional(),
  dim: z.number().int().optional(),
  metric: z.enum([...METRICS, ...BINARY_METRICS]).optional(),
  index: indexChoice.optional(),
});

const definition = z.strictObject({
  fields: z.array(fieldDefinition),
  dynamic: z.boolean().optional(),
  shards: z.number().int().optional(),
  ttlMs: z.number().int().optional(),
});

const consistency = z.union([
  z.enum(['strong', 'session', 'bounded', 'eventual']),
  z.strictObject({ at: int64 }),
]);

const json = z.custom<Json>(() => true);
const filter = z.record(z.string(), json);
const expression = z.strictObject({
  text: z.string(),
  params: z.record(z.string(), json).optional(),
});

/** What every read may say. */
const read = {
  /** The object form; values that JSON lacks as `{ "$int": "1" }`, `{ "$date": ".." }`. */
  filter: filter.optional(),
  /** The text form. */
  expr: expression.optional(),
  select: z.array(z.string()).optional(),
  omit: z.array(z.string()).optional(),
  consistency: consistency.optional(),
  /** The newest timestamp seen of this collection. */
  session: int64.optional(),
  /** `rows`: plain JSON rows; `frame`: base64 of the column frame. */
  as: z.enum(['rows', 'frame']).optional(),
};

const limit = z.number().int().optional();

/** Inputs by procedure. */
export const inputs = {
  create: z.strictObject({
    name,
    definition,
    existing: z.enum(['open', 'refuse']).optional(),
  }),
  collection: z.strictObject({ collection: name }),
  alter: z.strictObject({
    collection: name,
    add: z.array(fieldDefinition).optional(),
    drop: z.array(name).optional(),
    rename: z.record(z.string(), name).optional(),
    ttlMs: z.number().int().nullable().optional(),
  }),
  rename: z.strictObject({ collection: name, to: name }),
  index: z.strictObject({ collection: name, field: name, index: indexChoice }),
  compaction: z.strictObject({
    id: z.string().min(1).max(64),
    waitMs: z.number().int().min(0).max(LIMITS.compactionWaitMsMax).optional(),
  }),
  alias: z.strictObject({ alias: name, collection: name.optional() }),
  reserveIds: z.strictObject({
    collection: name,
    count: z.number().int().min(1).max(LIMITS.writeRowsMax),
  }),
  insert: z.strictObject({
    collection: name,
    rows: z.array(z.record(z.string(), z.unknown())),
    onConflict: z.enum(['error', 'skip', 'replace']).optional(),
    idempotencyKey: z.string().min(1).max(128).optional(),
  }),
  upsert: z.strictObject({
    collection: name,
    rows: z.array(z.record(z.string(), z.unknown())),
    idempotencyKey: z.string().min(1).max(128).optional(),
  }),
  delete: z.strictObject({
    collection: name,
    ids: z.array(key).optional(),
    filter: filter.optional(),
    expr: expression.optional(),
    all: z.literal(true).optional(),
    consistency: consistency.optional(),
    session: int64.optional(),
    idempotencyKey: z.string().min(1).max(128).optional(),
  }),
  search: z.strictObject({
    ...read,
    collection: name,
    field: name.optional(),
    vector: vector.optional(),
    vectors: z.array(vector).optional(),
    /** Many vectors as one base64 text. */
    packed: z.strictObject({ count: z.number().int().min(1), values: z.string() }).optional(),
    ids: z.array(key).optional(),
    limit,
    offset: limit,
    within: z.strictObject({ min: z.number().optional(), max: z.number().optional() }).optional(),
    recall: z.number().optional(),
    params: z.record(z.string(), z.number()).optional(),
  }),
  query: z.strictObject({ ...read, collection: name, limit, offset: limit }),
  get: z.strictObject({ ...read, collection: name, ids: z.array(key) }),
  count: z.strictObject({ ...read, collection: name }),
  scan: z.strictObject({
    ...read,
    collection: name,
    pageRows: limit,
    page: z.string().max(65_536).optional(),
  }),
} as const;

/** What a JSON caller says to `search` and `explain`. */
export type SearchInput = z.infer<typeof inputs.search>;
/** What a JSON caller says about any read. */
export type ReadInput = Pick<
  SearchInput,
  'filter' | 'expr' | 'select' | 'omit' | 'consistency' | 'session' | 'as'
>;
/** What a JSON caller says to `delete`. */
export type DeleteInput = z.infer<typeof inputs.delete>;

/** The JSON head of an octet-stream write; the column frame follows it. */
export const writeHead = z.strictObject({
  collection: name,
  collectionId: z.number().int().optional(),
  schemaVersion: z.number().int(),
  mode: z.enum(['insert', 'upsert']),
  onConflict: z.enum(['error', 'skip', 'replace']),
  idempotencyKey: z.string().min(1).max(128),
});
