import type { FieldDefinition, SchemaDefinition, VectorType } from '@elanus/core';
import { ElanusError, LIMITS, VECTOR_TYPES, vectorMetrics, vectorShape } from '@elanus/core';
import { fieldColumn } from './encode-rows.ts';
import { checkIndexChoice } from './index-choice.ts';
import type { Field } from '@elanus/core';

/** Names that mean something in filters and results. */
const RESERVED: ReadonlySet<string> = new Set(['and', 'or', 'not', 'score', '__proto__']);

/**
 * Whether a name can be given to a collection, an alias or a field: letters, digits and `_`, not
 * beginning with a digit, at most 255 characters. @throws invalid_argument
 */
export function checkName(argument: 'name' | 'alias' | 'field', name: unknown): void {
  const fits =
    typeof name === 'string' &&
    name.length <= LIMITS.nameLengthMax &&
    /^[A-Za-z_][A-Za-z0-9_]*$/.test(name);
  if (fits && !(argument === 'field' && RESERVED.has(name))) return;
  const hint = fits
    ? `\`${name}\` is reserved; use another name.`
    : 'Use letters, digits and _, not beginning with a digit, at most 255 characters.';
  throw new ElanusError('invalid_argument', { argument, got: String(name).slice(0, 64), hint });
}

function refuse(field: string | undefined, hint: string): Error {
  return new ElanusError('invalid_argument', { argument: 'definition', field, hint });
}

/**
 * Whether a collection can be made from a definition: one key, at least one vector, limits, and
 * properties that go together. Pure; the same answer in the client and on the server.
 *
 * @throws invalid_argument, limit_out_of_range with the field.
 */
export function checkDefinition(definition: SchemaDefinition): void {
  const { fields, shards = 1, ttlMs } = definition;
  if (ttlMs !== undefined) checkTtl(ttlMs);
  if (fields.length > LIMITS.fieldsMax) {
    throw refuse(undefined, `A collection has at most ${LIMITS.fieldsMax} fields.`);
  }
  if (!Number.isInteger(shards) || shards < 1 || shards > LIMITS.shardsMax) {
    throw refuse(undefined, `A collection has 1 to ${LIMITS.shardsMax} shards.`);
  }
  const names = new Set<string>();
  for (const field of fields) {
    checkName('field', field.name);
    if (names.has(field.name)) throw refuse(field.name, 'Two fields have this name.');
    names.add(field.name);
    checkField(field);
  }
  const keys = fields.filter((field) => field.primary === true);
  if (keys.length !== 1) {
    const hint = 'Mark exactly one field as key: t.int64({ primary: true }), or t.id().';
    throw refuse(keys[1]?.name, hint);
  }
  const vectors = fields.filter((field) => field.type === 'vector').length;
  if (vectors < 1 || vectors > LIMITS.vectorFieldsMax) {
    throw refuse(undefined, `A collection has 1 to ${LIMITS.vectorFieldsMax} vector fields.`);
  }
}

/** Whether rows can live so long. @throws limit_out_of_range */
export function checkTtl(ttlMs: number): void {
  const max = LIMITS.ttlMsMax;
  if (Number.isInteger(ttlMs) && ttlMs >= 1 && ttlMs <= max) return;
  const expected = `ttlMs from 1 to ${max} milliseconds`;
  throw new ElanusError('limit_out_of_range', { expected, got: String(ttlMs) });
}

/** Whether one field's properties go together. @throws invalid_argument, limit_out_of_range */
export function checkField(field: FieldDefinition): void {
  checkName('field', field.name);
  if (field.index !== undefined) checkIndexChoice(field, field.index);
  if (field.type === 'vector') checkVector(field);
  else if ((field.dim ?? field.metric ?? field.vectorType) !== undefined) {
    throw refuse(field.name, 'Only vectors have a dimension, a metric and a type of numbers.');
  }
  if (field.primary === true) checkKey(field);
  else if (field.autoId === true) throw refuse(field.name, 'Only the key can be made by itself.');
  bounds(field, 'maxLength', LIMITS.varcharBytesMax);
  bounds(field, 'maxCapacity', LIMITS.arrayCapacityMax);
  if (field.type === 'array') checkElement(field);
  else if (field.element !== undefined) throw refuse(field.name, 'Only arrays have elements.');
  if (field.oneOf !== undefined && field.type !== 'varchar') {
    throw refuse(field.name, 'Only varchar fields can be one of a list.');
  }
  if (field.default !== undefined) checkDefault(field);
}

function checkVector(field: FieldDefinition): void {
  const { dim, name } = field;
  const { type, metric } = vectorShape(field);
  if (!VECTOR_TYPES.includes(type)) {
    throw refuse(name, `Vectors are of ${VECTOR_TYPES.join(', ')}, not of ${type}.`);
  }
  if (type === 'sparse') {
    if (dim !== undefined) throw refuse(name, 'Sparse vectors have no dimension.');
  } else checkDim(field, type);
  const metrics = vectorMetrics(type);
  if (!metrics.includes(metric)) {
    const hint = `Vectors of ${type} are compared by ${metrics.join(', ')}, not by ${metric}.`;
    throw refuse(name, hint);
  }
  if (field.nullable === true) throw refuse(name, 'Vectors cannot be null.');
}

function checkDim({ dim, name }: FieldDefinition, type: VectorType): void {
  const [step, max] = type === 'binary' ? [8, LIMITS.binaryDimMax] : [1, LIMITS.dimMax];
  const min = Math.max(step, LIMITS.dimMin);
  // What JavaScript callers send may be a number's text.
  const isWhole = Number.isInteger(dim);
  if (dim !== undefined && isWhole && dim % step === 0 && dim >= min && dim <= max) return;
  const steps = type === 'binary' ? ', a multiple of 8 (bits)' : '';
  throw new ElanusError('limit_out_of_range', {
    field: name,
    expected: `a dimension from ${min} to ${max}${steps}`,
    got: String(dim),
  });
}

function checkKey(field: FieldDefinition): void {
  if (field.type !== 'int64' && field.type !== 'varchar') {
    throw refuse(field.name, 'A key is int64 or varchar.');
  }
  if (field.nullable === true || field.default !== undefined) {
    throw refuse(field.name, 'A key is never null and has no default.');
  }
}

function bounds(field: FieldDefinition, property: 'maxLength' | 'maxCapacity', max: number): void {
  const value = field[property];
  if (value === undefined || (Number.isInteger(value) && value >= 1 && value <= max)) return;
  throw new ElanusError('limit_out_of_range', {
    field: field.name,
    expected: `${property} from 1 to ${max}`,
    got: String(value),
  });
}

function checkElement(field: FieldDefinition): void {
  const type = field.element?.type;
  if (type === undefined || type === 'json') {
    throw refuse(field.name, 'Arrays hold scalars; keep other lists in a json field.');
  }
}

function checkDefault(field: FieldDefinition): void {
  if (field.type === 'vector' || field.type === 'array') {
    throw refuse(field.name, `A field of type ${field.type} has no default.`);
  }
  try {
    const described = { ...field, id: 100, nullable: true } as Field;
    fieldColumn({ values: [undefined], field: described, firstRow: 0 }, {});
  } catch (cause) {
    const hint = `The default does not fit: ${cause instanceof Error ? cause.message : ''}`;
    throw refuse(field.name, hint.slice(0, 300));
  }
}
