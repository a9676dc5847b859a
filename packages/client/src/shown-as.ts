import type { CollectionSchema, Field, FieldId, SchemaDefinition } from '@elanus/core';

/** How a handle shows 64-bit integers: `as` of the fields that its definition names. */
export type ShownAs = ReadonlyMap<FieldId, Field['as']>;

/** What a definition says about showing, by field id, so that it holds when fields are renamed. */
export function shownAs(schema: CollectionSchema, definition: SchemaDefinition): ShownAs {
  const shown = new Map<FieldId, Field['as']>();
  for (const { name, as } of definition.fields) {
    const field = schema.fields.find((candidate) => candidate.name === name);
    if (field !== undefined) shown.set(field.id, as);
  }
  return shown;
}

/** The schema as a handle reads rows: its own `as` where it has one to say, else the catalog's. */
export function schemaToRead(schema: CollectionSchema, shown: ShownAs): CollectionSchema {
  return withAs(schema, (field) => (shown.has(field.id) ? shown.get(field.id) : field.as));
}

/**
 * The schema as a handle writes rows: whoever made the collection to be read as numbers can read
 * what others write to it.
 */
export function schemaToWrite(schema: CollectionSchema, shown: ShownAs): CollectionSchema {
  return withAs(schema, (field) => (field.as === 'number' ? 'number' : shown.get(field.id)));
}

function withAs(schema: CollectionSchema, asOf: (field: Field) => Field['as']): CollectionSchema {
  const fields = schema.fields.map((field) => {
    const { as: _stored, ...rest } = field;
    const as = asOf(field);
    return as === undefined ? rest : { ...rest, as };
  });
  return { ...schema, fields };
}
