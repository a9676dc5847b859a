import type {
  BinaryMetric,
  FieldDefinition,
  FloatMetric,
  IndexChoice,
  Metric,
  SchemaDefinition,
  VectorType,
} from '@elanus/core';
import { vectorShape } from '@elanus/core';
import { checkDefinition, jsonText, toBase64 } from '@elanus/api';

declare const TYPES: unique symbol;

/** What kind of values a field holds, as far as types tell fields apart. */
export type Kind =
  | 'int64'
  | 'number'
  | 'bool'
  | 'varchar'
  | 'array'
  | 'json'
  | 'timestamp'
  | 'bytes'
  | 'vector';

/** The facts about a field that types are inferred from. */
export interface FieldTypes {
  readonly kind: Kind;
  readonly value: unknown;
  readonly nullable: boolean;
  readonly optional: boolean;
  readonly primary: boolean;
}

/** A field of a schema under construction: its description, and its types for the compiler. */
export interface FieldBuilder<F extends FieldTypes = FieldTypes> {
  readonly definition: Omit<FieldDefinition, 'name'>;
  /** Never there at run time. */
  readonly [TYPES]?: F;
}

/** The types of a field. */
export type TypesOf<B> = B extends FieldBuilder<infer F> ? F : never;

/** Fields by name. */
export type Fields = Readonly<Record<string, FieldBuilder>>;

/** A collection as a value: reusable, and the source of its row types. */
export interface CollectionDefinition<S extends Fields = Fields, D extends boolean = boolean> {
  readonly name: string;
  readonly fields: S;
  readonly dynamic: D;
  readonly definition: SchemaDefinition;
}

/** Options of a collection. Shards and `dynamic` are for ever; `db.alter` changes `ttlMs`. */
export interface CollectionOptions {
  /** How many shards rows are spread over; 1 when absent. */
  readonly shards?: number;
  /** Whether rows may carry more than the fields. */
  readonly dynamic?: boolean;
  /**
   * Rows live so many milliseconds from when they were written, or replaced; for ever when absent.
   * No read sees one that is older, its key is free, and its bytes are given back after the hour
   * that reads of the past reach back.
   */
  readonly ttlMs?: number;
}

type IsNullable<O> = O extends { readonly nullable: true } ? true : false;
type IsOptional<O> = O extends { readonly nullable: true }
  ? true
  : O extends { readonly autoId: true }
    ? true
    : 'default' extends keyof O
      ? O extends { readonly default: undefined }
        ? false
        : true
      : false;
type IsPrimary<O> = O extends { readonly primary: true } ? true : false;
type Builder<K extends Kind, T, O> = FieldBuilder<{
  readonly kind: K;
  readonly value: T;
  readonly nullable: IsNullable<O>;
  readonly optional: IsOptional<O>;
  readonly primary: IsPrimary<O>;
}>;

interface Nullable {
  readonly nullable?: boolean;
}
interface NumberOptions extends Nullable {
  readonly default?: number;
}
interface Int64Options extends Nullable {
  readonly primary?: true;
  readonly autoId?: true;
  /** How values come out; all of bigint, safe numbers and decimal strings go in. */
  readonly as?: 'bigint' | 'number' | 'string';
  readonly default?: bigint;
}
interface VarcharOptions extends Nullable {
  readonly primary?: true;
  /** Bytes of UTF-8; 65,535 when absent. */
  readonly maxLength?: number;
  /** The only values allowed; gives a union type. */
  readonly oneOf?: readonly string[];
  readonly default?: string;
}
interface NumbersOptions {
  /** What the numbers are; float32 when absent. */
  readonly type?: 'float32' | 'float16' | 'bfloat16' | 'int8';
  readonly metric?: FloatMetric;
  readonly index?: IndexChoice;
}
interface BitsOptions {
  /** Bits, eight a byte; the dimension counts bits and is a multiple of 8. */
  readonly type: 'binary';
  readonly metric?: BinaryMetric;
  readonly index?: IndexChoice;
}
type VectorOptions = NumbersOptions | BitsOptions;
type ArrayOf<O> = O extends { readonly type: 'float16' | 'bfloat16' }
  ? Uint16Array
  : O extends { readonly type: 'int8' }
    ? Int8Array
    : O extends { readonly type: 'binary' }
      ? Uint8Array
      : Float32Array;

/** A sparse vector as it comes back: indices rise, values are above 0. */
export interface SparseVector {
  readonly indices: Uint32Array;
  readonly values: Float32Array;
}

type Int64As<O> = O extends { readonly as: 'number' }
  ? number
  : O extends { readonly as: 'string' }
    ? string
    : bigint;
type TextOf<O> = O extends { readonly oneOf: readonly (infer U extends string)[] } ? U : string;
type Element = FieldBuilder<FieldTypes & { readonly nullable: false; readonly primary: false }>;
type ElementValue<E> = TypesOf<E>['value'];

function build(
  type: FieldDefinition['type'],
  options: object = {},
  rest: object = {},
): FieldBuilder<never> {
  const given = Object.entries(options).filter(
    ([, value]) => value !== undefined && value !== false,
  );
  const definition = { type, ...Object.fromEntries(given), ...rest };
  if ('default' in options && options.default !== undefined) {
    Object.assign(definition, { default: defaultText(type, options.default) });
  }
  return { definition } as FieldBuilder<never>;
}

/** A vector field with its metric written out; float32 is what no type means. */
function vector(
  shape: { readonly dim?: number },
  options: { readonly type?: VectorType; readonly metric?: Metric; readonly index?: object } = {},
): FieldBuilder<never> {
  const { type: vectorType, metric, index } = options;
  const rest = {
    ...(vectorType === undefined || vectorType === 'float32' ? {} : { vectorType }),
    ...shape,
    ...(metric === undefined ? {} : { metric }),
  };
  const shown = vectorShape({ type: 'vector', ...rest });
  return build('vector', {}, { ...rest, metric: shown.metric, ...(index && { index }) });
}

/** Defaults in the form the catalog keeps: JSON only, 64-bit integers as decimal text. */
function defaultText(type: string, value: unknown): unknown {
  if (type === 'json') {
    const text = jsonText(value);
    return typeof text === 'string' ? text : value;
  }
  if (typeof value === 'bigint') return String(value);
  if (value instanceof Date) return String(value.getTime());
  return value instanceof Uint8Array ? toBase64(value) : value;
}

/** A JSON field; with a type parameter its paths are typed in filters. */
function json<T = unknown>(): Builder<'json', T, object>;
function json<T = unknown>(options: {
  readonly nullable: true;
}): Builder<'json', T, { nullable: true }>;
function json<T = unknown>(options: {
  readonly default: T;
}): Builder<'json', T, { default: unknown }>;
function json(options?: object): FieldBuilder<never> {
  return build('json', options);
}

/**
 * The field types a schema is made of. Options are kept literally, so that rows, filters and
 * results are typed by them.
 */
export const t = {
  /** A generated, sortable text key: 26 characters, made by the client. */
  id: (): Builder<'varchar', string, { primary: true; autoId: true }> =>
    build('varchar', { primary: true, autoId: true, maxLength: 64 }),
  int8: <const O extends NumberOptions = object>(options?: O): Builder<'number', number, O> =>
    build('int8', options),
  int16: <const O extends NumberOptions = object>(options?: O): Builder<'number', number, O> =>
    build('int16', options),
  int32: <const O extends NumberOptions = object>(options?: O): Builder<'number', number, O> =>
    build('int32', options),
  int64: <const O extends Int64Options = object>(options?: O): Builder<'int64', Int64As<O>, O> =>
    build('int64', options),
  float: <const O extends NumberOptions = object>(options?: O): Builder<'number', number, O> =>
    build('float', options),
  double: <const O extends NumberOptions = object>(options?: O): Builder<'number', number, O> =>
    build('double', options),
  bool: <const O extends Nullable & { readonly default?: boolean } = object>(
    options?: O,
  ): Builder<'bool', boolean, O> => build('bool', options),
  varchar: <const O extends VarcharOptions = object>(
    options?: O,
  ): Builder<'varchar', TextOf<O>, O> => build('varchar', options),
  timestamp: <const O extends Nullable & { readonly default?: Date } = object>(
    options?: O,
  ): Builder<'timestamp', Date, O> => build('timestamp', options),
  bytes: <
    const O extends Nullable & {
      readonly maxLength?: number;
      readonly default?: Uint8Array;
    } = object,
  >(
    options?: O,
  ): Builder<'bytes', Uint8Array, O> => build('bytes', options),
  json,
  /** A list of scalars; elements are never null. */
  array: <E extends Element, const O extends Nullable & { readonly maxCapacity?: number } = object>(
    element: E,
    options?: O,
  ): Builder<'array', ElementValue<E>[], O> => {
    const { type, maxLength, as } = element.definition;
    const described = maxLength === undefined ? { type } : { type, maxLength };
    return build('array', options, { element: described, ...(as === undefined ? {} : { as }) });
  },
  /**
   * A dense vector of float32 or another `type`; searched by the metric: cosine when absent,
   * hamming for bits. The index is chosen by the rows unless one is named here; that counts when
   * the collection is made, later `docs.index` does.
   *
   * Vectors come back in the array of their type: float16 and bfloat16 as their bits in a
   * Uint16Array, int8 in an Int8Array, binary in a Uint8Array of `dim / 8` bytes, bit i of the
   * vector being bit `i & 7` of byte `i >> 3`.
   */
  vector: <const O extends VectorOptions = object>(
    dim: number,
    options?: O,
  ): Builder<'vector', ArrayOf<O>, object> => vector({ dim }, options),
  /**
   * A sparse vector: indices below 2^32 - 1, each with a value above 0, at most 65,536 of them;
   * searched by inner product. Comes back as `{ indices: Uint32Array, values: Float32Array }`.
   */
  sparse: (
    options: { readonly metric?: 'ip'; readonly index?: IndexChoice } = {},
  ): Builder<'vector', SparseVector, object> => vector({}, { ...options, type: 'sparse' }),
} as const;

type DynamicOf<O> = O extends { readonly dynamic: true } ? true : false;

/**
 * A collection's definition as a value; checked here, so that a mistake shows where it is made.
 *
 * @throws invalid_argument, limit_out_of_range with the field.
 */
export function collection<const S extends Fields, const O extends CollectionOptions = object>(
  name: string,
  fields: S,
  options?: O,
): CollectionDefinition<S, DynamicOf<O>> {
  const { shards, dynamic, ttlMs } = (options ?? {}) as CollectionOptions;
  const list = Object.entries(fields).map(([field, builder]) => ({
    name: field,
    ...builder.definition,
  }));
  const definition: SchemaDefinition = {
    fields: list,
    ...(shards === undefined ? {} : { shards }),
    ...(dynamic === true ? { dynamic } : {}),
    ...(ttlMs === undefined ? {} : { ttlMs }),
  };
  checkDefinition(definition);
  return { name, fields, dynamic: (dynamic === true) as DynamicOf<O>, definition };
}
