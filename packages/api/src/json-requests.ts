import type { CollectionSchema, Field, VectorColumn } from '@elanus/core';
import {
  ElanusError,
  LIMITS,
  assert,
  denseWidth,
  isVectorColumn,
  vectorFields,
  vectorShape,
} from '@elanus/core';
import type {
  DeleteRequest,
  Projection,
  ReadPoint,
  SearchRequest,
  WireFilter,
} from './database.ts';
import { encodeKeys } from './encode-keys.ts';
import { fieldColumn } from './encode-rows.ts';
import { vectorsOfBase64 } from './encode-vectors.ts';
import type { DeleteInput, ReadInput, SearchInput } from './schemas.ts';
import { decodeValue } from './wire-value.ts';

/** Hits of a search that does not say how many. */
const LIMIT_DEFAULT = 10;

/** What a JSON caller has to see, and which fields come back. */
export function readPart(input: ReadInput): ReadPoint & Projection {
  const { consistency, session, select, omit } = input;
  return {
    consistency:
      typeof consistency === 'object' ? { at: BigInt(consistency.at) } : (consistency ?? 'session'),
    sessionTimestamp: session === undefined ? undefined : BigInt(session),
    select,
    omit,
  };
}

/** The filter of a JSON caller, in either form; both at once are refused. */
export function filterPart(input: Pick<ReadInput, 'filter' | 'expr'>): WireFilter | undefined {
  const { filter, expr } = input;
  if (filter !== undefined && expr !== undefined) {
    throw new ElanusError('invalid_argument', {
      argument: 'expr',
      hint: 'Give either filter or expr.',
    });
  }
  if (expr !== undefined) {
    const params = decodeMembers(expr.params ?? {});
    return { kind: 'text', text: expr.text, params };
  }
  return filter === undefined ? undefined : { kind: 'object', value: decodeMembers(filter) };
}

/** Members one by one: the outermost object is never itself a tagged value. */
function decodeMembers(members: NonNullable<ReadInput['filter']>): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(members).map(([name, value]) => [name, decodeValue(value)]),
  );
}

/** A JSON search as the database's request. */
export function searchPart(input: SearchInput, schema: CollectionSchema): SearchRequest {
  return {
    ...readPart(input),
    collection: input.collection,
    field: input.field,
    queries: queriesPart(input, schema),
    limit: input.limit ?? LIMIT_DEFAULT,
    offset: input.offset ?? 0,
    filter: filterPart(input),
    within: input.within,
    recall: input.recall,
    params: input.params,
  };
}

function queriesPart(input: SearchInput, schema: CollectionSchema): SearchRequest['queries'] {
  const { vector, vectors, packed, ids } = input;
  const given = [vector, vectors, packed, ids].filter((part) => part !== undefined);
  if (given.length !== 1) {
    throw new ElanusError('invalid_argument', {
      argument: 'vector',
      hint: 'Give exactly one of vector, vectors and ids.',
    });
  }
  if (ids !== undefined) return { kind: 'keys', keys: encodeKeys(ids, schema) };
  const field = searchField(schema, input.field);
  if (packed !== undefined) return { kind: 'vectors', column: packedVectors(packed, field) };
  const list = vector === undefined ? (vectors ?? []) : [vector];
  if (list.length > LIMITS.queriesMax) {
    // Room for all is taken before the first is looked at.
    const expected = `1 to ${LIMITS.queriesMax} queries`;
    throw new ElanusError('limit_out_of_range', { expected, got: String(list.length) });
  }
  const column = fieldColumn({ values: list, field, firstRow: 0 }, {});
  assert(isVectorColumn(column), 'a vector field has vectors');
  return { kind: 'vectors', column };
}

/** Dense vectors in one text, one behind the other. @throws invalid_argument, dimension_mismatch */
function packedVectors(
  packed: NonNullable<SearchInput['packed']>,
  field: CollectionSchema['fields'][number],
): VectorColumn {
  const { type, dim } = vectorShape(field);
  if (type === 'sparse') {
    const hint = 'Sparse vectors come as vectors: [{ indices, values }].';
    throw new ElanusError('invalid_argument', { argument: 'packed', hint });
  }
  const values = vectorsOfBase64(type, packed.values);
  if (values === undefined) {
    throw new ElanusError('invalid_argument', { argument: 'packed', hint: 'It is not base64.' });
  }
  const width = denseWidth(type, dim);
  if (values.length === packed.count * width) return { kind: 'vector', type, dim, values };
  const got = String(values.length / packed.count);
  throw new ElanusError('dimension_mismatch', { field: field.name, expected: String(width), got });
}

/** The vector field a search means. @throws unknown_field, invalid_argument */
export function searchField(schema: CollectionSchema, name: string | undefined): Field {
  let found: Field | undefined;
  let others = 0;
  for (const field of schema.fields) {
    if (field.type !== 'vector' || (name !== undefined && field.name !== name)) continue;
    if (found === undefined) found = field;
    else others++;
  }
  if (found !== undefined && others === 0) return found;
  const names = vectorFields(schema).map((one) => one.name);
  if (found !== undefined) {
    const hint = `Name one of the vector fields: ${names.join(', ')}.`;
    throw new ElanusError('invalid_argument', { argument: 'field', hint });
  }
  const hint =
    names.length === 0
      ? 'The collection has no vector field.'
      : `Vector fields: ${names.join(', ')}.`;
  throw new ElanusError('unknown_field', { field: name ?? 'vector', hint });
}

/** A JSON delete as the database's request. @throws empty_delete, invalid_argument */
export function deletePart(
  input: DeleteInput,
  rest: { readonly schema: CollectionSchema; readonly idempotencyKey: string },
): DeleteRequest {
  const filter = filterPart(input);
  const given = [input.ids, filter, input.all].filter((part) => part !== undefined);
  if (given.length === 0) throw new ElanusError('empty_delete', {});
  if (given.length > 1) {
    throw new ElanusError('invalid_argument', {
      argument: 'ids',
      hint: 'Give exactly one of ids, filter and all.',
    });
  }
  const { consistency, sessionTimestamp } = readPart(input);
  const base = {
    consistency,
    sessionTimestamp,
    collection: input.collection,
    idempotencyKey: rest.idempotencyKey,
  };
  if (input.ids !== undefined) {
    if (input.ids.length === 0) throw new ElanusError('empty_delete', {});
    return { ...base, target: { kind: 'keys', keys: encodeKeys(input.ids, rest.schema) } };
  }
  if (filter !== undefined) return { ...base, target: { kind: 'filter', filter } };
  return { ...base, target: { kind: 'all' } };
}
