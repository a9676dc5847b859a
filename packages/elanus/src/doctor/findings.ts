import { isElanusError } from '@elanus/core';

/** What is damaged; `unnamed` = an object that nothing names. */
export type Part =
  | 'metadata'
  | 'log'
  | 'manifest'
  | 'scalars'
  | 'vectors'
  | 'delta'
  | 'keys'
  | 'stats'
  | 'index'
  | 'recovery'
  | 'unnamed';

/** Something that is not as it was written. */
export interface Damage {
  readonly part: Part;
  /** What it is: an object's name, a stream of the log, the metadata. */
  readonly what: string;
  readonly why: string;
  /** What is lost by it, and what can be done. */
  readonly cure: string;
}

/** What was checked and what was found. Plain JSON. */
export interface Report {
  readonly folder: string;
  readonly collections: number;
  readonly segments: number;
  readonly objects: number;
  readonly objectBytes: number;
  readonly records: number;
  readonly logBytes: number;
  readonly damage: readonly Damage[];
  /** Worth knowing, and no damage. */
  readonly notes: readonly string[];
}

/** How far an examination is. */
export interface Examined {
  readonly objects: number;
  readonly bytes: number;
}

/** What is checked, and what is to be said when it is damaged. */
export type Checked = Omit<Damage, 'why'>;

/** Where the checks write what they find. */
export class Findings {
  readonly damage: Damage[] = [];
  readonly notes: string[] = [];
  collections = 0;
  segments = 0;
  objects = 0;
  objectBytes = 0;
  records = 0;
  logBytes = 0;

  /** What was found, as plain data. */
  report(folder: string): Report {
    const { collections, segments, objects, objectBytes, records, logBytes } = this;
    const { damage, notes } = this;
    return {
      folder,
      collections,
      segments,
      objects,
      objectBytes,
      records,
      logBytes,
      damage,
      notes,
    };
  }

  /** Runs a check; what it throws is damage. Undefined then. */
  async try<T>(of: Checked, check: () => Promise<T>): Promise<T | undefined> {
    try {
      return await check();
    } catch (error) {
      this.damage.push({ ...of, why: reasonOf(error) });
      return undefined;
    }
  }
}

/** The reason in few words: the advice of error texts (`run elanus doctor`) is not repeated. */
function reasonOf(error: unknown): string {
  if (!isElanusError(error)) return error instanceof Error ? error.message : String(error);
  const { why, path, offset } = error.details as {
    readonly why?: string;
    readonly path?: string;
    readonly offset?: number;
  };
  if (error.code === 'object_not_found' || error.code === 'file_not_found') return 'missing';
  if (why === undefined) return error.message;
  const at = [path, offset].filter((part) => part !== undefined).join(' at byte ');
  return at === '' ? why : `${why} (${at})`;
}
