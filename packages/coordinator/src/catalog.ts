/**
 * The catalog: collections, their schemas, names and aliases. Every change is one transaction that
 * compares what was read; streaming nodes learn of it afterwards, and again after a restart.
 */
import {
  collectionId,
  ElanusError,
  LIMITS,
  withTtl,
  type Bus,
  type CollectionSchema,
  type Field,
  type IndexChoice,
  type SchemaDefinition,
} from '@elanus/core';
import {
  invoke,
  metaKeys,
  openShards,
  type CatalogEntry,
  type CollectionRecord,
  type NameRecord,
  type SchemaChange,
} from '@elanus/protocol';
import { mustOwn } from './channel-owner.ts';
import { addedField, checkNames, differences, newSchema } from './definition.ts';
import { takeNumbers } from './counters.ts';
import { put, unchanged, type Held, type MetaAccess } from './meta-access.ts';

/** See the file's header. */
export class Catalog {
  readonly #meta: MetaAccess;
  readonly #bus: Bus;
  readonly #wallMs: () => number;
  /**
   * Versions of schemas that the nodes are known to have. Of others whoever asks has it tried
   * again.
   */
  readonly #open = new Map<number, number>();

  constructor(meta: MetaAccess, bus: Bus, wallMs: () => number) {
    this.#meta = meta;
    this.#bus = bus;
    this.#wallMs = wallMs;
  }

  /** Makes a collection, or answers with the one of this name when the definition agrees. */
  async create(
    name: string,
    definition: SchemaDefinition,
  ): Promise<{ readonly schema: CollectionSchema; readonly created: boolean }> {
    const held = await this.#find(name);
    if (held !== undefined) {
      const schema = await this.#opened(this.#agreed(held, definition));
      return { schema, created: false };
    }
    const count = (await this.#meta.range(metaKeys.collections)).length;
    if (count >= LIMITS.collectionsMax) {
      throw new ElanusError('exhausted', { what: 'collections', retryAfterMs: 60_000 });
    }
    const id = collectionId(await takeNumbers(this.#meta, 'collection', 1));
    const schema = newSchema(name, definition, id);
    const record: CollectionRecord = {
      schema,
      state: 'live',
      createdMs: this.#wallMs(),
      nextFieldId: Math.max(...schema.fields.map((field) => field.id)) + 1,
    };
    const nameKey = metaKeys.name(name);
    const nameRecord: NameRecord = { collectionId: id, alias: false };
    const made = await this.#meta.txn(
      [{ key: nameKey, exists: false }],
      [put(metaKeys.collection(id), record), put(nameKey, nameRecord)],
    );
    if (!made) return this.create(name, definition);
    return { schema: await this.#opened(schema), created: true };
  }

  /** The schema, once all shards have it, at who owns their channel. @throws channel_moved */
  async #opened(schema: CollectionSchema): Promise<CollectionSchema> {
    const { collectionId, version } = schema;
    if ((this.#open.get(collectionId) ?? 0) >= version) return schema;
    const { header } = await invoke(this.#bus, openShards, { header: { schema } });
    await mustOwn(this.#meta, header);
    this.#open.set(collectionId, version);
    return schema;
  }

  /** The collection a name or alias stands for. @throws collection_not_found */
  async resolve(name: string): Promise<CollectionSchema> {
    return this.#opened((await this.#live(name)).record.schema);
  }

  /** All live collections by name. */
  async list(): Promise<readonly CatalogEntry[]> {
    const names = await this.#meta.range<NameRecord>(metaKeys.names);
    const aliases = new Map<number, string[]>();
    for (const { key, record } of names) {
      if (!record.alias) continue;
      const list = aliases.get(record.collectionId) ?? [];
      list.push(decodeURIComponent(key.slice(metaKeys.names.length)));
      aliases.set(record.collectionId, list);
    }
    return (await this.collections())
      .map((schema) => ({ schema, aliases: aliases.get(schema.collectionId) ?? [] }))
      .sort((a, b) => (a.schema.name < b.schema.name ? -1 : 1));
  }

  /** Schemas of all live collections. */
  async collections(): Promise<readonly CollectionSchema[]> {
    const records = await this.#meta.range<CollectionRecord>(metaKeys.collections);
    return records.flatMap(({ record }) => (record.state === 'live' ? [record.schema] : []));
  }

  /**
   * Changes a schema: intent first, then every vchannel's log. What ends between the two is gone on
   * with by whoever asks for the collection, or opens its shards: both go by the catalog.
   */
  async alter(name: string, change: SchemaChange): Promise<CollectionSchema> {
    const held = await this.#live(name);
    const { record } = held;
    const dropped = new Set(change.drop ?? []);
    const renamed = new Map(Object.entries(change.rename ?? {}));
    for (const field of [...dropped, ...renamed.keys()]) this.#mustHave(record.schema, field);
    let fields: Field[] = record.schema.fields
      .filter((field) => !dropped.has(field.name))
      .map((field) => ({ ...field, name: renamed.get(field.name) ?? field.name }));
    this.#mayDrop(record.schema, dropped);
    let { nextFieldId } = record;
    for (const added of change.add ?? []) {
      fields = [...fields, addedField(added, nextFieldId)];
      nextFieldId++;
    }
    checkNames(fields);
    const version = record.schema.version + 1;
    const schema = { ...record.schema, fields, version, ...this.#ttl(record.schema, change) };
    const next: CollectionRecord = { ...record, schema, nextFieldId };
    if (!(await this.#meta.txn([unchanged(held)], [put(held.key, next)]))) {
      throw new ElanusError('catalog_conflict', { name });
    }
    return this.#opened(schema);
  }

  #ttl({ ttl = [] }: CollectionSchema, { ttlMs }: SchemaChange): Pick<CollectionSchema, 'ttl'> {
    if (ttlMs === undefined) return {};
    const nowMs = this.#wallMs();
    return { ttl: withTtl(ttl, { ttlMs, nowMs, horizonMs: nowMs - LIMITS.retentionMs }) };
  }

  /**
   * Chooses another index for a vector field. Rows do not depend on it, so neither does the
   * schema's version: the record is the commit point, and the job loop reads it.
   */
  async setIndex(name: string, field: string, index: IndexChoice): Promise<CollectionSchema> {
    const held = await this.#live(name);
    const { schema } = held.record;
    this.#mustHave(schema, field);
    const fields = schema.fields.map((one) => (one.name === field ? { ...one, index } : one));
    const next = { ...schema, fields };
    if (JSON.stringify(next) === JSON.stringify(schema)) return schema;
    const record: CollectionRecord = { ...held.record, schema: next };
    const done = await this.#meta.txn([unchanged(held)], [put(held.key, record)]);
    if (!done) throw new ElanusError('catalog_conflict', { name });
    return next;
  }

  /** Gives a collection another name; its aliases stay. */
  async rename(name: string, to: string): Promise<CollectionSchema> {
    const held = await this.#live(name);
    const { schema } = held.record;
    const next = { ...schema, name: to };
    const nameRecord: NameRecord = { collectionId: schema.collectionId, alias: false };
    const done = await this.#meta.txn(
      [unchanged(held), { key: metaKeys.name(to), exists: false }],
      [
        put(held.key, { ...held.record, schema: next }),
        put(metaKeys.name(to), nameRecord),
        { delete: metaKeys.name(schema.name) },
      ],
    );
    if (!done) throw new ElanusError('collection_exists', { name: to });
    return next;
  }

  /** Points an alias at a collection, or removes it. */
  async alias(alias: string, to: string | undefined): Promise<void> {
    const key = metaKeys.name(alias);
    const held = await this.#meta.get<NameRecord>(key);
    if (held !== undefined && !held.record.alias) {
      throw new ElanusError('collection_exists', { name: alias, hint: 'An alias cannot hide it.' });
    }
    if (to === undefined) {
      if (held === undefined) throw new ElanusError('collection_not_found', { name: alias });
      await this.#meta.txn([unchanged(held)], [{ delete: key }]);
      return;
    }
    const target = await this.#live(to);
    const record: NameRecord = {
      collectionId: target.record.schema.collectionId,
      alias: true,
    };
    const compare = held === undefined ? { key, exists: false } : unchanged(held);
    if (!(await this.#meta.txn([compare], [put(key, record)]))) {
      throw new ElanusError('catalog_conflict', { name: alias });
    }
  }

  /** Drops a collection: its name is gone at once, its files go with a later sweep. */
  async drop(name: string): Promise<number> {
    const held = await this.#live(name);
    const { schema } = held.record;
    const names = await this.#meta.range<NameRecord>(metaKeys.names);
    const gone = names.filter(({ record }) => record.collectionId === schema.collectionId);
    const dropped: CollectionRecord = { ...held.record, state: 'dropped' };
    const done = await this.#meta.txn(
      [unchanged(held)],
      [put(held.key, dropped), ...gone.slice(0, 100).map(({ key }) => ({ delete: key }))],
    );
    if (!done) throw new ElanusError('catalog_conflict', { name });
    return schema.collectionId;
  }

  #agreed(held: Held<CollectionRecord>, definition: SchemaDefinition): CollectionSchema {
    const { schema } = held.record;
    const found = differences(schema, definition);
    if (found.length === 0) return schema;
    throw new ElanusError('schema_mismatch', { name: schema.name, differences: found });
  }

  #mustHave(schema: CollectionSchema, name: string): void {
    if (schema.fields.some((field) => field.name === name)) return;
    throw new ElanusError('unknown_field', { field: name });
  }

  #mayDrop(schema: CollectionSchema, dropped: ReadonlySet<string>): void {
    for (const field of schema.fields) {
      if (!dropped.has(field.name)) continue;
      if (field.primary !== true && field.type !== 'vector') continue;
      throw new ElanusError('schema_invalid', {
        field: field.name,
        hint: 'Keys and vectors are fixed when a collection is made.',
      });
    }
  }

  async #find(name: string): Promise<Held<CollectionRecord> | undefined> {
    const held = await this.#meta.get<NameRecord>(metaKeys.name(name));
    if (held === undefined) return undefined;
    return this.#meta.get<CollectionRecord>(metaKeys.collection(held.record.collectionId));
  }

  async #live(name: string): Promise<Held<CollectionRecord>> {
    const held = await this.#find(name);
    if (held !== undefined && held.record.state === 'live') return held;
    const names = await this.#meta.range<NameRecord>(metaKeys.names);
    const known = names.map(({ key }) => decodeURIComponent(key.slice(metaKeys.names.length)));
    const near = known.find((other) => other.toLowerCase() === name.toLowerCase());
    const hint = near === undefined ? undefined : `Did you mean \`${near}\`?`;
    throw new ElanusError('collection_not_found', { name, hint });
  }
}
