/** Checksums of metadata: sqlite keeps none. Few bytes, so that a table of 256 is enough. */

/** A row, as far as its checksum covers it: all of it. */
export interface SummedRow {
  readonly key: string;
  readonly value: Uint8Array;
  readonly created: number;
  readonly modified: number;
  readonly lease: string | null;
}

/** All rows in short: how many, the sum of their checksums, and the newest revision. */
export interface Whole {
  readonly revision: number;
  readonly rows: number;
  readonly total: number;
}

const TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let sum = byte;
  for (let bit = 0; bit < 8; bit++) sum = (sum & 1) === 1 ? (sum >>> 1) ^ 0xedb88320 : sum >>> 1;
  return sum;
});
const encoder = new TextEncoder();

function crc32(bytes: Uint8Array, seed = 0): number {
  let sum = ~seed;
  for (const byte of bytes) sum = (TABLE[(sum ^ byte) & 255] ?? 0) ^ (sum >>> 8);
  return ~sum >>> 0;
}

/** CRC-32 of everything that a row holds. */
export function rowSum({ key, value, created, modified, lease }: SummedRow): number {
  const head = JSON.stringify([key, value.length, created, modified, lease]);
  return crc32(value, crc32(encoder.encode(head)));
}

/** CRC-32 of what is said of all rows. */
export function wholeSum({ revision, rows, total }: Whole): number {
  return crc32(encoder.encode(`${revision} ${rows} ${total}`));
}
