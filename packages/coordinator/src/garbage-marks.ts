import type { MetaCompare } from '@elanus/core';
import { metaKeys } from '@elanus/protocol';

const STANDS_ALONE = /(?:-delta-\d+\.bin|\/recovery\/[^/]+)$/;

/** Under what an object is marked: the folder of its attempt, or its name where it stands alone. */
export function garbageKey(name: string): string {
  const of = STANDS_ALONE.test(name) ? name : name.slice(0, name.lastIndexOf('/') + 1);
  return metaKeys.garbage(of);
}

/** Hold as long as nothing that a commit names is about to be removed; see sweep.ts. S6. */
export function notGarbage(names: readonly (string | undefined)[]): readonly MetaCompare[] {
  const given = names.flatMap((name) => name ?? []);
  return given.map((name) => ({ key: garbageKey(name), exists: false }));
}
