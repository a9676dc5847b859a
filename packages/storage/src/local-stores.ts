/** The stores of a folder: a door of their own, as a database in memory does not load them. */
export { makeRootFolder, nodeFs } from './fs/node.ts';
export type { LocalLogOptions } from './log/local.ts';
export { localLogStore } from './log/local.ts';
export type { Durability } from './log/local-stream.ts';
export type { FolderLock } from './meta/folder-lock.ts';
export { LOCK_FILE, lockFolder } from './meta/folder-lock.ts';
export type { LocalMetaOptions } from './meta/local.ts';
export { localMetaStore } from './meta/local.ts';
export type { FileObjectOptions } from './object/files.ts';
export { fileObjectStore } from './object/files.ts';
