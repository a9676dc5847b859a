/** Seeded harm to one file of a folder: what disks, copies and people do. */
import {
  copyFileSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join, relative } from 'node:path';

/** One harm, told so that it can be done again. */
export interface Harm {
  /** Path below the folder. */
  readonly file: string;
  readonly how: 'bit' | 'byte' | 'cut' | 'zeros' | 'removed' | 'swapped' | 'copied';
  /** Offset of the first byte that changes; the new size of a cut file. */
  readonly at: number;
  /** What the byte is xored with; how many bytes become zero. */
  readonly by: number;
  /** The other file. */
  readonly with?: string;
}

/** How often each harm is chosen. */
const SHARES: readonly Harm['how'][] = [
  ...(['bit', 'bit', 'bit', 'bit', 'byte', 'byte', 'byte'] as const),
  ...(['cut', 'cut', 'zeros', 'zeros', 'removed', 'swapped', 'copied'] as const),
];
const ZEROS_MAX = 4_096;

/** Numbers below a bound, from a seed. */
export function seeded(seed: number): (below: number) => number {
  let state = Math.imul(seed + 1, 2_654_435_761) >>> 0;
  return (below) => {
    state = (Math.imul(state ^ (state >>> 15), 2_246_822_519) + 374_761_393) >>> 0;
    const mixed = Math.imul(state ^ (state >>> 13), 3_266_489_917) >>> 0;
    return mixed % below;
  };
}

/** All files below a folder, sorted; those of the lock hold nothing. */
export function filesOf(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(folder, join(entry.parentPath, entry.name)).replaceAll('\\', '/'))
    .filter((path) => !path.startsWith('lock'))
    .sort();
}

/** What a file is, so that every kind is hit as often, however many there are of it. */
export function kindOf(file: string): string {
  if (file.startsWith('log/')) return 'log';
  if (!file.startsWith('objects/')) return file;
  if (file.includes('/recovery/')) return 'recovery';
  if (file.includes('-delta-')) return 'delta';
  const name = file.slice(file.lastIndexOf('/') + 1);
  return name.startsWith('vec-') ? 'vectors' : name.replace(/\..*$/, '');
}

/** The harm of a seed to a folder. */
export function harmOf(folder: string, seed: number): Harm {
  const next = seeded(seed);
  const files = filesOf(folder);
  const kinds = [...new Set(files.map(kindOf))];
  const kind = kinds[next(kinds.length)] ?? '';
  const ofKind = files.filter((file) => kindOf(file) === kind);
  const file = ofKind[next(ofKind.length)] ?? '';
  const how = SHARES[next(SHARES.length)] ?? 'bit';
  const size = readFileSync(join(folder, file)).length;
  const at = next(Math.max(1, size));
  if (how === 'bit') return { file, how, at, by: 1 << next(8) };
  if (how === 'byte') return { file, how, at, by: 1 + next(255) };
  if (how === 'zeros') return { file, how, at, by: 1 + next(ZEROS_MAX) };
  if (how !== 'swapped' && how !== 'copied') return { file, how, at, by: 0 };
  const others = (ofKind.length > 1 ? ofKind : files).filter((other) => other !== file);
  return { file, how, at: 0, by: 0, with: others[next(others.length)] ?? '' };
}

/** Does it. False: the file is as it was, for there was nothing to change. */
export function doHarm(folder: string, harm: Harm): boolean {
  const path = join(folder, harm.file);
  const other = join(folder, harm.with ?? '');
  const before = readFileSync(path);
  if (harm.how === 'removed') rmSync(path);
  else if (harm.how === 'cut') truncateSync(path, harm.at);
  else if (harm.how === 'copied' || harm.how === 'swapped') {
    if (before.equals(readFileSync(other))) return false;
    if (harm.how === 'swapped') renameSync(path, `${path}.aside`);
    copyFileSync(other, path);
    if (harm.how === 'swapped') renameSync(`${path}.aside`, other);
  } else {
    const bytes = Buffer.from(before);
    if (harm.how === 'zeros') bytes.fill(0, harm.at, Math.min(bytes.length, harm.at + harm.by));
    else bytes[harm.at] = (bytes[harm.at] ?? 0) ^ harm.by;
    if (bytes.equals(before)) return false;
    writeFileSync(path, bytes);
  }
  return true;
}
