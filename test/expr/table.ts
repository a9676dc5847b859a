import type { CollectionSchema, Column, Field, FieldId } from '../../packages/core/src/index.ts';
import { createBitset, setBit } from '../../packages/core/src/index.ts';

/** Rows as people think of them: the naive interpreter's input. */
export type Row = Readonly<Record<string, unknown>>;

const field = (id: number, name: string, rest: Partial<Field>): Field =>
  ({ id: id as FieldId, name, type: 'int32', ...rest }) as Field;

const array = (type: string) => ({ type: 'array' as const, element: { type: type as 'int32' } });

/** A collection with every type that a filter can look at. */
export const schema: CollectionSchema = {
  collectionId: 1 as CollectionSchema['collectionId'],
  name: 'all',
  version: 1,
  dynamic: true,
  shards: 1,
  fields: [
    field(100, 'id', { type: 'int64', primary: true }),
    field(101, 'i8', { type: 'int8', nullable: true }),
    field(102, 'i16', { type: 'int16', nullable: true }),
    field(103, 'i32', { type: 'int32', nullable: true }),
    field(104, 'i64', { type: 'int64', nullable: true }),
    field(105, 'f', { type: 'float', nullable: true }),
    field(106, 'd', { type: 'double', nullable: true }),
    field(107, 'b', { type: 'bool', nullable: true }),
    field(108, 's', { type: 'varchar', nullable: true }),
    field(109, 's2', { type: 'varchar' }),
    field(110, 't', { type: 'timestamp', nullable: true }),
    field(111, 'by', { type: 'bytes', nullable: true }),
    field(112, 'j', { type: 'json', nullable: true }),
    field(113, 'ai', { ...array('int32'), nullable: true }),
    field(114, 'al', array('int64')),
    field(115, 'as', { ...array('varchar'), nullable: true }),
    field(116, 'ad', array('double')),
    field(117, 'ab', array('bool')),
    field(118, 'late', { type: 'int32', default: 7 }),
    field(119, 'lateText', { type: 'varchar', default: 'ab' }),
    field(120, 'lateNull', { type: 'int64', nullable: true }),
    field(121, 'vec', { type: 'vector', dim: 2, metric: 'l2' }),
  ],
};

/** Fields the batch has no column of: they were added after its rows were written. */
export const LATE: Readonly<Record<string, unknown>> = { late: 7, lateText: 'ab', lateNull: null };

const encoder = new TextEncoder();

/** Canonical JSON text, with bigint as exact integers. */
export function jsonText(value: unknown): string {
  if (typeof value === 'bigint') return String(value);
  if (Array.isArray(value)) return `[${value.map(jsonText).join(',')}]`;
  if (typeof value === 'object' && value !== null) {
    const entries = Object.entries(value).map(([k, v]) => `${JSON.stringify(k)}:${jsonText(v)}`);
    return `{${entries.join(',')}}`;
  }
  return JSON.stringify(value);
}

function numbers(kind: string, values: readonly unknown[]): Column {
  const make = {
    bool: Uint8Array,
    int8: Int8Array,
    int16: Int16Array,
    int32: Int32Array,
    float: Float32Array,
    double: Float64Array,
  }[kind];
  const present = values.map((value) => (value === null ? 0 : value));
  const typed =
    make === undefined
      ? BigInt64Array.from(present.map((value) => BigInt(value as number)))
      : make.from(present.map(Number));
  return { kind, values: typed } as unknown as Column;
}

function texts(kind: string, values: readonly unknown[]): Column {
  const parts = values.map((value) => {
    if (value === null) return new Uint8Array(0);
    if (kind === 'bytes') return value as Uint8Array;
    return encoder.encode(kind === 'json' ? jsonText(value) : (value as string));
  });
  const offsets = new Uint32Array(parts.length + 1);
  parts.forEach((part, i) => {
    offsets[i + 1] = (offsets[i] as number) + part.length;
  });
  const data = new Uint8Array(offsets[parts.length] as number);
  parts.forEach((part, i) => data.set(part, offsets[i]));
  return { kind, offsets, data } as unknown as Column;
}

function plain(type: string, values: readonly unknown[]): Column {
  return ['varchar', 'json', 'bytes'].includes(type) ? texts(type, values) : numbers(type, values);
}

/** A column of the field's values; null where absent. JSON null is the value `undefined` here. */
export function columnFrom(definition: Field, values: readonly unknown[]): Column {
  const valid = createBitset(values.length);
  values.forEach((value, i) => value !== null && setBit(valid, i));
  if (definition.type !== 'array') return { ...plain(definition.type, values), valid } as Column;
  const lists = values.map((value) => (value ?? []) as unknown[]);
  const offsets = new Uint32Array(values.length + 1);
  lists.forEach((list, i) => {
    offsets[i + 1] = (offsets[i] as number) + list.length;
  });
  const element = plain(definition.element?.type ?? 'int32', lists.flat());
  return { kind: 'array', offsets, element, valid } as Column;
}

/** Rows as a batch, without the late fields. */
export function batchFrom(rows: readonly Row[]): {
  rowCount: number;
  columns: Map<FieldId, Column>;
  timestamps: BigUint64Array;
} {
  const columns = new Map<FieldId, Column>();
  for (const definition of schema.fields) {
    if (definition.name in LATE || definition.type === 'vector') continue;
    const values = rows.map((row) => row[definition.name] ?? null);
    columns.set(definition.id, columnFrom(definition, values));
  }
  const meta = { id: 1 as FieldId, name: '$meta', type: 'json' as const };
  columns.set(
    meta.id,
    columnFrom(
      meta,
      rows.map((row) => row['$meta'] ?? null),
    ),
  );
  const timestamps = BigUint64Array.from(rows.map((row) => row['$ts'] as bigint));
  return { rowCount: rows.length, columns, timestamps };
}
