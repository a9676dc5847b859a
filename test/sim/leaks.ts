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

/**
 * Records that nothing needs, where no collection is left. Objects are not looked at: while nobody
 * writes, the newest of them count as young, and no sweep takes them before something else changes.
 */
export async function leaksOf({ meta }: SimCluster): Promise<readonly string[]> {
  const left: string[] = [];
  for (const prefix of OF_COLLECTIONS) {
    const { entries } = await meta.range(prefix);
    left.push(...entries.map(({ key }) => key));
  }
  return left;
}
