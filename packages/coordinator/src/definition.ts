/**
 * Schemas at the border: what users describe is checked, completed and compared here, so that
 * everything behind it can trust a `CollectionSchema`.
 */
import {
  DYNAMIC_FIELD,
  ElanusError,
  fieldId,
  FIRST_FIELD_ID,
  LIMITS,
  METRICS,
  type CollectionId,
  type CollectionSchema,
  type Field,
  type FieldDefinition,
  type FieldType,
  type SchemaDefinition,
} from '@elanus/core';

const NAME = /^[A-Za-z_][A-Za-z0-9_-]*$/;
const RESERVED: ReadonlySet<string> = new Set(['and', 'or', 'not', 'score', '__proto__']);
const TYPES: ReadonlySet<string> = new Set<FieldType>([
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
  'array',
  'vector',
]);

const refuse = (field: string | undefined, hint: string, got?: unknown): never => {
  throw new ElanusError('schema_invalid', {
    field,
    hint,
    got: got === undefined ? undefined : String(got),
  });
};

/** Checks a collection's or alias' name. @throws invalid_argument */
export function checkName(name: string): void {
  if (typeof name === 'string' && NAME.test(name) && name.length <= LIMITS.nameLengthMax) return;
  throw new ElanusError('invalid_argument', {
    argument: 'name',
    got: String(name).slice(0, 64),
    hint: `A name begins with a letter or _, has letters, digits, _ and -, and at most ${LIMITS.nameLengthMax} characters.`,
  });
}

/** The schema of a new collection. @throws ElanusError schema_invalid, invalid_argument */
export function newSchema(
  name: string,
  definition: SchemaDefinition,
  id: CollectionId,
): CollectionSchema {
  checkName(name);
  const { fields, dynamic = false, shards = 1 } = definition;
  if (!Number.isInteger(shards) || shards < 1 || shards > LIMITS.shardsMax) {
    refuse(undefined, `shards is a whole number from 1 to ${LIMITS.shardsMax}.`, shards);
  }
  if (!Array.isArray(fields) || fields.length === 0 || fields.length > LIMITS.fieldsMax) {
    refuse(undefined, `A collection has 1 to ${LIMITS.fieldsMax} fields.`, fields?.length);
  }
  const complete = fields.map((field, i) => ({
    ...completeField(field),
    id: fieldId(FIRST_FIELD_ID + i),
  }));
  checkTogether(complete);
  return { collectionId: id, name, version: 1, fields: complete, dynamic, shards };
}

/** A field added to a living collection: nullable or with a default, never key or vector. */
export function addedField(definition: FieldDefinition, id: number): Field {
  const field = completeField(definition);
  if (field.primary === true || field.type === 'vector') {
    refuse(field.name, 'Keys and vectors are fixed when a collection is made.');
  }
  if (field.nullable !== true && field.default === undefined) {
    refuse(field.name, 'A field added later is nullable or has a default: rows exist without it.');
  }
  return { ...field, id: fieldId(id) };
}

/** Checks rules between fields. @throws schema_invalid */
export function checkTogether(fields: readonly Field[]): void {
  const names = new Set<string>();
  for (const { name } of fields) {
    if (names.has(name)) refuse(name, 'Two fields have this name.');
    names.add(name);
  }
  const keys = fields.filter((field) => field.primary === true);
  if (keys.length !== 1) {
    refuse(undefined, 'Exactly one field is the primary key: { primary: true }.', keys.length);
  }
  const vectors = fields.filter((field) => field.type === 'vector').length;
  if (vectors < 1 || vectors > LIMITS.vectorFieldsMax) {
    refuse(undefined, `A collection has 1 to ${LIMITS.vectorFieldsMax} vector fields.`, vectors);
  }
}

/**
 * What differs between a collection and a definition of it, in words; empty: they agree. How int64
 * is shown (`as`) belongs to the client and is not compared.
 */
export function differences(schema: CollectionSchema, definition: SchemaDefinition): string[] {
  const out: string[] = [];
  const { dynamic = false, shards } = definition;
  if (schema.dynamic !== dynamic) out.push(`dynamic is ${schema.dynamic}, not ${dynamic}`);
  if (shards !== undefined && schema.shards !== shards) {
    out.push(`shards is ${schema.shards}, not ${shards}`);
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

function fieldDifferences(field: Field, want: FieldDefinition): string[] {
  const out: string[] = [];
  const keys = [
    'type',
    'primary',
    'autoId',
    'nullable',
    'default',
    'maxLength',
    'maxCapacity',
    'dim',
    'metric',
  ] as const;
  for (const key of keys) {
    if (field[key] !== want[key])
      out.push(`${field.name}.${key} is ${field[key]}, not ${want[key]}`);
  }
  for (const key of ['oneOf', 'element'] as const) {
    if (JSON.stringify(field[key]) !== JSON.stringify(want[key])) {
      out.push(`${field.name}.${key} differs`);
    }
  }
  return out;
}

/** Checks one field and fills in what it leaves out, in one order of properties. */
function completeField(given: FieldDefinition): FieldDefinition {
  const { name, type } = given;
  checkFieldName(name);
  if (!TYPES.has(type)) refuse(name, 'There is no such type.', type);
  const key = given.primary === true;
  if (key && type !== 'int64' && type !== 'varchar')
    refuse(name, 'Keys are int64 or varchar.', type);
  if (key && given.nullable === true) refuse(name, 'A key is never null.');
  if (given.autoId === true && !key) refuse(name, 'Only a key can be autoId.');
  if (given.default !== undefined) checkDefault(given);
  return {
    name,
    type,
    ...(key ? { primary: true } : {}),
    ...(given.autoId === true ? { autoId: true } : {}),
    ...(given.nullable === true ? { nullable: true } : {}),
    ...(given.default === undefined ? {} : { default: given.default }),
    ...(given.as === undefined || given.as === 'bigint' ? {} : { as: given.as }),
    ...typeOptions(given),
  };
}

function checkFieldName(name: string): void {
  const fits = typeof name === 'string' && NAME.test(name) && name.length <= LIMITS.nameLengthMax;
  if (!fits || RESERVED.has(name) || name === DYNAMIC_FIELD) {
    refuse(
      String(name),
      'A field name begins with a letter or _, has letters, digits, _ and -, and is not and, or, not, score.',
    );
  }
}

function typeOptions(given: FieldDefinition): Partial<FieldDefinition> {
  const { name, type } = given;
  if (type === 'varchar' || type === 'bytes') {
    const maxLength = given.maxLength ?? LIMITS.varcharBytesMax;
    within(name, 'maxLength', { value: maxLength, min: 1, max: LIMITS.varcharBytesMax });
    return given.oneOf === undefined ? { maxLength } : { maxLength, oneOf: given.oneOf };
  }
  if (type === 'vector') {
    const { dim, metric = 'cosine' } = given;
    within(name, 'dim', { value: dim, min: LIMITS.dimMin, max: LIMITS.dimMax });
    if (!METRICS.includes(metric)) refuse(name, `metric is one of ${METRICS.join(', ')}.`, metric);
    if (given.nullable === true) refuse(name, 'Vectors are never null.');
    return { dim: dim ?? 1, metric };
  }
  if (type !== 'array') return {};
  const { element, maxCapacity = LIMITS.arrayCapacityMax } = given;
  if (element === undefined || !TYPES.has(element.type) || element.type === 'json') {
    refuse(name, 'An array has elements of a scalar type other than json.', element?.type);
  }
  within(name, 'maxCapacity', { value: maxCapacity, min: 1, max: LIMITS.arrayCapacityMax });
  const maxLength = element?.maxLength ?? LIMITS.varcharBytesMax;
  const text = element?.type === 'varchar' || element?.type === 'bytes';
  const type_ = element?.type ?? 'int64';
  return { element: text ? { type: type_, maxLength } : { type: type_ }, maxCapacity };
}

function within(
  field: string,
  what: string,
  range: { readonly value: number | undefined; readonly min: number; readonly max: number },
): void {
  const { value, min, max } = range;
  if (value !== undefined && Number.isInteger(value) && value >= min && value <= max) return;
  refuse(field, `${what} is a whole number from ${min} to ${max}.`, value);
}

function checkDefault(field: FieldDefinition): void {
  const { name, type } = field;
  const value = field.default;
  if (field.primary === true) refuse(name, 'A key has no default.');
  const whole = typeof value === 'number' && Number.isInteger(value);
  const wide = typeof value === 'string' && /^-?\d{1,19}$/.test(value);
  const fits =
    type === 'bool'
      ? typeof value === 'boolean'
      : type === 'varchar'
        ? typeof value === 'string'
        : type === 'int64' || type === 'timestamp'
          ? whole || wide
          : type === 'float' || type === 'double'
            ? typeof value === 'number' && Number.isFinite(value)
            : type === 'int8' || type === 'int16' || type === 'int32'
              ? whole
              : false;
  if (!fits) refuse(name, `This is no default for ${type}.`, value);
}
