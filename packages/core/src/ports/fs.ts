/** An open file. Offsets and lengths in bytes. */
export interface FileHandle {
  /** Reads up to `target.length` bytes at `offset`; returns how many were there. */
  read(target: Uint8Array, offset: number): Promise<number>;
  /** Writes all of `bytes` at `offset`. */
  write(bytes: Uint8Array, offset: number): Promise<void>;
  /** Writes all of `parts`, one behind the other, from `offset`. */
  writev(parts: readonly Uint8Array[], offset: number): Promise<void>;
  /** Makes all written bytes survive power loss. After a failure the file must not be trusted. */
  sync(): Promise<void>;
  truncate(size: number): Promise<void>;
  size(): Promise<number>;
  close(): Promise<void>;
}

/** What is known of a path. */
export interface FileStat {
  readonly kind: 'file' | 'folder';
  readonly size: number;
  readonly modifiedMs: number;
}

/**
 * A file system rooted somewhere; paths are relative, with `/`. The one door to disks, so that the
 * simulator can lose unsynced pages. Errors are `ElanusError`: `file_not_found`, `disk_full`,
 * `read_only`, `io_error`.
 */
export interface Fs {
  /** The root as people know it, for messages only. */
  readonly root: string;
  /** `read` and `write` need the file to exist; `create` makes it, or empties it. */
  open(path: string, mode: 'read' | 'write' | 'create'): Promise<FileHandle>;
  stat(path: string): Promise<FileStat | undefined>;
  /** Names in a folder, sorted. */
  list(path: string): Promise<readonly string[]>;
  /** Makes a folder and those above it; existing is fine. */
  mkdir(path: string): Promise<void>;
  /** Moves a file, replacing what `to` named. */
  rename(from: string, to: string): Promise<void>;
  /** Removes a file, or a folder with everything in it; absent is fine. */
  remove(path: string): Promise<void>;
  /** Makes names created, renamed or removed in the folder survive power loss. */
  syncFolder(path: string): Promise<void>;
  /** Free bytes on the device, or undefined when the system does not tell. */
  freeBytes(): Promise<number | undefined>;
}
