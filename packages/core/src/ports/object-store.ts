/** What is known of an object. `crc32` covers its bytes. */
export interface ObjectStat {
  readonly name: string;
  readonly size: number;
  readonly crc32: number;
  readonly modifiedMs: number;
}

/**
 * The port to immutable objects: files, memory, later S3. Names are `/`-separated segments of
 * [A-Za-z0-9._-], at most 512 characters, never reused.
 */
export interface ObjectStore {
  /**
   * Stores the concatenated parts under a new name; visible whole or not at all; durable at return.
   * @throws ElanusError object_exists, disk_full, read_only
   */
  put(name: string, parts: Iterable<Uint8Array> | AsyncIterable<Uint8Array>): Promise<ObjectStat>;
  /** All bytes, checked against the stored checksum. @throws object_not_found, object_corrupt */
  get(name: string): Promise<Uint8Array>;
  /**
   * Fills `target` (may lie on shared memory) from `offset`; whole objects are checked by `get` and
   * `verify`, ranges by the checksums inside the file formats.
   */
  readInto(name: string, offset: number, target: Uint8Array): Promise<void>;
  stat(name: string): Promise<ObjectStat | undefined>;
  /** Reads the whole object and compares its checksum. @throws object_corrupt, object_not_found */
  verify(name: string): Promise<void>;
  /** Objects whose name starts with `prefix`, by name. */
  list(prefix: string): AsyncIterable<ObjectStat>;
  /** Removes the object; absent is fine. */
  remove(name: string): Promise<void>;
  close(): Promise<void>;
}
