import type { CollectionId, FieldId } from './ids.ts';
import type { IndexChoice } from './index-choice.ts';
import type { Metric } from './metric.ts';
import type { TtlSpan } from './ttl.ts';
import type { VectorType } from './vector-type.ts';

/** Types a scalar field can have. */
export type ScalarType =
  | 'bool'
  | 'int8'
  | 'int16'
  | 'int32'
  | 'int64'
  | 'float'
  | 'double'
  | 'varchar'
  | 'json'
  | 'timestamp'
  | 'bytes';

/** Types a field can have. */
export type FieldType = ScalarType | 'array' | 'vector';

/** A default as JSON: 64-bit integers and timestamps (ms) as decimal strings. */
export type DefaultValue = string | number | boolean;

/**
 * One field, as users describe it and as the catalog keeps it (with its id). Plain JSON. Absent
 * properties mean what the type's documentation says.
 */
export interface FieldDefinition {
  readonly name: string;
  readonly type: FieldType;
  readonly primary?: boolean;
  readonly autoId?: boolean;
  readonly nullable?: boolean;
  readonly default?: DefaultValue;
  /** How int64, or an array's int64, comes out in JavaScript; 'bigint' when absent. */
  readonly as?: 'bigint' | 'number' | 'string';
  /** Bytes of UTF-8; varchar (default 65,535), bytes. */
  readonly maxLength?: number;
  readonly oneOf?: readonly string[];
  /** Arrays: type of the elements, and their bytes when varchar. */
  readonly element?: { readonly type: ScalarType; readonly maxLength?: number };
  /** Arrays: most elements; default 4,096. */
  readonly maxCapacity?: number;
  /** Vectors: what their numbers are; 'float32' when absent. */
  readonly vectorType?: VectorType;
  /** Vectors: how many numbers, or bits; sparse vectors have none. */
  readonly dim?: number;
  readonly metric?: Metric;
  /**
   * Vectors: the index that segments of rows get; 'auto' when absent. The one property that can be
   * changed without a new version of the schema: rows do not depend on it.
   */
  readonly index?: IndexChoice;
}

/** A field in the catalog. Ids are never reused; names may change. */
export interface Field extends FieldDefinition {
  readonly id: FieldId;
}

/** What a collection is made from. Plain JSON, so that it crosses any wire. */
export interface SchemaDefinition {
  readonly fields: readonly FieldDefinition[];
  readonly dynamic?: boolean;
  readonly shards?: number;
  /** Rows live so many milliseconds; for ever when absent. */
  readonly ttlMs?: number;
}

/** A collection's schema as the catalog keeps it. Immutable; a change makes the next version. */
export interface CollectionSchema {
  readonly collectionId: CollectionId;
  readonly name: string;
  readonly version: number;
  readonly fields: readonly Field[];
  /** Whether rows may carry more than the fields; those are kept as JSON in `$meta`. */
  readonly dynamic: boolean;
  readonly shards: number;
  /** How long rows live; absent: for ever. */
  readonly ttl?: readonly TtlSpan[];
}

/** The hidden JSON field of dynamic collections. */
export const DYNAMIC_FIELD = '$meta';
/** The row's timestamp: can be selected and filtered, is never written by users. */
export const TIMESTAMP_FIELD = '$ts';
/** Field id of `$meta`. */
export const DYNAMIC_FIELD_ID = 1 as FieldId;
/** Field id under which `$ts` is answered. */
export const TIMESTAMP_FIELD_ID = 2 as FieldId;
/** Ids of users' fields start here. */
export const FIRST_FIELD_ID = 100;

/** The primary key's field; every schema has exactly one. */
export function primaryField(schema: CollectionSchema): Field {
  const field = schema.fields.find((candidate) => candidate.primary === true);
  if (field === undefined) throw new Error('assertion failed: schema has a primary key');
  return field;
}

/** The vector fields, in the schema's order. */
export function vectorFields(schema: CollectionSchema): readonly Field[] {
  return schema.fields.filter((field) => field.type === 'vector');
}

/** The field of this name, `$meta` included when the collection is dynamic. */
export function fieldByName(schema: CollectionSchema, name: string): Field | undefined {
  if (name === DYNAMIC_FIELD && schema.dynamic) return dynamicField();
  return schema.fields.find((field) => field.name === name);
}

/** The description of `$meta`. */
export function dynamicField(): Field {
  return { id: DYNAMIC_FIELD_ID, name: DYNAMIC_FIELD, type: 'json', nullable: true };
}

/** Fields whose columns a row batch carries: the schema's, and `$meta` when dynamic. */
export function storedFields(schema: CollectionSchema): readonly Field[] {
  return schema.dynamic ? [...schema.fields, dynamicField()] : schema.fields;
}
