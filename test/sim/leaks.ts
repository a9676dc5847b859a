/** What must be gone when all collections are. */
import { metaKeys } from '../../packages/protocol/src/index.ts';
import type { SimCluster } from '../../packages/testkit/src/index.ts';

/** Prefixes of records that belong to a collection. */
const OF_COLLECTIONS = [
  metaKeys.collections,
  metaKeys.names,
  metaKeys.allSegments,
  metaKeys.allCheckpoints,
];

/** Records and objects of collections, where none is left. */
export async function leaksOf({ meta, objects }: SimCluster): Promise<readonly string[]> {
  const left: string[] = [];
  for (const prefix of OF_COLLECTIONS) {
    const { entries } = await meta.range(prefix);
    left.push(...entries.map(({ key }) => key));
  }
  for await (const { name } of objects.list('')) left.push(name);
  return left;
}
