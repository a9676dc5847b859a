import { readFileSync } from 'node:fs';

/**
 * sqlite's journal (https://sqlite.org/fileformat2.html#walformat): a header of 32 bytes, then
 * frames of 24 bytes and a page, each with the salts of the header and a checksum over all before.
 */
const HEADER_BYTES = 32;
const FRAME_HEADER_BYTES = 24;
const MAGIC = 0x377f0682;

type Sum = readonly [number, number];

/** sqlite's checksum of words, continued. */
function sumOf(
  view: DataView,
  span: { readonly from: number; readonly to: number },
  seed: Sum,
): Sum {
  // The last bit of the magic says in which order bytes of words stand.
  const little = (view.getUint32(0) & 1) === 0;
  let [first, second] = seed;
  for (let at = span.from; at < span.to; at += 8) {
    first = (first + view.getUint32(at, little) + second) >>> 0;
    second = (second + view.getUint32(at + 4, little) + first) >>> 0;
  }
  return [first, second];
}

const isSum = (view: DataView, at: number, [first, second]: Sum): boolean =>
  view.getUint32(at) === first && view.getUint32(at + 4) === second;

/**
 * Why the journal of a database is damaged; undefined: it is whole, absent, or ends in what was
 * torn. sqlite drops what follows a broken frame without a word. In class `power` a transaction is
 * synced before the next one is written: when one stands behind the broken one, that was safe.
 */
export function walDamage(path: string): string | undefined {
  let bytes: Buffer;
  try {
    bytes = readFileSync(path);
  } catch {
    return undefined;
  }
  if (bytes.length < HEADER_BYTES || bytes.subarray(0, HEADER_BYTES).every((byte) => byte === 0)) {
    return undefined;
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const known = (view.getUint32(0) & ~1) >>> 0 === MAGIC;
  const seed = sumOf(view, { from: 0, to: HEADER_BYTES - 8 }, [0, 0]);
  if (!known || !isSum(view, HEADER_BYTES - 8, seed)) return 'the header of its journal is damaged';
  const frameBytes = FRAME_HEADER_BYTES + view.getUint32(8);
  let sum: Sum = seed;
  let brokenAt: number | undefined;
  let committedBehind = false;
  for (let at = HEADER_BYTES; at + frameBytes <= bytes.length; at += frameBytes) {
    const ours = bytes.subarray(at + 8, at + 16).equals(bytes.subarray(16, 24));
    if (brokenAt === undefined) {
      const head = sumOf(view, { from: at, to: at + 8 }, sum);
      const next = sumOf(view, { from: at + FRAME_HEADER_BYTES, to: at + frameBytes }, head);
      if (ours && isSum(view, at + 16, next)) {
        sum = next;
        continue;
      }
      brokenAt = at;
    }
    if (ours && committedBehind) return `its journal is damaged at byte ${brokenAt}`;
    committedBehind ||= ours && view.getUint32(at + 4) !== 0;
  }
  return undefined;
}
