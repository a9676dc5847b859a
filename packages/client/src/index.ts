export type {
  CollectionDetails,
  CollectionSummary,
  Database,
  ElanusRouter,
  Explanation,
  Health,
  IndexDetails,
} from '@elanus/api';
export type { Consistency, ErrorCode, ErrorDetails, ErrorKind, IndexChoice } from '@elanus/core';
export { ElanusError, isElanusError } from '@elanus/core';
export type {
  Collection,
  DeleteTarget,
  InsertOptions,
  ReadOptions,
  RowSource,
  Scan,
  ScanPage,
  SearchOptions,
  WriteOptions,
} from './collection.ts';
export type { ArrowTable, ArrowVector } from './columns.ts';
export type { Compacted, CompactionProgress, CompactOptions } from './compact.ts';
export type { AlterChange, ConnectOptions, Db } from './db.ts';
export { connect } from './db.ts';
export type {
  ColumnsOf,
  Filter,
  FilterObject,
  HitOf,
  Insert,
  InsertOf,
  QueryOf,
  QueryVector,
  Row,
  RowOf,
  SparseInput,
  WhereField,
  WhereFields,
  WriteOutcome,
} from './infer.ts';
export type { Platform } from './platform.ts';
export { defaultPlatform } from './platform.ts';
export type { CallSettings } from './retry.ts';
export type {
  CollectionDefinition,
  CollectionOptions,
  FieldBuilder,
  Fields,
  FieldTypes,
  Kind,
  SparseVector,
} from './schema.ts';
export { collection, t } from './schema.ts';
export type { Where } from './where.ts';
export { expr } from './where.ts';
