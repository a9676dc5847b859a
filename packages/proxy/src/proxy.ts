/**
 * The proxy: the database as callers see it. It keeps no state but a cache of schemas; every call
 * is checked, sent to the roles that answer it, and put together.
 */
import { checkDefinition, checkField, checkIndexChoice, checkName, checkTtl } from '@elanus/api';
import type {
  AlterRequest,
  Call,
  CollectionDetails,
  CollectionSummary,
  CreateCollectionRequest,
  Database,
  Health,
  SetIndexRequest,
} from '@elanus/api';
import {
  didYouMean,
  ElanusError,
  LIMITS,
  type Awaitable,
  type CollectionSchema,
} from '@elanus/core';
import {
  aliasCollection,
  alterCollection,
  cancelCompaction,
  compactCollection,
  createCollection,
  describeCompaction,
  describeJobs,
  describeShards,
  dropCollection,
  leaseIds,
  listCollections,
  renameCollection,
  resolveCollection,
  setIndex,
} from '@elanus/protocol';
import type { World } from '@elanus/runtime';
import { Access } from './access.ts';
import { indexDetails } from './index-details.ts';
import { isStale, Reads } from './reads.ts';
import { Writes } from './writes.ts';

/** What a proxy is made of. */
export interface ProxyOptions {
  readonly world: Pick<World, 'bus' | 'clock'>;
  readonly version: string;
  readonly durability: Health['durability'];
  /** Runs when the database is closed. */
  readonly onClose: () => Promise<void>;
}

/** The database over a bus. */
export function createProxy(options: ProxyOptions): Database {
  const access = new Access(options.world.bus, options.world.clock);
  const reads = new Reads(access);
  const writes = new Writes(access);
  /** A cached name may stand for what was dropped or changed: look again, once. */
  const fresh = <T>(run: () => Awaitable<T>): Awaitable<T> => {
    const again = (error: unknown): Awaitable<T> => {
      if (!isStale(error)) throw error;
      access.forget();
      return run();
    };
    try {
      const result = run();
      return result instanceof Promise ? result.catch(again) : result;
    } catch (error) {
      return again(error);
    }
  };
  type Run<T> = (call: Call | undefined) => Promise<T>;
  const begin = <T>(
    call: Call | undefined,
    run: (call: Call | undefined) => Awaitable<T>,
  ): Awaitable<T> => access.reads.run(call, (left) => fresh(() => run(left)));
  const read = async <T>(call: Call | undefined, run: Run<T>): Promise<T> => begin(call, run);
  const write = async <T>(call: Call | undefined, run: Run<T>): Promise<T> =>
    access.writes.run(call, (left) => fresh(() => run(left)));
  let closing: Promise<void> | undefined;
  return {
    ...catalogMethods(access),
    write: (request, call) => write(call, (left) => writes.write(request, left)),
    delete: (request, call) => write(call, (left) => writes.delete(request, left)),
    search: (request, call) => {
      const found = call?.signal?.aborted === true ? undefined : reads.atOnce(request, call);
      return found ?? begin(call, (left) => reads.search(request, left));
    },
    query: (request, call) => read(call, (left) => reads.query(request, left)),
    get: (request, call) => read(call, (left) => reads.get(request, left)),
    count: (request, call) => read(call, (left) => reads.count(request, left)),
    scan: (request, call) => read(call, (left) => reads.scan(request, left)),
    explain: (request, call) => read(call, (left) => reads.explain(request, left)),
    reserveIds: async ({ collection, count }, call) => {
      await access.schema(collection, call);
      if (!Number.isInteger(count) || count < 1 || count > LIMITS.writeRowsMax) {
        const expected = `1 to ${LIMITS.writeRowsMax}`;
        throw new ElanusError('limit_out_of_range', { expected, got: String(count) });
      }
      const { header } = await access.call(leaseIds, { header: { count } }, call);
      return { first: BigInt(header.from), count };
    },
    health: () => {
      const { version, durability } = options;
      return Promise.resolve({ status: 'ok', version, durability });
    },
    close: () => {
      access.close();
      closing ??= options.onClose();
      return closing;
    },
  };
}

type CatalogMethods = Pick<
  Database,
  | 'createCollection'
  | 'openCollection'
  | 'describeCollection'
  | 'listCollections'
  | 'alterCollection'
  | 'renameCollection'
  | 'setAlias'
  | 'dropCollection'
  | 'setIndex'
  | 'compact'
  | 'describeCompaction'
  | 'cancelCompaction'
>;

type Info = (schema: CollectionSchema, call: Call | undefined) => Promise<CollectionSummary>;

/** A schema with what the catalog says besides. */
function infoOf(access: Access): Info {
  return async (schema, call) => {
    const { header } = await access.call(listCollections, { header: {} }, call);
    const entry = header.entries.find((one) => one.schema.collectionId === schema.collectionId);
    return { schema, aliases: entry?.aliases ?? [] };
  };
}

function catalogMethods(access: Access): CatalogMethods {
  const info = infoOf(access);
  return {
    createCollection: async (request: CreateCollectionRequest, call) => {
      const { name, definition, existing } = request;
      checkName('name', name);
      checkDefinition(definition);
      const { header } = await access.call(
        createCollection,
        { header: { name, definition } },
        call,
      );
      if (!header.created && existing === 'refuse')
        throw new ElanusError('collection_exists', { name });
      return info(header.schema, call);
    },
    openCollection: async (collection, call) => info(await access.schema(collection, call), call),
    describeCollection: (collection, call) => describe(access, collection, call),
    listCollections: async (call) => {
      const { header } = await access.call(listCollections, { header: {} }, call);
      return header.entries;
    },
    alterCollection: async ({ collection, ...change }: AlterRequest, call) => {
      for (const field of change.add ?? []) checkField(field);
      if (typeof change.ttlMs === 'number') checkTtl(change.ttlMs);
      for (const to of Object.values(change.rename ?? {})) checkName('field', to);
      const defined = Object.fromEntries(Object.entries(change).filter(([, v]) => v !== undefined));
      const request = { header: { name: collection, change: defined } };
      const { header } = await access.call(alterCollection, request, call);
      access.forget();
      return info(header.schema, call);
    },
    setIndex: (request, call) => chooseIndex(access, request, call),
    ...compactionMethods(access),
    renameCollection: async ({ collection, to }, call) => {
      checkName('name', to);
      await access.call(renameCollection, { header: { name: collection, to } }, call);
      access.forget();
    },
    setAlias: async ({ alias, collection }, call) => {
      checkName('alias', alias);
      await access.call(aliasCollection, { header: { alias, to: collection } }, call);
      access.forget();
    },
    dropCollection: async (collection, call) => {
      await access.call(dropCollection, { header: { name: collection } }, call);
      access.forget();
    },
  };
}

function compactionMethods(
  access: Access,
): Pick<Database, 'compact' | 'describeCompaction' | 'cancelCompaction'> {
  return {
    compact: async (collection, call) => {
      const { name } = await access.schema(collection, call);
      return (await access.call(compactCollection, { header: { name } }, call)).header;
    },
    describeCompaction: async ({ id, waitMs = 0 }, call) => {
      checkWait(waitMs);
      return (await access.call(describeCompaction, { header: { id, waitMs } }, call)).header;
    },
    cancelCompaction: async (id, call) => {
      return (await access.call(cancelCompaction, { header: { id } }, call)).header;
    },
  };
}

function checkWait(waitMs: number): void {
  const max = LIMITS.compactionWaitMsMax;
  if (waitMs >= 0 && waitMs <= max) return;
  const expected = `0 to ${max} milliseconds`;
  throw new ElanusError('limit_out_of_range', { field: 'waitMs', expected, got: String(waitMs) });
}

async function describe(
  access: Access,
  collection: string,
  call: Call | undefined,
): Promise<CollectionDetails> {
  const { name } = await access.schema(collection, call);
  // The cached schema may lack the index that another proxy has just chosen.
  const { schema } = (await access.call(resolveCollection, { header: { name } }, call)).header;
  const header = { collectionId: schema.collectionId };
  const { shards } = (await access.call(describeShards, { header }, call)).header;
  const { jobs } = (await access.call(describeJobs, { header }, call)).header;
  const segments = shards.flatMap((shard) => shard.segments);
  return {
    ...(await infoOf(access)(schema, call)),
    rowCount: shards.reduce((sum, shard) => sum + shard.rowCount, 0),
    segments: segments.length,
    memoryBytes: shards.reduce((sum, shard) => sum + shard.memoryBytes, 0),
    indexedRows: segments.reduce((sum, one) => {
      return sum + (one.indexed ? one.rows - one.deleted : 0);
    }, 0),
    indexingRows: shards.reduce((sum, shard) => sum + shard.indexingRows, 0),
    indexes: indexDetails(schema, shards, jobs.find(({ failure }) => failure)?.failure),
    jobs,
  };
}

async function chooseIndex(
  access: Access,
  { collection, field, index }: SetIndexRequest,
  call: Call | undefined,
): Promise<void> {
  const { fields } = await access.schema(collection, call);
  const found = fields.find(({ name }) => name === field);
  if (found === undefined) {
    const names = fields.map(({ name }) => name);
    throw new ElanusError('unknown_field', { field, hint: didYouMean(field, names) });
  }
  checkIndexChoice(found, index);
  await access.call(setIndex, { header: { name: collection, field, index } }, call);
  access.forget();
}
