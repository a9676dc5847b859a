import type { IndexDetails, IndexPart } from '@elanus/api';
import { AUTO_INDEX, indexBuildKey, LIMITS, vectorFields } from '@elanus/core';
import type { BuiltIndex, CollectionSchema, Field } from '@elanus/core';
import type { ShardStatus } from '@elanus/protocol';

/** What the shards of a collection say of its indexes, field by field. Pure. */
export function indexDetails(
  schema: CollectionSchema,
  shards: readonly ShardStatus[],
  failure: string | undefined,
): readonly IndexDetails[] {
  return vectorFields(schema).map((field) => ({
    ...detailsOf(field, shards),
    ...(failure === undefined ? {} : { failure }),
  }));
}

type Segment = ShardStatus['segments'][number];

function detailsOf(field: Field, shards: readonly ShardStatus[]): IndexDetails {
  const { name, index: choice = AUTO_INDEX } = field;
  const key = indexBuildKey(choice);
  const parts = new Map<string, IndexPart>();
  let indexedRows = 0;
  let pendingRows = shards.reduce((sum, { indexingRows }) => sum + indexingRows, 0);
  for (const segment of shards.flatMap(({ segments }) => segments)) {
    if (!segment.indexed) continue;
    const built = segment.indexes.find((one) => one.field === field.id) ?? UNTOLD;
    const rows = segment.rows - segment.deleted;
    if (built.choice === key) indexedRows += rows;
    // Small ones that merges have left keep what they have: no build comes for them.
    else if (segment.rows >= LIMITS.indexRowsMin) pendingRows += rows;
    add(parts, built, segment);
  }
  const bytes = [...parts.values()].reduce((sum, part) => sum + part.bytes, 0);
  return { field: name, choice, parts: [...parts.values()], indexedRows, pendingRows, bytes };
}

/** An index of before they were listed. */
const UNTOLD: Omit<BuiltIndex, 'field'> = {
  choice: indexBuildKey(),
  kind: 'unknown',
  params: {},
  bytes: 0,
};

function add(
  parts: Map<string, IndexPart>,
  { kind, params, bytes }: Omit<BuiltIndex, 'field'>,
  segment: Segment,
): void {
  const key = `${kind} ${JSON.stringify(params)}`;
  const part = parts.get(key) ?? { kind, params, segments: 0, rows: 0, bytes: 0 };
  parts.set(key, {
    ...part,
    segments: part.segments + 1,
    rows: part.rows + segment.rows - segment.deleted,
    bytes: part.bytes + bytes,
  });
}
