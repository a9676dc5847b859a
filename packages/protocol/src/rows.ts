/**
 * Rows of an answer as bodies of a call: one for each array of their columns, which in process
 * travel by reference. A frame would be encoded and decoded at every role; for ten rows that takes
 * longer than to find them.
 */
import {
  assert,
  fieldId,
  isDenseArray,
  type BytesColumn,
  type Column,
  type ColumnBatch,
  type DenseType,
  type FieldId,
  type NumberColumn,
} from '@elanus/core';

type FlatColumn = NumberColumn | BytesColumn;

/** What a call's header says of a column: all but its arrays. */
interface ColumnHead {
  readonly field: number;
  readonly kind: Column['kind'];
  /** Lists: what they hold. */
  readonly element?: FlatColumn['kind'];
  /** Dense vectors. */
  readonly type?: DenseType;
  readonly dim?: number;
  /** Whether the last body says which values are there. */
  readonly hasValid: boolean;
}

/** What a call's header says of the rows in its bodies. */
export interface RowsHead {
  readonly rowCount: number;
  readonly columns: readonly ColumnHead[];
}

/**
 * Rows as a head and bodies, put behind those that are there. The bodies are the batch's own
 * arrays. Cost: none by row.
 */
export function packRows(
  rows: ColumnBatch,
  bodies: ArrayBufferView[] = [],
): {
  readonly head: RowsHead;
  readonly bodies: readonly ArrayBufferView[];
} {
  const columns: ColumnHead[] = [];
  for (const [field, column] of rows.columns) columns.push(packColumn(field, column, bodies));
  return { head: { rowCount: rows.rowCount, columns }, bodies };
}

function packColumn(field: FieldId, column: Column, bodies: ArrayBufferView[]): ColumnHead {
  const { kind } = column;
  if (kind === 'vector') {
    bodies.push(column.values);
    return { field, kind, type: column.type, dim: column.dim, hasValid: false };
  }
  if (kind === 'sparse') {
    bodies.push(column.offsets, column.indices, column.values);
    return { field, kind, hasValid: false };
  }
  const { valid } = column;
  const hasValid = valid !== undefined;
  if (kind === 'array') {
    bodies.push(column.offsets);
    packFlat(column.element, bodies);
    if (hasValid) bodies.push(valid);
    return { field, kind, element: column.element.kind, hasValid };
  }
  packFlat(column, bodies);
  if (hasValid) bodies.push(valid);
  return { field, kind, hasValid };
}

function packFlat(column: FlatColumn, bodies: ArrayBufferView[]): void {
  if ('offsets' in column) bodies.push(column.offsets, column.data);
  else bodies.push(column.values);
}

/** Reads what `packRows` made; the arrays are the bodies from `first` on. */
export function unpackRows(
  head: RowsHead,
  bodies: readonly ArrayBufferView[],
  first: number = 0,
): ColumnBatch {
  const columns = new Map<FieldId, Column>();
  let at = first;
  const next = (): ArrayBufferView => {
    const body = bodies[at++];
    assert(body !== undefined, 'a body for every array of the rows');
    return body;
  };
  for (const column of head.columns) columns.set(fieldId(column.field), unpackColumn(column, next));
  return { rowCount: head.rowCount, columns };
}

function unpackColumn(head: ColumnHead, next: () => ArrayBufferView): Column {
  const { kind, type, dim = 0 } = head;
  if (kind === 'vector') {
    const values = next();
    assert(type !== undefined && isDenseArray(type, values), 'vectors of their type');
    return { kind, type, dim, values };
  }
  if (kind === 'sparse') {
    const [offsets, indices] = [next() as Uint32Array, next() as Uint32Array];
    return { kind, offsets, indices, values: next() as Float32Array };
  }
  if (kind === 'array') {
    const offsets = next() as Uint32Array;
    assert(head.element !== undefined, 'lists say what they hold');
    const element = unpackFlat(head.element, next);
    return head.hasValid
      ? { kind, offsets, element, valid: next() as Uint32Array }
      : { kind, offsets, element };
  }
  const column = unpackFlat(kind, next);
  return head.hasValid ? { ...column, valid: next() as Uint32Array } : column;
}

function unpackFlat(kind: FlatColumn['kind'], next: () => ArrayBufferView): FlatColumn {
  if (kind === 'varchar' || kind === 'json' || kind === 'bytes') {
    const offsets = next() as Uint32Array;
    return { kind, offsets, data: next() as Uint8Array };
  }
  return { kind, values: next() as NumberColumn['values'] };
}
