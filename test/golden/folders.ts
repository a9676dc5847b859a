import type { Db } from '@elanus/client';
import { ask, makeFolder } from './folder.ts';
import { askVectors, makeVectorsFolder } from './vectors-folder.ts';

/** A folder: how it was made once, and what is asked of it. */
export interface GoldenFolder {
  readonly make: (path: string) => Promise<void>;
  readonly ask: (db: Db) => Promise<unknown>;
}

/** All folders of version 1 by their name there. */
export const FOLDERS: Readonly<Record<string, GoldenFolder>> = {
  folder: { make: makeFolder, ask },
  'folder-vectors': { make: makeVectorsFolder, ask: askVectors },
};
