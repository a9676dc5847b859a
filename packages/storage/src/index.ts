export type { FsCall, FsFault, MemoryFs, MemoryFsOptions } from './fs/memory.ts';
export { memoryFs } from './fs/memory.ts';
export type { LogFault, MemoryLogContent, MemoryLogOptions } from './log/memory.ts';
export { memoryLogContent, memoryLogStore } from './log/memory.ts';
export type { MemoryMetaContent, MemoryMetaOptions, MetaFault } from './meta/memory.ts';
export { memoryMetaContent, memoryMetaStore } from './meta/memory.ts';
export type { MemoryObjectContent, MemoryObjectOptions } from './object/memory.ts';
export { memoryObjectContent, memoryObjectStore } from './object/memory.ts';
