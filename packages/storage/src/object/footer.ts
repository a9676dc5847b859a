import { crc32 } from '@elanus/kernels/checksum';

/**
 * The last 32 bytes of an object's file, behind its payload, so that the payload begins at offset 0
 * and can be mapped: magic 8 B, version u32, crc32 of the payload u32, payload bytes u64, zero u32,
 * crc32 of the footer's first 28 bytes u32; little-endian.
 */
export const FOOTER_BYTES = 32;

/** Version of the footer that this code writes; it reads no newer one. */
export const OBJECT_FORMAT = 1;

const MAGIC = Buffer.from('ELANOBJ\n');
const HIGH = 2 ** 32;

/** What a footer says. */
export interface Footer {
  readonly version: number;
  readonly crc32: number;
  readonly size: number;
}

/** The footer of a payload. */
export function writeFooter(size: number, sum: number): Buffer {
  const footer = Buffer.alloc(FOOTER_BYTES);
  MAGIC.copy(footer);
  footer.writeUInt32LE(OBJECT_FORMAT, 8);
  footer.writeUInt32LE(sum, 12);
  footer.writeUInt32LE(size % HIGH, 16);
  footer.writeUInt32LE(Math.floor(size / HIGH), 20);
  footer.writeUInt32LE(crc32(footer.subarray(0, 28)), 28);
  return footer;
}

/** Reads a footer; undefined when it is none or broken. */
export function readFooter(footer: Buffer): Footer | undefined {
  if (footer.length !== FOOTER_BYTES || !footer.subarray(0, 8).equals(MAGIC)) return undefined;
  if (crc32(footer.subarray(0, 28)) !== footer.readUInt32LE(28)) return undefined;
  return {
    version: footer.readUInt32LE(8),
    crc32: footer.readUInt32LE(12),
    size: footer.readUInt32LE(16) + footer.readUInt32LE(20) * HIGH,
  };
}
