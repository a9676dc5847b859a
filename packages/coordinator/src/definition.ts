/**
 * From definitions to schemas: completes what was left out, gives fields their ids, and says how a
 * collection differs from a definition of it. Definitions were checked at the proxy.
 */
import {
  ElanusError,
  fieldId,
  FIRST_FIELD_ID,
  LIMITS,
  ttlOf,
  vectorShape,
  type CollectionId,
  type CollectionSchema,
  type Field,
  type FieldDefinition,
  type SchemaDefinition,
} from '@elanus/core';

/** The schema of a new collection. */
export function newSchema(
  name: string,
  definition: SchemaDefinition,
  id: CollectionId,
): CollectionSchema {
  const { fields, dynamic = false, shards = 1, ttlMs } = definition;
  const complete = fields.map((field, i) => ({
    ...completeField(field),
    id: fieldId(FIRST_FIELD_ID + i),
  }));
  const ttl = ttlMs === undefined ? {} : { ttl: [{ sinceMs: 0, ttlMs }] };
  return { collectionId: id, name, version: 1, fields: complete, dynamic, shards, ...ttl };
}

/**
 * A field added to a living collection. @throws ElanusError schema_invalid: it must be nullable or
 * have a default, because rows exist without it; keys and vectors are fixed from the start.
 */
export function addedField(definition: FieldDefinition, id: number): Field {
  const field = completeField(definition);
  if (field.primary === true || field.type === 'vector') {
    throw new ElanusError('schema_invalid', {
      field: field.name,
      hint: 'Keys and vectors are fixed when a collection is made.',
    });
  }
  if (field.nullable !== true && field.default === undefined) {
    throw new ElanusError('schema_invalid', {
      field: field.name,
      hint: 'A field added later is nullable or has a default: rows exist without it.',
    });
  }
  return { ...field, id: fieldId(id) };
}

/** Refuses two fields of one name. @throws ElanusError schema_invalid */
export function checkNames(fields: readonly Field[]): void {
  const names = new Set<string>();
  for (const { name } of fields) {
    if (names.has(name)) {
      throw new ElanusError('schema_invalid', { field: name, hint: 'Two fields have this name.' });
    }
    names.add(name);
  }
}

/**
 * What differs between a collection and a definition of it, in words; empty: they agree. How int64
 * is shown (`as`) belongs to the client and is not compared, nor are indexes: `setIndex` changes
 * those at any time.
 */
export function differences(schema: CollectionSchema, definition: SchemaDefinition): string[] {
  const out: string[] = [];
  const { dynamic = false, shards, ttlMs } = definition;
  if (schema.dynamic !== dynamic) out.push(`dynamic is ${schema.dynamic}, not ${dynamic}`);
  if (shards !== undefined && schema.shards !== shards) {
    out.push(`shards is ${schema.shards}, not ${shards}`);
  }
  if (ttlMs !== undefined && ttlOf(schema.ttl) !== ttlMs) {
    out.push(`ttlMs is ${ttlOf(schema.ttl) ?? 'not set'}, not ${ttlMs}`);
  }
  const wanted = new Map(definition.fields.map((field) => [field.name, completeField(field)]));
  for (const field of schema.fields) {
    const want = wanted.get(field.name);
    if (want === undefined) out.push(`field ${field.name} stands in the collection only`);
    else out.push(...fieldDifferences(field, want));
    wanted.delete(field.name);
  }
  for (const name of wanted.keys()) out.push(`field ${name} is missing; add it with alter`);
  return out;
}

const COMPARED = [
  'type',
  'primary',
  'autoId',
  'nullable',
  'default',
  'maxLength',
  'maxCapacity',
  'vectorType',
  'dim',
  'metric',
] as const;

function fieldDifferences(field: Field, want: FieldDefinition): string[] {
  const out: string[] = [];
  for (const key of COMPARED) {
    if (field[key] === want[key]) continue;
    out.push(`${field.name}.${key} is ${field[key]}, not ${want[key]}`);
  }
  for (const key of ['oneOf', 'element'] as const) {
    if (JSON.stringify(field[key]) !== JSON.stringify(want[key])) {
      out.push(`${field.name}.${key} differs`);
    }
  }
  return out;
}

/** A definition with its defaults written out, properties in one order. */
function completeField(given: FieldDefinition): FieldDefinition {
  return {
    name: given.name,
    type: given.type,
    ...(given.primary === true ? { primary: true } : {}),
    ...(given.autoId === true ? { autoId: true } : {}),
    ...(given.nullable === true ? { nullable: true } : {}),
    ...(given.default === undefined ? {} : { default: given.default }),
    ...(given.as === undefined || given.as === 'bigint' ? {} : { as: given.as }),
    ...typeOptions(given),
  };
}

function typeOptions(given: FieldDefinition): Partial<FieldDefinition> {
  const { type, maxLength = LIMITS.varcharBytesMax } = given;
  if (type === 'varchar' || type === 'bytes') {
    return given.oneOf === undefined ? { maxLength } : { maxLength, oneOf: given.oneOf };
  }
  if (type === 'vector') {
    const { type: vectorType, dim, metric } = vectorShape(given);
    return {
      ...(vectorType === 'float32' ? {} : { vectorType }),
      ...(vectorType === 'sparse' ? {} : { dim }),
      metric,
      ...(given.index === undefined ? {} : { index: given.index }),
    };
  }
  if (type !== 'array' || given.element === undefined) return {};
  const { element, maxCapacity = LIMITS.arrayCapacityMax } = given;
  const text = element.type === 'varchar' || element.type === 'bytes';
  const bytes = element.maxLength ?? LIMITS.varcharBytesMax;
  return {
    element: text ? { type: element.type, maxLength: bytes } : { type: element.type },
    maxCapacity,
  };
}
