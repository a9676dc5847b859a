export type { Bloom } from './bloom.ts';
export { addToBloom, createBloom, mayContain } from './bloom.ts';
export type { DeltaLog } from './delta-log.ts';
export { decodeDeltaLog, encodeDeltaLog } from './delta-log.ts';
export type { KeysFile } from './keys-file.ts';
export { decodeKeys, encodeKeys, keyOrder } from './keys-file.ts';
export type { Manifest, ManifestFile, ManifestIndex } from './manifest.ts';
export { MANIFEST_VERSION, decodeManifest, encodeManifest } from './manifest.ts';
export { objectNames } from './names.ts';
export type { ScalarFile } from './scalar-decoder.ts';
export { decodeScalars } from './scalar-decoder.ts';
export type { ScalarSource } from './scalar-reader.ts';
export { readScalars } from './scalar-reader.ts';
export type { FieldStats, SegmentStats } from './stats.ts';
export { decodeStats, encodeStats, measureStats } from './stats.ts';
export type { VectorFileHeader, VectorFileShape } from './vector-file.ts';
export {
  VECTOR_BLOCK_BYTES,
  VECTOR_HEADER_BYTES,
  checkVectorBlock,
  decodeVectorChecksums,
  decodeVectorHeader,
  encodeVectorFile,
  sparseSections,
  vectorDataBytes,
} from './vector-file.ts';
export type { VectorSource } from './vector-reader.ts';
export { readVectorHeader, readVectors } from './vector-reader.ts';
