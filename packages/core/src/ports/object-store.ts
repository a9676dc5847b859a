/** What a listing tells of an object. */
export interface ObjectListing {
  readonly name: string;
  readonly size: number;
  readonly modifiedMs: number;
}

/** What is known of an object. `crc32` covers its bytes. */
export interface ObjectStat extends ObjectListing {
  readonly crc32: number;
}

/**
 * The port to immutable objects: files, memory, later S3. Names are `/`-separated segments of
 * [A-Za-z0-9._-], none of them `.` or `..`, at most 512 characters and 128 a segment, never reused;
 * no name continues another one after a `/`.
 */
export interface ObjectStore {
  /**
   * Stores the concatenated parts under a new name; visible whole or not at all; durable at return.
   * Parts are read while it runs: they must not change before it returns.
   * @throws ElanusError object_exists, disk_full, read_only, invalid_argument (name)
   */
  put(name: string, parts: Iterable<Uint8Array> | AsyncIterable<Uint8Array>): Promise<ObjectStat>;
  /** All bytes, checked against the stored checksum. @throws object_not_found, object_corrupt */
  get(name: string): Promise<Uint8Array>;
  /**
   * Fills `target` (may lie on shared memory) from `offset`; whole objects are checked by `get` and
   * `verify`, ranges by the checksums inside the file formats.
   * @throws object_not_found; object_corrupt when the range passes the end
   */
  readInto(name: string, offset: number, target: Uint8Array): Promise<void>;
  stat(name: string): Promise<ObjectStat | undefined>;
  /** Reads the whole object and compares its checksum. @throws object_corrupt, object_not_found */
  verify(name: string): Promise<void>;
  /** Objects whose name starts with `prefix`, in the order of their names' bytes. */
  list(prefix: string): AsyncIterable<ObjectListing>;
  /** Removes the object; absent is fine. */
  remove(name: string): Promise<void>;
  close(): Promise<void>;
}
