import { crc32 } from '@elanus/kernels/checksum';

/**
 * The last 32 bytes of an object's file, behind its payload, so that the payload begins at offset 0
 * and can be mapped: magic 8 B, version u32, crc32 of the payload u32, payload bytes u64, crc32 of
 * the object's name u32 (zero in version 1), crc32 of the footer's first 28 bytes u32;
 * little-endian.
 */
export const FOOTER_BYTES = 32;

/** Version of the footer that this code writes; it reads no newer one. */
export const OBJECT_FORMAT = 2;

const MAGIC = Buffer.from('ELANOBJ\n');
const HIGH = 2 ** 32;

/** What a footer says. */
export interface Footer {
  readonly version: number;
  readonly crc32: number;
  readonly size: number;
  /** `nameSum` of the object whose file this is; undefined in files of version 1. */
  readonly name: number | undefined;
}

/** What a file remembers of its name, so that it is not taken for another one. */
export function nameSum(name: string): number {
  return crc32(Buffer.from(name));
}

/** The footer of a payload. */
export function writeFooter({ crc32: sum, size, name }: Omit<Footer, 'version'>): Buffer {
  const footer = Buffer.alloc(FOOTER_BYTES);
  MAGIC.copy(footer);
  footer.writeUInt32LE(OBJECT_FORMAT, 8);
  footer.writeUInt32LE(sum, 12);
  footer.writeUInt32LE(size % HIGH, 16);
  footer.writeUInt32LE(Math.floor(size / HIGH), 20);
  footer.writeUInt32LE(name ?? 0, 24);
  footer.writeUInt32LE(crc32(footer.subarray(0, 28)), 28);
  return footer;
}

/** Reads a footer; undefined when it is none or broken. */
export function readFooter(footer: Buffer): Footer | undefined {
  if (footer.length !== FOOTER_BYTES || !footer.subarray(0, 8).equals(MAGIC)) return undefined;
  if (crc32(footer.subarray(0, 28)) !== footer.readUInt32LE(28)) return undefined;
  const version = footer.readUInt32LE(8);
  return {
    version,
    crc32: footer.readUInt32LE(12),
    size: footer.readUInt32LE(16) + footer.readUInt32LE(20) * HIGH,
    name: version < 2 ? undefined : footer.readUInt32LE(24),
  };
}
