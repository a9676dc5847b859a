import { ElanusError, type ObjectStore } from '@elanus/core';
import {
  decodeDeltaLog,
  decodeKeys,
  decodeManifest,
  decodeScalars,
  decodeStats,
  readVectorHeader,
  type Manifest,
  type ManifestFile,
} from '@elanus/format';
import { readIndexHeader } from '@elanus/index';
import type { SegmentRecord } from '@elanus/protocol';
import type { Catalog } from './check-metadata.ts';
import type { Examined, Findings, Part } from './findings.ts';

/** Walks over all objects, tells how far it is. */
export interface ObjectCheck {
  readonly objects: ObjectStore;
  readonly findings: Findings;
  readonly onProgress: (done: Examined) => void;
}

const CURES: Readonly<Record<Exclude<Part, 'metadata' | 'log'>, string>> = {
  manifest: 'It names the files of its segment: restore it from a backup.',
  scalars: 'Fields of these rows are lost: restore it from a backup.',
  vectors: 'Vectors of these rows are lost: restore it from a backup.',
  delta: 'Deleted rows may come back: restore it from a backup.',
  keys: 'No row is lost: --repair makes it anew from the scalars of the segment.',
  stats: 'No row is lost: --repair makes it anew from the scalars of the segment.',
  index: 'No row is lost: the database builds it anew when it is opened.',
  recovery:
    'No row is lost: --repair drops it 15 minutes after its last write; retries of writes older ' +
    'than that are refused anyway.',
  unnamed: 'Nothing names it: --repair removes it.',
};
/** While a manifest cannot be read, nobody knows which files it names. */
const KEEP = 'It may belong to a segment whose manifest is damaged: keep it.';

/**
 * Reads every object and compares checksums; then reads what the metadata names by the decoders of
 * the formats. Objects that nobody names are no damage: the database removes them itself.
 */
export async function checkObjects(
  check: ObjectCheck,
  catalog: Catalog | undefined,
): Promise<void> {
  const { objects, findings, onProgress } = check;
  const named = new Set<string>();
  let known = catalog !== undefined;
  for (const segment of catalog?.segments ?? []) {
    known = (await checkSegment(check, segment, named)) && known;
  }
  for (const { recovery } of catalog?.checkpoints ?? []) {
    if (recovery !== undefined) await checkFile(check, { name: recovery, part: 'recovery' }, named);
  }
  let strays = 0;
  for await (const { name, size } of objects.list('')) {
    findings.objects++;
    findings.objectBytes += size;
    onProgress({ objects: findings.objects, bytes: findings.objectBytes });
    if (named.has(name)) continue;
    strays++;
    const of = { part: 'unnamed', what: name, cure: known ? CURES.unnamed : KEEP } as const;
    await findings.try(of, () => objects.verify(name));
  }
  if (strays > 0) {
    const why = known ? 'the database removes them itself' : 'keep them: a list is damaged';
    findings.notes.push(`${strays} objects are named by nobody; ${why}`);
  }
}

interface CheckedFile {
  readonly name: string;
  readonly part: keyof typeof CURES;
  /** What the manifest says of it. */
  readonly file?: ManifestFile;
  readonly decode?: (bytes: Uint8Array) => unknown;
  /** For big files: looks at their beginning, after the checksum was compared. */
  readonly look?: () => Promise<unknown>;
}

async function checkFile(check: ObjectCheck, one: CheckedFile, named: Set<string>): Promise<void> {
  const { name, part, file, decode, look } = one;
  const { objects, findings } = check;
  named.add(name);
  await findings.try({ part, what: name, cure: CURES[part] }, async () => {
    if (file !== undefined) {
      const stat = await objects.stat(name);
      if (stat === undefined) throw new ElanusError('object_not_found', { name });
      if (stat.size !== file.size || stat.crc32 !== file.crc32) {
        throw new ElanusError('object_corrupt', { name, why: 'not the file the manifest names' });
      }
    }
    if (decode !== undefined) decode(await objects.get(name));
    else await objects.verify(name);
    await look?.();
  });
}

/** False = its manifest cannot be read, so that nobody knows its files. */
async function checkSegment(
  check: ObjectCheck,
  segment: SegmentRecord,
  named: Set<string>,
): Promise<boolean> {
  const { objects, findings } = check;
  const { manifest: name, delta, rowCount } = segment;
  named.add(name);
  if (delta !== undefined) {
    const decode = (bytes: Uint8Array): unknown => decodeDeltaLog(bytes, delta, rowCount);
    await checkFile(check, { name: delta, part: 'delta', decode }, named);
  }
  const of = { part: 'manifest', what: name, cure: CURES.manifest } as const;
  const manifest = await findings.try(of, async () =>
    decodeManifest(await objects.get(name), name),
  );
  if (manifest === undefined) return false;
  for (const one of filesOf(manifest, objects)) await checkFile(check, one, named);
  return true;
}

function filesOf(manifest: Manifest, objects: ObjectStore): CheckedFile[] {
  const { scalars, keys, stats, vectors, indexes, rowCount } = manifest;
  const rowsOf = (name: string, rows: number): void => {
    if (rows === rowCount) return;
    const why = `${rows} rows, but its segment has ${rowCount}`;
    throw new ElanusError('object_corrupt', { name, why });
  };
  return [
    {
      name: scalars.name,
      part: 'scalars',
      file: scalars,
      decode: (bytes) => rowsOf(scalars.name, decodeScalars(bytes, scalars.name).rowCount),
    },
    {
      name: keys.name,
      part: 'keys',
      file: keys,
      decode: (bytes) => decodeKeys(bytes, keys.name, rowCount),
    },
    {
      name: stats.name,
      part: 'stats',
      file: stats,
      decode: (bytes) => rowsOf(stats.name, decodeStats(bytes, stats.name).rowCount),
    },
    ...vectors.map(({ file }): CheckedFile => {
      const look = async (): Promise<void> =>
        rowsOf(file.name, (await readVectorHeader(objects, file.name)).rowCount);
      return { name: file.name, part: 'vectors', file, look };
    }),
    ...indexes.map(({ file }): CheckedFile => {
      const decode = (bytes: Uint8Array): void => rowsOf(file.name, indexRows(bytes, file.name));
      return { name: file.name, part: 'index', file, decode };
    }),
  ];
}

function indexRows(bytes: Uint8Array, path: string): number {
  const buffer = new SharedArrayBuffer(bytes.length);
  new Uint8Array(buffer).set(bytes);
  const memory = { buffer, byteOffset: 0 };
  return readIndexHeader({ path, memory, bytes: bytes.length }).rowCount;
}
