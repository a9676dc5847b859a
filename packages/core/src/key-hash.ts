/**
 * CRC-32 (IEEE) table for the first bytes of a string key; the fields are tiny, a table is enough.
 */
const CRC_TABLE = Uint32Array.from({ length: 256 }, (_, n) => {
  let c = n;
  for (let k = 0; k < 8; k++) c = c & 1 ? 0xedb88320 ^ (c >>> 1) : c >>> 1;
  return c >>> 0;
});

/** Bytes of a string key that decide its shard; Milvus' number. */
const STRING_HASH_BYTES = 100;

const mul = Math.imul;

/**
 * The shard of an int64 key: murmur3-32 with seed 0 over its 8 little-endian bytes, sign bit
 * cleared, modulo. As Milvus, so that the same key lands in the same shard there.
 */
export function shardOfInt64(key: bigint, shards: number): number {
  let h = 0;
  h = mixBlock(h, Number(BigInt.asUintN(32, key)));
  h = mixBlock(h, Number(BigInt.asUintN(32, key >> 32n)));
  h ^= 8;
  h = mul(h ^ (h >>> 16), 0x85ebca6b);
  h = mul(h ^ (h >>> 13), 0xc2b2ae35);
  h ^= h >>> 16;
  return (h & 0x7fffffff) % shards;
}

function mixBlock(hash: number, block: number): number {
  let k = mul(block | 0, 0xcc9e2d51);
  k = (k << 15) | (k >>> 17);
  let h = hash ^ mul(k, 0x1b873593);
  h = (h << 13) | (h >>> 19);
  return (mul(h, 5) + 0xe6546b64) | 0;
}

/**
 * The shard of a string key, given as UTF-8: CRC-32 over its first 100 bytes, modulo. As Milvus.
 */
export function shardOfString(key: Uint8Array, shards: number): number {
  let crc = 0xffffffff;
  const length = Math.min(key.length, STRING_HASH_BYTES);
  for (let i = 0; i < length; i++) {
    crc = (CRC_TABLE[(crc ^ (key[i] ?? 0)) & 0xff] ?? 0) ^ (crc >>> 8);
  }
  return ((crc ^ 0xffffffff) >>> 0) % shards;
}
