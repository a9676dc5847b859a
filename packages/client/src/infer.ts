import type { CollectionDefinition, SparseVector, TypesOf } from './schema.ts';
import type { Where } from './where.ts';

type Value<B> = TypesOf<B>['nullable'] extends true
  ? TypesOf<B>['value'] | null
  : TypesOf<B>['value'];

/** Names of the fields whose types extend `C`. */
type NamesOf<S, C> = { [K in keyof S]: TypesOf<S[K]> extends C ? K : never }[keyof S];

/** Names of the vector fields. */
export type VectorName<S> = NamesOf<S, { readonly kind: 'vector' }>;
/** Names of the fields that are no vectors: what reads answer by themselves. */
export type ScalarName<S> = Exclude<keyof S, VectorName<S>>;
/** The key's name. */
export type KeyName<S> = NamesOf<S, { readonly primary: true }>;
/** The key's type in rows. */
export type KeyOf<S> = Value<S[KeyName<S>]>;
type OptionalName<S> = NamesOf<S, { readonly optional: true }>;
type Flat<T> = { [K in keyof T]: T[K] };

/** What rows of dynamic collections may hold besides the fields. */
type Extra<D> = D extends true ? { [name: string]: unknown } : unknown;

/** A row by its fields, all of them. */
export type RowOf<S> = { -readonly [K in keyof S]: Value<S[K]> };

/** A stored row of a collection, vectors included. */
export type Row<C> = C extends CollectionDefinition<infer S, infer D> ? RowOf<S> & Extra<D> : never;

type Numbers = Float32Array | Float64Array | readonly number[];

/**
 * A sparse vector to write or to search for: indices in any order, each once; values of 0 and
 * above.
 */
export type SparseInput =
  | {
      readonly indices: Uint32Array | readonly number[];
      readonly values: Float32Array | Float64Array | readonly number[];
    }
  | { readonly [index: number]: number; readonly indices?: never; readonly length?: never }
  | readonly (readonly [index: number, value: number])[]
  | readonly { readonly index: number; readonly value: number }[];

/** What is taken for a vector that comes back as `T`. */
type VectorInput<T> = unknown extends T
  ? QueryVector
  : T extends SparseVector
    ? SparseInput
    : T extends Uint8Array
      ? Uint8Array | readonly number[]
      : T | Numbers;

/** A vector of any type, to search for. */
export type QueryVector = Numbers | Uint16Array | Int8Array | Uint8Array | SparseInput;

/** A vector that one of the vector fields takes. */
export type QueryOf<S> = {
  [K in VectorName<S>]: VectorInput<TypesOf<S[K]>['value']>;
}[VectorName<S>];

type Given<B> = TypesOf<B>['kind'] extends 'vector'
  ? VectorInput<TypesOf<B>['value']>
  : TypesOf<B>['kind'] extends 'int64'
    ? Value<B> | bigint
    : Value<B>;

/** A row to write, by its fields: nullable, defaulted and generated ones may be left out. */
export type InsertOf<S, D extends boolean = false> = Flat<
  { [K in Exclude<keyof S, OptionalName<S>>]: Given<S[K]> } & {
    [K in OptionalName<S>]?: Given<S[K]> | undefined;
  }
> &
  Extra<D>;

/** A row to write into a collection. */
export type Insert<C> = C extends CollectionDefinition<infer S, infer D> ? InsertOf<S, D> : never;

type ColumnInput<B> =
  | ColumnValues<B>
  | { readonly values: ColumnValues<B>; readonly valid?: Uint8Array | Uint32Array | undefined };
type ColumnValues<B> =
  | readonly Given<B>[]
  | (TypesOf<B>['kind'] extends 'vector' ? FlatVectors<TypesOf<B>['value']> : never)
  | (TypesOf<B>['kind'] extends 'number'
      ? Float32Array | Float64Array | Int32Array | Int16Array | Int8Array
      : TypesOf<B>['kind'] extends 'int64' | 'timestamp'
        ? BigInt64Array
        : TypesOf<B>['kind'] extends 'bool'
          ? Uint8Array
          : never);

/** All vectors of a column in one piece: [rows x dim], of bits [rows x dim / 8], or entries. */
type FlatVectors<T> = T extends SparseVector
  ? {
      readonly offsets: Uint32Array | readonly number[];
      readonly indices: Uint32Array | readonly number[];
      readonly values: Float32Array | readonly number[];
    }
  : T extends Uint8Array
    ? T
    : T | Float32Array | Float64Array;

/** Rows as columns: `{ id: BigInt64Array, vec: Float32Array [rows x dim], title: string[] }`. */
export type ColumnsOf<S> = {
  readonly [K in Exclude<keyof S, OptionalName<S>>]: ColumnInput<S[K]>;
} & { readonly [K in OptionalName<S>]?: ColumnInput<S[K]> };

interface Equality<T> {
  readonly eq?: T;
  readonly ne?: T;
  readonly in?: readonly T[];
  readonly notIn?: readonly T[];
  readonly isNull?: boolean;
}
interface Order<T> extends Equality<T> {
  readonly gt?: T;
  readonly gte?: T;
  readonly lt?: T;
  readonly lte?: T;
  readonly between?: readonly [T, T];
}
interface TextOrder<T> extends Order<T> {
  readonly like?: string;
}
interface Lists<E> {
  readonly eq?: readonly E[];
  readonly ne?: readonly E[];
  readonly contains?: E;
  readonly containsAny?: readonly E[];
  readonly containsAll?: readonly E[];
  readonly isNull?: boolean;
}
type Operator = keyof TextOrder<unknown> | keyof Lists<unknown>;

/** Conditions on a JSON value of a known type; keys named like operators need the builder form. */
type JsonFilter<T> = T extends string
  ? T | TextOrder<string>
  : T extends number | bigint
    ? T | Order<number | bigint>
    : T extends boolean
      ? T | Equality<boolean>
      : T extends readonly (infer E)[]
        ? Lists<E> | readonly E[]
        : T extends object
          ? { readonly [K in Exclude<keyof T, Operator>]?: JsonFilter<T[K]> } | null
          : unknown;

type Instant = Date | string;
type KindFilter<F> = F extends { readonly kind: infer K; readonly value: infer T }
  ? K extends 'varchar'
    ? T | TextOrder<T>
    : K extends 'int64'
      ? T | bigint | Order<T | bigint>
      : K extends 'number'
        ? number | bigint | Order<number | bigint>
        : K extends 'bool'
          ? boolean | Equality<boolean>
          : K extends 'timestamp'
            ? Instant | Order<Instant>
            : K extends 'bytes'
              ? Uint8Array | Equality<Uint8Array>
              : K extends 'array'
                ? Lists<T extends readonly (infer E)[] ? E : never> | T
                : K extends 'json'
                  ? unknown extends T
                    ? unknown
                    : JsonFilter<T>
                  : never
  : never;
type FieldFilter<F> = KindFilter<F> | (F extends { readonly nullable: true } ? null : never);

/** A filter as an object: every key a field, or `and`, `or`, `not`. */
export type FilterObject<S, D extends boolean = false> = {
  readonly [K in ScalarName<S>]?: FieldFilter<TypesOf<S[K]>>;
} & {
  readonly and?: readonly FilterObject<S, D>[];
  readonly or?: readonly FilterObject<S, D>[];
  readonly not?: FilterObject<S, D>;
  readonly $ts?: bigint | Instant | Order<bigint | Instant>;
} & Extra<D>;

/** Every form of a filter. */
export type Filter<S, D extends boolean = false> =
  | (FilterObject<S, D> & object)
  | Where
  | ((fields: WhereFields<S, D>) => Where);

/** Conditions on one field, for the builder form. */
export interface WhereField<T> {
  eq(value: T): Where;
  ne(value: T): Where;
  gt(value: T): Where;
  gte(value: T): Where;
  lt(value: T): Where;
  lte(value: T): Where;
  in(values: readonly T[]): Where;
  notIn(values: readonly T[]): Where;
  between(low: T, high: T): Where;
  like(pattern: string): Where;
  isNull(): Where;
  isNotNull(): Where;
  contains(value: unknown): Where;
  containsAny(values: readonly unknown[]): Where;
  containsAll(values: readonly unknown[]): Where;
  /** A key or a position inside JSON, or a position in an array. */
  at(...path: readonly (string | number)[]): WhereField<unknown>;
}

/** The fields of a collection for the builder form. */
export type WhereFields<S, D extends boolean = false> = {
  readonly [K in ScalarName<S>]: WhereField<
    TypesOf<S[K]>['kind'] extends 'json' ? unknown : TypesOf<S[K]>['value']
  >;
} & (D extends true ? { readonly [name: string]: WhereField<unknown> } : unknown);

/** Names that `select` takes. */
export type Selectable<S, D> = (keyof S & string) | '$ts' | (D extends true ? string & {} : never);

/** A row of a read: its key, and the selected fields or every scalar field but the omitted. */
export type Projected<S, D, Select, Omit> = Flat<
  { -readonly [K in KeyName<S>]: Value<S[K]> } & Chosen<S, D, Select, Omit>
>;

type Chosen<S, D, Select, Omit> = [Select] extends [readonly (infer N)[]]
  ? { -readonly [K in N & keyof S]: Value<S[K]> } & ('$ts' extends N ? { $ts: bigint } : unknown) &
      (D extends true ? { [K in Exclude<N, keyof S | '$ts'> & string]?: unknown } : unknown)
  : [Omit] extends [readonly (infer N)[]]
    ? { -readonly [K in Exclude<ScalarName<S>, N>]: Value<S[K]> } & Extra<D>
    : { -readonly [K in ScalarName<S>]: Value<S[K]> } & Extra<D>;

/** A hit: its key, its score, and what was selected. */
export type HitOf<S, D, Select, Omit> = Flat<
  { -readonly [K in KeyName<S>]: Value<S[K]> } & { score: number } & Chosen<S, D, Select, Omit>
>;

type IsUnion<T, U = T> = T extends unknown ? ([U] extends [T] ? false : true) : never;

/** The name of the vector field to search; demanded when there are several. */
export type FieldOption<S> =
  IsUnion<VectorName<S>> extends true
    ? { readonly field: VectorName<S> }
    : { readonly field?: VectorName<S> };

/** What a write answers: `ids` when the collection makes them. */
export type WriteOutcome<S> = { readonly count: number; readonly timestamp: bigint } & ([
  NamesOf<S, { readonly primary: true; readonly optional: true }>,
] extends [never]
  ? unknown
  : { readonly ids: KeyOf<S>[] });
