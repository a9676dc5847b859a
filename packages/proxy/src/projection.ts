import type { Projection } from '@elanus/api';
import {
  didYouMean,
  DYNAMIC_FIELD_ID,
  ElanusError,
  fieldByName,
  primaryField,
  TIMESTAMP_FIELD,
  type CollectionSchema,
  type FieldId,
} from '@elanus/core';

/** Which columns a read answers with. The key's is always among them. */
export interface Columns {
  readonly fields: readonly FieldId[];
  readonly withTimestamp: boolean;
}

/**
 * Resolves names: `select`, or every scalar field but those of `omit`. Other names are keys of
 * `$meta` in dynamic collections. @throws unknown_field, invalid_argument
 */
export function readProjection(request: Projection, schema: CollectionSchema): Columns {
  const { select, omit } = request;
  if (select !== undefined && omit !== undefined) {
    throw new ElanusError('invalid_argument', {
      argument: 'omit',
      hint: 'Give select or omit, not both.',
    });
  }
  const key = primaryField(schema).id;
  if (select?.length === 0) return { fields: [key], withTimestamp: false };
  const ids = new Set<FieldId>([key]);
  let withTimestamp = false;
  if (select !== undefined) {
    for (const name of select) {
      if (name === TIMESTAMP_FIELD) withTimestamp = true;
      else ids.add(idOf(name, schema));
    }
    return { fields: [...ids], withTimestamp };
  }
  const left = new Set((omit ?? []).map((name) => idOf(name, schema)));
  for (const field of schema.fields) {
    if (field.type !== 'vector' && !left.has(field.id)) ids.add(field.id);
  }
  if (schema.dynamic && !(omit ?? []).includes('$meta')) ids.add(DYNAMIC_FIELD_ID);
  return { fields: [...ids], withTimestamp };
}

function idOf(name: string, schema: CollectionSchema): FieldId {
  const field = fieldByName(schema, name);
  if (field !== undefined) return field.id;
  if (schema.dynamic) return DYNAMIC_FIELD_ID;
  const names = schema.fields.map((candidate) => candidate.name);
  const hint = didYouMean(String(name), names);
  throw new ElanusError('unknown_field', { field: String(name), hint });
}
