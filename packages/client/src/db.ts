import type { CollectionDetails, CollectionSummary, Database } from '@elanus/api';
import { checkName } from '@elanus/api';
import type { Consistency } from '@elanus/core';
import { ElanusError } from '@elanus/core';
import type { Collection } from './collection.ts';
import type { HandleContext } from './handle.ts';
import { createHandle } from './handle.ts';
import { createIdMemory } from './ids.ts';
import type { Platform } from './platform.ts';
import { defaultPlatform } from './platform.ts';
import type { CallSettings } from './retry.ts';
import { withRetries } from './retry.ts';
import type { CollectionDefinition, CollectionOptions, FieldBuilder, Fields } from './schema.ts';
import { collection as define } from './schema.ts';
import { createSession } from './session.ts';
import { shownAs } from './shown-as.ts';

/** How a client behaves, unless a call says otherwise. */
export interface ConnectOptions extends CallSettings {
  readonly consistency?: Consistency | undefined;
  /** A session to continue: what another client's `db.session` returned. */
  readonly session?: string | undefined;
  readonly platform?: Platform | undefined;
}

/** Changes to a collection's schema. */
export interface AlterChange {
  /** New fields, nullable or with a default. */
  readonly add?: Readonly<Record<string, FieldBuilder>> | undefined;
  readonly drop?: readonly string[] | undefined;
  /** New names by old names. */
  readonly rename?: Readonly<Record<string, string>> | undefined;
  /**
   * How many milliseconds rows live from now on; null: for ever. It holds for the rows that are
   * there, but what has expired does not come back.
   */
  readonly ttlMs?: number | null | undefined;
}

type DynamicOf<O> = O extends { readonly dynamic: true } ? true : false;
// oxlint-disable-next-line typescript/no-explicit-any -- an untyped collection takes any row
type Untyped = Record<string, FieldBuilder<any>>;

/** A database: collections, their schemas, and the session. */
export interface Db extends AsyncDisposable {
  /**
   * Creates the collection, or opens it when its schema agrees. How 64-bit integers are shown
   * (`as`) is no part of that: each handle shows them as its own definition says. Where the
   * collection was made `as: 'number'`, writes stay within what numbers hold, whoever makes them.
   *
   * @throws schema_mismatch
   */
  collection<S extends Fields, D extends boolean>(
    definition: CollectionDefinition<S, D>,
    options?: CallSettings,
  ): Promise<Collection<S, D>>;
  collection<const S extends Fields, const O extends CollectionOptions = object>(
    name: string,
    fields: S,
    options?: O & CallSettings,
  ): Promise<Collection<S, DynamicOf<O>>>;
  /** Opens an existing collection, untyped, shown as it was made. @throws collection_not_found */
  collection(name: string): Promise<Collection<Untyped, true>>;
  collections(options?: CallSettings): Promise<readonly CollectionSummary[]>;
  describe(collection: string, options?: CallSettings): Promise<CollectionDetails>;
  alter(
    collection: string,
    change: AlterChange,
    options?: CallSettings,
  ): Promise<CollectionSummary>;
  rename(collection: string, to: string, options?: CallSettings): Promise<void>;
  /** Points an alias at a collection; without one, removes the alias. */
  alias(alias: string, collection?: string, options?: CallSettings): Promise<void>;
  drop(collection: string, options?: CallSettings): Promise<void>;
  /** A token another client can start from, so that it sees what this one has seen. */
  readonly session: string;
  /** Idempotent. */
  close(): Promise<void>;
}

/** A client of a database: in process, or behind `httpTransport`. */
export function connect(database: Database, options: ConnectOptions = {}): Db {
  const platform = options.platform ?? defaultPlatform();
  const { timeoutMs, signal } = options;
  const context: HandleContext = {
    database,
    platform,
    session: createSession(options.session),
    ids: createIdMemory(platform),
    consistency: options.consistency ?? 'session',
    settings: { timeoutMs, signal },
  };
  const close = (): Promise<void> => database.close();
  return {
    ...catalog(context),
    collection: ((first: unknown, fields?: unknown, rest?: unknown) =>
      open(context, first, { fields, options: rest })) as Db['collection'],
    get session() {
      return context.session.token();
    },
    close,
    [Symbol.asyncDispose]: close,
  };
}

type Send<T> = Parameters<typeof withRetries<T>>[2];

async function call<T>(
  context: HandleContext,
  options: CallSettings | undefined,
  send: Send<T>,
): Promise<T> {
  const timeoutMs = options?.timeoutMs ?? context.settings.timeoutMs;
  const signal = options?.signal ?? context.settings.signal;
  return withRetries(context.platform, { timeoutMs, signal }, send);
}

async function open(
  context: HandleContext,
  first: unknown,
  rest: { readonly fields: unknown; readonly options: unknown },
): Promise<Collection> {
  const { database } = context;
  const inline = typeof first === 'string';
  if (inline && rest.fields === undefined) {
    const info = await call(context, undefined, (c) => database.openCollection(first, c));
    return createHandle(context, info.schema);
  }
  const options = (inline ? rest.options : rest.fields) as
    | (CollectionOptions & CallSettings)
    | undefined;
  const definition = inline
    ? define(first, rest.fields as Fields, options)
    : (first as CollectionDefinition);
  checkName('name', definition.name);
  const request = {
    name: definition.name,
    definition: definition.definition,
    existing: 'open' as const,
  };
  const { schema } = await call(context, options, (c) => database.createCollection(request, c));
  return createHandle(context, schema, shownAs(schema, definition.definition));
}

type Catalog = Pick<Db, 'collections' | 'describe' | 'alter' | 'rename' | 'alias' | 'drop'>;

function catalog(context: HandleContext): Catalog {
  const { database } = context;
  return {
    collections: (options) => call(context, options, (c) => database.listCollections(c)),
    describe: (name, options) =>
      call(context, options, (c) => database.describeCollection(name, c)),
    alter: async (name, change, options) => {
      const add = Object.entries(change.add ?? {}).map(([field, builder]) => ({
        name: field,
        ...builder.definition,
      }));
      const { drop, rename, ttlMs } = change;
      const says = [drop, rename, ttlMs].some((one) => one !== undefined);
      if (add.length === 0 && !says) {
        throw new ElanusError('invalid_argument', {
          argument: 'change',
          hint: 'Give at least one of add, drop, rename and ttlMs.',
        });
      }
      const request = { collection: name, add, drop, rename, ttlMs };
      return call(context, options, (c) => database.alterCollection(request, c));
    },
    rename: async (name, to, options) => {
      checkName('name', to);
      return call(context, options, (c) => database.renameCollection({ collection: name, to }, c));
    },
    alias: async (alias, name, options) => {
      checkName('alias', alias);
      return call(context, options, (c) => database.setAlias({ alias, collection: name }, c));
    },
    drop: (name, options) => call(context, options, (c) => database.dropCollection(name, c)),
  };
}
