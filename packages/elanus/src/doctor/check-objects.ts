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
import type { Examined, Findings } from './findings.ts';

/** Walks over all objects, tells how far it is. */
export interface ObjectCheck {
  readonly objects: ObjectStore;
  readonly findings: Findings;
  readonly onProgress: (done: Examined) => void;
}

const CURES = {
  manifest: 'It names the files of its segment: restore it from a backup.',
  scalars: 'Fields of these rows are lost: restore it from a backup.',
  vectors: 'Vectors of these rows are lost: restore it from a backup.',
  delta: 'Deleted rows may come back: restore it from a backup.',
  keys: 'No row is lost: it can be rebuilt from the segment.',
  stats: 'No row is lost: it can be rebuilt from the segment.',
  index: 'No row is lost: the index can be rebuilt from the vectors.',
  recovery: 'No row is lost: only retries of earlier writes are not recognised.',
} as const;

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
  for (const segment of catalog?.segments ?? []) await checkSegment(check, segment, named);
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
    const cure = 'Nothing names it: it can be removed.';
    await findings.try(name, catalog === undefined ? '' : cure, () => objects.verify(name));
  }
  if (strays > 0 && catalog !== undefined) {
    findings.notes.push(`${strays} objects are named by nobody; the database removes them itself`);
  }
}

interface Checked {
  readonly name: string;
  readonly part: keyof typeof CURES;
  /** What the manifest says of it. */
  readonly file?: ManifestFile;
  readonly decode?: (bytes: Uint8Array) => unknown;
  /** For big files: looks at their beginning, after the checksum was compared. */
  readonly look?: () => Promise<unknown>;
}

async function checkFile(check: ObjectCheck, one: Checked, named: Set<string>): Promise<void> {
  const { name, part, file, decode, look } = one;
  const { objects, findings } = check;
  named.add(name);
  await findings.try(name, CURES[part], async () => {
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

async function checkSegment(
  check: ObjectCheck,
  segment: SegmentRecord,
  named: Set<string>,
): Promise<void> {
  const { objects, findings } = check;
  const { manifest: name, delta, rowCount } = segment;
  named.add(name);
  if (delta !== undefined) {
    const decode = (bytes: Uint8Array): unknown => decodeDeltaLog(bytes, delta, rowCount);
    await checkFile(check, { name: delta, part: 'delta', decode }, named);
  }
  const manifest = await findings.try(name, CURES.manifest, async () =>
    decodeManifest(await objects.get(name), name),
  );
  if (manifest === undefined) return;
  for (const one of filesOf(manifest, objects)) await checkFile(check, one, named);
}

function filesOf(manifest: Manifest, objects: ObjectStore): Checked[] {
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
    ...vectors.map(({ file }): Checked => {
      const look = async (): Promise<void> =>
        rowsOf(file.name, (await readVectorHeader(objects, file.name)).rowCount);
      return { name: file.name, part: 'vectors', file, look };
    }),
    ...indexes.map(({ file }): Checked => {
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
