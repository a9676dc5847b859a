/** Reads: check, ask every shard at one instant, merge, answer. */
import type {
  Call,
  CountRequest,
  CountResult,
  Explanation,
  GetRequest,
  GetResult,
  KeyColumn,
  QueryRequest,
  RowsResult,
  ScanRequest,
  ScanResult,
  SearchRequest,
  SearchResult,
} from '@elanus/api';
import {
  andThen,
  assert,
  columnOf,
  columnRows,
  ElanusError,
  encodeColumns,
  isElanusError,
  isVectorColumn,
  LIMITS,
  primaryField,
  takeBatch,
  takeColumn,
  type Awaitable,
  type Column,
  type CollectionSchema,
  type ColumnBatch,
  type Field,
  type FieldId,
  type SparseColumn,
  type VectorColumn,
} from '@elanus/core';
import {
  countShard,
  packVectors,
  searchShard,
  selectShard,
  unpackRows,
  type Answered,
  type Parcel,
  type ReadDemand,
  type ReplyOf,
  type RequestOf,
  type ShardExplain,
} from '@elanus/protocol';
import type { Access } from './access.ts';
import { askAgain } from './ask-again.ts';
import { concatBatches, keyAt, mergeByKey, mergeShardHits } from './merge-rows.ts';
import type { ShardHits } from './merge-rows.ts';
import { decodePageToken, encodePageToken } from './page-token.ts';
import { readProjection, type Columns } from './projection.ts';
import { readRequestFilter } from './request-filter.ts';
import { checkQueries, SearchPlans, type KeptPlan, type SearchPlan } from './search-plan.ts';
import { shardOfRow } from './split-write.ts';

/** Hits of one request, over all its queries. */
const HITS_MAX = 1_000_000;

/** A search's answer with what the shards say of it. */
interface Searched {
  readonly result: SearchResult;
  readonly filter: string | undefined;
  readonly explains: readonly ShardExplain[];
}

/** A search as it was asked. */
interface AskedSearch {
  readonly request: SearchRequest;
  readonly call: Call | undefined;
  readonly explain: boolean;
}

/** A search with what its names stand for. */
interface ReadySearch extends AskedSearch {
  readonly schema: CollectionSchema;
  readonly kept: KeptPlan;
  readonly demand: ReadDemand;
}

type SearchHeader = RequestOf<typeof searchShard>;
type ShardAnswer = Answered<ReplyOf<typeof searchShard>>;

/** See the file's header. */
export class Reads {
  readonly #access: Access;
  readonly #plans = new SearchPlans();

  constructor(access: Access) {
    this.#access = access;
  }

  /** Nearest rows, where the search before stands and this turn has time; else undefined. */
  atOnce(request: SearchRequest, call: Call | undefined): Awaitable<SearchResult> | undefined {
    const { clock, reads } = this.#access;
    const now = clock.monoMs();
    if (!reads.mayBegin(now)) return undefined;
    const again = this.#again(request, call, now);
    return again instanceof Promise ? reads.counted(() => again) : again;
  }

  /** Nearest rows. */
  search(request: SearchRequest, call: Call | undefined): Awaitable<SearchResult> {
    const again = this.#again(request, call, this.#access.clock.monoMs());
    return again ?? andThen(this.#search(request, call, false), ({ result }) => result);
  }

  /** Nearest rows, where the search before asked alike and still stands. */
  #again(
    request: SearchRequest,
    call: Call | undefined,
    now: number,
  ): Awaitable<SearchResult> | undefined {
    const { queries, collection } = request;
    if (queries.kind !== 'vectors' || queries.column.kind !== 'vector') return undefined;
    const schema = this.#access.freshSchema(collection, now);
    const kept = schema && this.#plans.known(request, schema);
    if (schema === undefined || kept?.standing === undefined) return undefined;
    const demand = this.#access.demand(request);
    const found = askAgain(kept, { schema, queries: queries.column, demand, call });
    return found instanceof Promise ? this.#access.patiently(found, call) : found;
  }

  /** Runs the search and tells how it went. */
  async explain(request: SearchRequest, call: Call | undefined): Promise<Explanation> {
    const { explains, filter } = await this.#search(request, call, true);
    const segments = explains.flatMap((shard) =>
      shard.segments.map((segment) => ({
        id: segment.segmentId,
        state: segment.state as 'growing' | 'sealed' | 'flushed',
        index: segment.kind === '' ? 'none' : segment.kind,
        rows: segment.rows,
        matching: segment.allowed,
        strategy: segment.strategy,
        candidates: segment.exactScores,
        distances: segment.codeScores,
        pruned: segment.way === 'skipped',
      })),
    );
    const stage = (name: string, of: (shard: ShardExplain) => number) => ({
      name,
      ms: Math.max(0, ...explains.map(of)),
    });
    const searched = explains.flatMap((shard) => shard.segments);
    const isExact = searched.every(({ strategy, recall }) => {
      return strategy === '' || strategy === 'exact' || (strategy === 'postings' && recall === 1);
    });
    const isMeasured = searched.every(({ recall }) => recall !== undefined);
    return {
      filter,
      way: explains.some((shard) => shard.where === 'pool') ? 'pool' : 'inline',
      expectedRecall: Math.min(1, ...searched.map(({ recall }) => recall ?? 0)),
      recallIs: isExact ? 'exact' : filter === undefined && isMeasured ? 'measured' : 'likely',
      candidates: segments.reduce((sum, segment) => sum + segment.candidates, 0),
      segments,
      stages: [
        stage('wait', (shard) => shard.waitMs),
        stage('search', (shard) => shard.searchMs),
        stage('retrieve', (shard) => shard.retrieveMs),
      ],
    };
  }

  /** Rows by filter, by ascending key. */
  async query(request: QueryRequest, call: Call | undefined): Promise<RowsResult> {
    const { limit, offset } = request;
    this.#access.checkWindow(limit, offset);
    const schema = await this.#access.schema(request.collection, call);
    const filter = readRequestFilter(request.filter, schema).text;
    const columns = readProjection(request, schema);
    const demand = this.#access.demand(request);
    const select = { filter, after: undefined, limit: offset + limit, columns };
    const { parts, at } = await this.#selectAll({ schema, demand, ...select }, call);
    const rows = mergeByKey(parts, { keyField: primaryField(schema).id, offset, limit });
    return { schemaVersion: schema.version, rows, timestamp: at };
  }

  /** Rows by key, those found. */
  async get(request: GetRequest, call: Call | undefined): Promise<GetResult> {
    const schema = await this.#access.schema(request.collection, call);
    const columns = readProjection(request, schema);
    return this.#get(
      { schema, keys: request.keys, columns, demand: this.#access.demand(request) },
      call,
    );
  }

  /** How many rows pass. */
  async count(request: CountRequest, call: Call | undefined): Promise<CountResult> {
    const schema = await this.#access.schema(request.collection, call);
    const filter = readRequestFilter(request.filter, schema).text;
    const demand = this.#access.demand(request);
    let count = 0;
    let timestamp = 0n;
    for (let shard = 0; shard < schema.shards; shard++) {
      const header = { collectionId: schema.collectionId, shard, demand, filter };
      const reply = (await this.#access.call(countShard, { header }, call)).header;
      count += reply.count;
      if (reply.at > timestamp) timestamp = reply.at;
    }
    return { count, timestamp };
  }

  /** One page of all rows that pass, at the instant of the first page. */
  async scan(request: ScanRequest, call: Call | undefined): Promise<ScanResult> {
    const limit = Math.min(request.pageRows, LIMITS.resultRowsMax);
    this.#access.checkWindow(limit, 0);
    const schema = await this.#access.schema(request.collection, call);
    const filter = readRequestFilter(request.filter, schema).text;
    const columns = readProjection(request, schema);
    const { fields, withTimestamp } = columns;
    const question = `${schema.collectionId} ${fields.join()} ${withTimestamp} ${filter ?? ''}`;
    const page = request.page === undefined ? undefined : decodePageToken(request.page, question);
    const demand =
      page === undefined ? this.#access.demand(request) : { guarantee: 0n, at: page.at };
    const select = { filter, after: page?.after, limit, columns };
    const { parts, at } = await this.#selectAll({ schema, demand, ...select }, call);
    const keyField = primaryField(schema).id;
    const rows = mergeByKey(parts, { keyField, offset: 0, limit });
    const result = { schemaVersion: schema.version, rows, timestamp: at };
    if (rows.rowCount < limit) return result;
    const after = String(keyAt(columnOf(rows, keyField), rows.rowCount - 1));
    return { ...result, next: encodePageToken({ at, after, question }) };
  }

  #search(request: SearchRequest, call: Call | undefined, explain: boolean): Awaitable<Searched> {
    this.#access.checkWindow(request.limit, request.offset);
    const known = this.#access.freshSchema(request.collection);
    const schema = known ?? this.#access.schema(request.collection, call);
    return andThen(schema, (found) => this.#searchIn(found, { request, call, explain }));
  }

  #searchIn(schema: CollectionSchema, asked: AskedSearch): Awaitable<Searched> {
    const { queries } = asked.request;
    const kept = this.#plans.of(asked.request, schema);
    const { field } = kept.plan;
    const demand = this.#access.demand(asked.request);
    if (queries.kind === 'vectors') {
      return this.#searchFor(queries.column, { ...asked, schema, kept, demand });
    }
    const stored = this.#storedVectors({ keys: queries.keys, schema, field, demand }, asked.call);
    return stored.then((found) => this.#searchFor(found, { ...asked, schema, kept, demand }));
  }

  #searchFor(queries: VectorColumn | SparseColumn, asked: ReadySearch): Awaitable<Searched> {
    const { explain, schema, demand, kept } = asked;
    const { plan } = kept;
    const { limit, offset, field, filter, columns } = plan;
    const nq = checkQueries(field, queries);
    const packed = packVectors(queries);
    if (nq * (offset + limit) > HITS_MAX) {
      const expected = `queries x (offset + limit) at most ${HITS_MAX}`;
      throw new ElanusError('limit_out_of_range', { expected, got: String(nq * (offset + limit)) });
    }
    const header = {
      collectionId: schema.collectionId,
      field: field.id,
      metric: plan.metric,
      vectors: packed.head,
      nq,
      limit: offset + limit,
      filter: filter.text,
      bounds: plan.bounds,
      effort: plan.effort,
      fields: columns.fields,
      withTimestamp: columns.withTimestamp,
      explain,
      repeats: kept.asked !== undefined && canStand(plan, schema),
      shard: 0,
      demand,
    };
    const replies = this.#askShards({ header, bodies: packed.bodies }, asked);
    return andThen(replies, (answers) => {
      kept.standing = answers[0]?.standing;
      const parts = answers.map((answer) => hitsOf(answer, offset + limit));
      const want = { nq, metric: plan.metric, keyField: plan.keyField, offset, limit };
      const { counts, scores, columns: rows } = mergeShardHits(parts, want);
      const timestamp = answers[answers.length - 1]?.header.at ?? 0n;
      const result = { schemaVersion: schema.version, counts, scores, rows, timestamp };
      const explains = explain
        ? answers.flatMap(({ header: { explain: told } }) => told ?? [])
        : [];
      return { result, filter: filter.text, explains };
    });
  }

  /** Every shard's answer; the others are asked at the instant of the first. */
  #askShards(
    { header, bodies }: Required<Parcel<SearchHeader>>,
    { call, schema }: ReadySearch,
  ): Awaitable<readonly ShardAnswer[]> {
    const answers: ShardAnswer[] = [];
    const ask = (shard: number): Awaitable<readonly ShardAnswer[]> => {
      const at = answers[0]?.header.at ?? header.demand.at;
      const demand = atInstant(header.demand, at);
      const own = shard === 0 ? header : { ...header, shard, demand };
      const reply = this.#access.call(searchShard, { header: own, bodies }, call);
      return andThen(reply, (answer) => {
        answers.push(answer);
        return answers.length === schema.shards ? answers : ask(shard + 1);
      });
    };
    return ask(0);
  }

  /** The vectors of stored rows. @throws key_not_found */
  async #storedVectors(
    input: {
      readonly keys: KeyColumn;
      readonly schema: CollectionSchema;
      readonly field: Field;
      readonly demand: ReadDemand;
    },
    call: Call | undefined,
  ): Promise<VectorColumn | SparseColumn> {
    const { keys, schema, field, demand } = input;
    const columns = { fields: [primaryField(schema).id, field.id], withTimestamp: false };
    const found = await this.#get({ schema, keys, columns, demand }, call);
    const count = columnRows(keys);
    if (found.positions.length !== count) {
      const there = new Set(found.positions);
      const missing = Array.from({ length: count }, (_, i) => i).find((i) => !there.has(i)) ?? 0;
      throw new ElanusError('key_not_found', { key: String(keyAt(keys, missing)) });
    }
    const order = new Uint32Array(count);
    found.positions.forEach((position, i) => {
      order[position] = i;
    });
    const vectors = takeColumn(columnOf(found.rows, field.id), order);
    assert(isVectorColumn(vectors), 'a vector field');
    return vectors;
  }

  async #get(
    input: {
      readonly schema: CollectionSchema;
      readonly keys: KeyColumn;
      readonly columns: Columns;
      readonly demand: ReadDemand;
    },
    call: Call | undefined,
  ): Promise<GetResult> {
    const { schema, keys, columns, demand } = input;
    const count = columnRows(keys);
    if (count > LIMITS.resultRowsMax) {
      const expected = `at most ${LIMITS.resultRowsMax} keys`;
      throw new ElanusError('limit_out_of_range', { expected, got: String(count) });
    }
    if (demand.at !== undefined) return this.#getAt({ ...input, at: demand.at }, call);
    const byShard = new Map<number, number[]>();
    for (let i = 0; i < count; i++) {
      const shard = shardOfRow(keys, i, schema.shards);
      byShard.set(shard, [...(byShard.get(shard) ?? []), i]);
    }
    const parts: ColumnBatch[] = [];
    const positions: number[] = [];
    let timestamp = 0n;
    for (const [shard, rows] of byShard) {
      const asked = takeColumn(keys, Uint32Array.from(rows));
      const only = new Map<FieldId, Column>([[primaryField(schema).id, asked]]);
      const header = {
        ...selectBase(schema, shard, columns),
        demand,
        filter: undefined,
        after: undefined,
        limit: rows.length,
        byKeys: true,
      };
      const bodies = [encodeColumns({ rowCount: rows.length, columns: only })];
      const reply = await this.#access.call(selectShard, { header, bodies }, call);
      parts.push(unpackRows(reply.header.rows, reply.bodies));
      positions.push(...reply.header.found.map((i) => rows[i] ?? 0));
      if (reply.header.at > timestamp) timestamp = reply.header.at;
    }
    const rows = concatBatches(parts);
    return {
      schemaVersion: schema.version,
      rows,
      timestamp,
      positions: Uint32Array.from(positions),
    };
  }

  /** Keys as they were at an instant: the key table knows the newest versions only. */
  async #getAt(
    input: {
      readonly schema: CollectionSchema;
      readonly keys: KeyColumn;
      readonly columns: Columns;
      readonly at: bigint;
    },
    call: Call | undefined,
  ): Promise<GetResult> {
    const { schema, keys, columns, at } = input;
    const key = primaryField(schema);
    const wanted = Array.from({ length: columnRows(keys) }, (_, i) => keyAt(keys, i));
    const value = { [key.name]: { in: [...new Set(wanted)] } };
    const filter = readRequestFilter({ kind: 'object', value }, schema).text;
    const limit = Math.max(1, wanted.length);
    const demand = { guarantee: 0n, at };
    const select = { schema, demand, filter, after: undefined, limit, columns };
    const { parts } = await this.#selectAll(select, call);
    const all = concatBatches(parts);
    const column = columnOf(all, key.id);
    const rowOf = new Map(Array.from({ length: all.rowCount }, (_, i) => [keyAt(column, i), i]));
    const positions: number[] = [];
    const rows: number[] = [];
    wanted.forEach((one, position) => {
      const row = rowOf.get(one);
      if (row === undefined) return;
      positions.push(position);
      rows.push(row);
    });
    return {
      schemaVersion: schema.version,
      rows: takeBatch(all, Uint32Array.from(rows)),
      positions: Uint32Array.from(positions),
      timestamp: at,
    };
  }

  /** Selects in every shard at one instant: that of the first answer. */
  async #selectAll(
    input: {
      readonly schema: CollectionSchema;
      readonly demand: ReadDemand;
      readonly filter: string | undefined;
      readonly after: string | undefined;
      readonly limit: number;
      readonly columns: Columns;
    },
    call: Call | undefined,
  ): Promise<{ readonly parts: readonly ColumnBatch[]; readonly at: bigint }> {
    const { schema, demand, filter, after, limit, columns } = input;
    const parts: ColumnBatch[] = [];
    let at = demand.at;
    for (let shard = 0; shard < schema.shards; shard++) {
      const header = {
        ...selectBase(schema, shard, columns),
        demand: atInstant(demand, at),
        filter,
        after,
        limit,
        byKeys: false,
      };
      const reply = await this.#access.call(selectShard, { header }, call);
      parts.push(unpackRows(reply.header.rows, reply.bodies));
      at = reply.header.at;
    }
    return { parts, at: at ?? 0n };
  }
}

/** Whether one shard's hits are the answer. */
function canStand({ offset }: SearchPlan, { shards }: CollectionSchema): boolean {
  return shards === 1 && offset === 0;
}

function atInstant(demand: ReadDemand, at: bigint | undefined): ReadDemand {
  return at === undefined ? demand : { guarantee: 0n, at };
}

function selectBase(schema: CollectionSchema, shard: number, columns: Columns) {
  return { collectionId: schema.collectionId, shard, ...columns };
}

/** A shard's hits, as the bodies of its answer have them. */
function hitsOf({ header, bodies }: ShardAnswer, limit: number): ShardHits {
  const counts = bodies[0] as Uint32Array;
  const scores = compact(counts, bodies[1] as Float32Array, limit);
  return { counts, scores, columns: unpackRows(header.rows, bodies, 2) };
}

/** The scores of the hits only, one behind the other. */
function compact(counts: Uint32Array, scores: Float32Array, limit: number): Float32Array {
  if (counts.length === 1) return scores.subarray(0, counts[0]);
  const out = new Float32Array(counts.reduce((sum, count) => sum + count, 0));
  let at = 0;
  counts.forEach((count, q) => {
    out.set(scores.subarray(q * limit, q * limit + count), at);
    at += count;
  });
  return out;
}

/** Whether an error says that the collection behind a cached name is gone. */
export function isStale(error: unknown): boolean {
  return isElanusError(error, 'collection_dropped') || isElanusError(error, 'schema_version_stale');
}
