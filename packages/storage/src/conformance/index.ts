export type { LogHarness, LogSuiteOptions } from './log.ts';
export { describeLogStore } from './log.ts';
export type { MetaHarness, MetaSuiteOptions } from './meta.ts';
export { describeMetaStore } from './meta.ts';
export type { ObjectHarness } from './object.ts';
export { describeObjectStore } from './object.ts';
