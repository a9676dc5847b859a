/**
 * Reads of one shard: growing rows here, sealed rows on query nodes, one snapshot for both.
 *
 * Invariants: R4 (a read is one prefix of the log), R5, R6; nothing pinned is released.
 */
import {
  andThen,
  countBits,
  ElanusError,
  expiredBefore,
  isElanusError,
  LIMITS,
  maxTimestamp,
  mergeHits,
  timestampFromMs,
  timestampMs,
  ttlOf,
  type Awaitable,
  type Bus,
  type BusCaller,
  type Clock,
  type ColumnBatch,
  type Field,
  type FieldId,
  type Hits,
  type Metric,
  type Pool,
  type SearchEffort,
  type SegmentPlan,
  type Timestamp,
} from '@elanus/core';
import { readFilter, type CheckedFilter } from '@elanus/expr';
import {
  countSealed,
  invoke,
  packVectors,
  releaseSegment,
  retrieveSealed,
  searchSealed,
  selectSealed,
  unpackRows,
  type ReadDemand,
  type ShardExplain,
  type StandingSearch,
  type WantedFields,
} from '@elanus/protocol';
import {
  GrowingFilters,
  groupRows,
  joinGroups,
  listHits,
  mergeSelections,
  noRows,
  retrieveRows,
  rowTimestamp,
  unpackKeys,
  type Queries,
  type PreparedSearch,
  type ReadRunner,
  type RowGroups,
  type RowList,
  type SearchTask,
  type Selection,
} from '@elanus/segment';
import type { Wal } from '../wal/wal.ts';
import type { HybridClock } from '../wal/hybrid-clock.ts';
import { HiddenRows } from '../shard/expired-rows.ts';
import type { ShardState } from '../shard/state.ts';
import type { Distribution } from './distribution.ts';
import { GrowingCodes } from './growing-codes.ts';
import { SearchBatches } from './search-batch.ts';
import { SnapshotBasis, takeSnapshot, type Snapshot } from './snapshot.ts';
import { StandingShardSearch } from './standing-search.ts';

/** What reading needs. */
export interface ReadContext {
  readonly state: ShardState;
  readonly wal: Wal;
  readonly hybrid: HybridClock;
  readonly clock: Clock;
  readonly bus: Bus;
  readonly runner: ReadRunner;
  /** Threads that build. */
  readonly pool: Pool;
  readonly distribution: Distribution;
}

/** A search as the shard gets it. */
export interface ShardSearch {
  readonly demand: ReadDemand;
  readonly field: FieldId;
  readonly metric: Metric;
  /** `nq` vectors of the field's type. */
  readonly queries: Queries;
  readonly nq: number;
  readonly limit: number;
  readonly filter: string | undefined;
  readonly bounds: { readonly min: number; readonly max: number } | undefined;
  readonly effort: SearchEffort;
  readonly fields: readonly Field[];
  readonly withTimestamp: boolean;
  /** Whether the answer says how it was found. */
  readonly explain: boolean;
  /** Whether the same is likely to be asked again. */
  readonly repeats: boolean;
}

/** Rows found, with their fields. Row i of `columns` belongs to the i-th hit in order. */
export interface ShardHits {
  readonly at: Timestamp;
  readonly hits: Hits;
  readonly columns: ColumnBatch;
  /** Undefined when nobody asked. */
  readonly explain: ShardExplain | undefined;
  /** For searches that repeat, where they are short. */
  readonly standing?: StandingSearch | undefined;
}

/** A read of rows by key order, or of listed keys. */
export interface ShardSelect {
  readonly demand: ReadDemand;
  readonly filter: string | undefined;
  readonly after: bigint | string | undefined;
  readonly limit: number;
  readonly fields: readonly Field[];
  readonly withTimestamp: boolean;
}

/** See the file's header. */
export class ShardReads {
  readonly #context: ReadContext;
  readonly #batches: SearchBatches;
  readonly #codes: GrowingCodes;
  readonly #filters = new GrowingFilters();
  readonly #hidden = new HiddenRows();
  /** The collection was dropped. */
  #over = false;

  constructor(context: ReadContext) {
    this.#context = context;
    const run = (search: ShardSearch, caller: BusCaller) => this.#search(search, caller);
    const { clock, runner, pool } = context;
    this.#codes = new GrowingCodes({ pool, choice: runner.choice, kernels: runner.kernels });
    this.#batches = new SearchBatches({ run, clock, batchesMax: runner.threads });
  }

  /** Best rows per query, with their fields. */
  search(search: ShardSearch, caller: BusCaller): Awaitable<ShardHits> {
    return this.#batches.search(search, caller);
  }

  #search(search: ShardSearch, caller: BusCaller): Awaitable<ShardHits> {
    return this.#pinned(search.demand, (snapshot, waitMs) => {
      if (search.explain) return this.#explained(snapshot, waitMs, { search, caller });
      const basis = search.repeats ? new SnapshotBasis(this.#context.state) : undefined;
      const found = this.#searchAll(snapshot, search, caller);
      return andThen(found, (all) => this.#answer(snapshot, search, { found: all, basis }));
    });
  }

  #answer(
    snapshot: Snapshot,
    search: ShardSearch,
    { found, basis }: { readonly found: Found; readonly basis: SnapshotBasis | undefined },
  ): Awaitable<ShardHits> {
    const hits = mergeHits(found.parts, search.metric);
    const standing = basis && this.#standing(snapshot, search, { ...found, basis });
    const { at } = snapshot;
    return andThen(this.#columnsOf(snapshot, hits, { search, found }), (columns) => {
      return { at, hits, columns, explain: undefined, standing };
    });
  }

  /** The search as it may be asked again, for as long as the basis of its snapshot holds. */
  #standing(
    { at, growing: reads, refs }: Snapshot,
    search: ShardSearch,
    { sealed, growing, basis }: Found & { readonly basis: SnapshotBasis },
  ): StandingSearch | undefined {
    const { state, wal, distribution } = this.#context;
    if (state.schema.ttl !== undefined || !this.#wantsKeys(search)) return undefined;
    if (refs.length > 0 && sealed === undefined) return undefined;
    if ((reads.length > 0 || refs.length === 0) && growing === undefined) return undefined;
    return new StandingShardSearch({
      at,
      metric: search.metric,
      wal,
      basis,
      growing,
      sealed,
      mayBegin: () => !this.#over && this.#batches.isFree,
      hold: (running) => this.#batches.counted(() => distribution.read(() => running)),
    });
  }

  /** The same with a look at the clock between its steps. */
  async #explained(
    snapshot: Snapshot,
    waitMs: number,
    { search, caller }: { readonly search: ShardSearch; readonly caller: BusCaller },
  ): Promise<ShardHits> {
    const { clock, state } = this.#context;
    const begun = clock.monoMs();
    const found = await this.#searchAll(snapshot, search, caller);
    const hits = mergeHits(found.parts, search.metric);
    const searchMs = clock.monoMs() - begun;
    const columns = await this.#columnsOf(snapshot, hits, { search, found });
    const retrieveMs = clock.monoMs() - begun - searchMs;
    const { plans: segments, where } = found;
    const explain = { shard: state.shard, where, waitMs, searchMs, retrieveMs, segments };
    return { at: snapshot.at, hits, columns, explain };
  }

  /** The fields of hits: come with them, keys alone, or read where the rows lie. */
  #columnsOf(
    snapshot: Snapshot,
    hits: Hits,
    { search, found }: { readonly search: ShardSearch; readonly found: Found },
  ): Awaitable<ColumnBatch> {
    return (
      found.rows ?? this.#keysOnly(hits, search) ?? this.#retrieve(snapshot, listHits(hits), search)
    );
  }

  /** Rows that pass, by ascending key, with their fields. */
  select(
    select: ShardSelect,
    caller: BusCaller,
  ): Awaitable<{ readonly at: Timestamp; readonly columns: ColumnBatch }> {
    return this.#pinned(select.demand, async (snapshot) => {
      const { state, runner, bus } = this.#context;
      const { after, limit } = select;
      const base = { keyField: state.keyField.id, keyKind: state.keyKind, after, limit };
      const filter = this.#filter(select.filter);
      const parts: Selection[] = [];
      parts.push(await runner.select({ ...base, reads: snapshot.growing, filter }, caller));
      if (snapshot.refs.length > 0) {
        const { header, bodies } = await invoke(bus, selectSealed, {
          header: {
            refs: snapshot.refs,
            schema: state.schema,
            filter: select.filter,
            after: after === undefined ? undefined : String(after),
            limit,
          },
          bodies: snapshot.deletes,
          options: { parent: caller },
        });
        const [segments, rows, keys] = bodies;
        parts.push({
          keys: unpackKeys(header.keys, keys),
          segments: segments as Float64Array,
          rows: rows as Uint32Array,
        });
      }
      const rows = mergeSelections(parts, limit);
      return { at: snapshot.at, columns: await this.#retrieve(snapshot, rows, select) };
    });
  }

  /** Rows of listed keys, those found, in the order asked. `found` holds their positions. */
  get(
    keys: readonly (bigint | string)[],
    select: Omit<ShardSelect, 'filter' | 'after' | 'limit'>,
  ): Awaitable<{
    readonly at: Timestamp;
    readonly found: readonly number[];
    readonly columns: ColumnBatch;
  }> {
    return this.#pinned(select.demand, async (snapshot) => {
      const { state } = this.#context;
      const found: number[] = [];
      const segments: number[] = [];
      const rows: number[] = [];
      const expired = expiredBefore(state.schema.ttl, snapshot.at);
      keys.forEach((key, i) => {
        const location = state.keys.get(key);
        if (location === undefined) return;
        if (expired > 0n && state.writtenAt(location) < expired) return;
        found.push(i);
        segments.push(location.segmentId);
        rows.push(location.row);
      });
      const newest = this.#newest(snapshot, segments, rows);
      // A write of several records is being applied: wait for its end, so that we see all or
      // nothing.
      if (newest > snapshot.at) {
        return this.get(keys, { ...select, demand: { guarantee: newest, at: undefined } });
      }
      const list = { segments: Float64Array.from(segments), rows: Uint32Array.from(rows) };
      return { at: snapshot.at, found, columns: await this.#retrieve(snapshot, list, select) };
    });
  }

  /** How many rows pass. */
  count(
    demand: ReadDemand,
    text: string | undefined,
    caller: BusCaller,
  ): Awaitable<{ readonly at: Timestamp; readonly count: number }> {
    return this.#pinned(demand, async (snapshot) => {
      const { state, runner, bus } = this.#context;
      const filter = this.#filter(text);
      const here = await runner.count({ reads: snapshot.growing, filter }, caller);
      if (snapshot.refs.length === 0) return { at: snapshot.at, count: here };
      const { header } = await invoke(bus, countSealed, {
        header: { refs: snapshot.refs, schema: state.schema, filter: text },
        bodies: snapshot.deletes,
        options: { parent: caller },
      });
      return { at: snapshot.at, count: here + header.count };
    });
  }

  /** Rows that a read would see now. Cost: a bit of each row where rows expire. */
  get rowCount(): number {
    const { state, wal, hybrid } = this.#context;
    if (state.schema.ttl === undefined) return state.rowCount;
    const { growing, refs, deletes } = this.#snapshot(maxTimestamp(wal.serviceTs, hybrid.now()));
    let rows = 0;
    for (const { visibleRows: visible } of [...growing, ...refs]) rows += visible;
    for (const { deleted } of growing) rows -= deleted === undefined ? 0 : countBits(deleted);
    for (const deleted of deletes) rows -= countBits(deleted);
    return rows;
  }

  /** Lets the query nodes forget this shard's segments: the collection was dropped. */
  async releaseAll(): Promise<void> {
    const { state, bus } = this.#context;
    this.#over = true;
    for (const { segmentId } of state.flushed) {
      await invoke(bus, releaseSegment, { header: { segmentId } });
    }
  }

  /**
   * Waits for what the read demands, takes a snapshot and keeps it pinned. A segment that moved
   * meanwhile is looked for once more.
   */
  #pinned<T>(asked: ReadDemand, read: ReadSnapshot<T>): Awaitable<T> {
    const { clock, wal } = this.#context;
    const demand = this.#aging(asked);
    const at = wal.serviceTs;
    const isThere = demand.at === undefined && demand.guarantee <= at;
    // Mostly everything demanded is there: no step, no clock.
    if (isThere && !(demand.strong === true && wal.isShared)) return this.#readAt(at, 0, read);
    const begun = clock.monoMs();
    return this.#instant(demand).then((instant) => {
      return this.#readAt(instant, clock.monoMs() - begun, read);
    });
  }

  /** Where rows expire, no read lags behind the clock: it would see them for longer. */
  #aging(demand: ReadDemand): ReadDemand {
    const { state, hybrid } = this.#context;
    if (demand.at !== undefined || ttlOf(state.schema.ttl) === undefined) return demand;
    return { ...demand, guarantee: maxTimestamp(demand.guarantee, hybrid.now()) };
  }

  /** Reads at an instant that has come. */
  #readAt<T>(at: Timestamp, waitMs: number, read: ReadSnapshot<T>): Awaitable<T> {
    const { distribution } = this.#context;
    const again = (error: unknown): Awaitable<T> => {
      if (!isElanusError(error, 'shard_recovering')) throw error;
      return distribution.read(() => read(this.#snapshot(at), waitMs));
    };
    try {
      const result = distribution.read(() => read(this.#snapshot(at), waitMs));
      return result instanceof Promise ? result.catch(again) : result;
    } catch (error) {
      return again(error);
    }
  }

  async #instant(demand: ReadDemand): Promise<Timestamp> {
    const { wal, hybrid } = this.#context;
    const { at, guarantee, strong } = demand;
    if (strong === true) await wal.barrier();
    if (at === undefined) {
      if (guarantee > wal.serviceTs) await wal.serve(await this.#notAhead(guarantee));
      return wal.serviceTs;
    }
    await hybrid.ready();
    const oldest = timestampFromMs(timestampMs(hybrid.now()) - LIMITS.retentionMs);
    if (at < oldest) {
      const hint = `Reads go back ${LIMITS.retentionMs / 60_000} minutes.`;
      throw new ElanusError('timestamp_out_of_range', { at: String(at), hint });
    }
    await wal.serve(await this.#notAhead(at));
    return at;
  }

  /** An instant that has come; ours, not a made-up one far ahead. */
  async #notAhead(ts: Timestamp): Promise<Timestamp> {
    const { hybrid, wal } = this.#context;
    if (timestampMs(ts) <= timestampMs(hybrid.now()) + AHEAD_MS_MAX) return ts;
    // A later owner may have given it.
    await wal.barrier();
    throw new ElanusError('timestamp_out_of_range', { at: String(ts), hint: 'It is yet to come.' });
  }

  #snapshot(at: Timestamp): Snapshot {
    return takeSnapshot(this.#context.state, this.#hidden, at);
  }

  /** The newest timestamp of rows in growing segments; those of flushed ones are always visible. */
  #newest(snapshot: Snapshot, segments: readonly number[], rows: readonly number[]): Timestamp {
    let newest = 0n;
    segments.forEach((id, i) => {
      const read = snapshot.growing.find(({ view }) => view.segmentId === id);
      if (read === undefined) return;
      const timestamp = rowTimestamp(read.view, rows[i] ?? 0);
      if (timestamp > newest) newest = timestamp;
    });
    return newest;
  }

  #filter(text: string | undefined): CheckedFilter | undefined {
    return text === undefined ? undefined : readFilter(text, this.#context.state.schema);
  }

  /** Growing rows and sealed ones at once; whichever there is none of costs nothing. */
  #searchAll(snapshot: Snapshot, search: ShardSearch, caller: BusCaller): Awaitable<Found> {
    if (snapshot.refs.length === 0) return this.#searchGrowing(snapshot, search, caller);
    const sealed = this.#searchSealed(snapshot, search, caller);
    if (snapshot.growing.length === 0) return sealed;
    if (sealed instanceof Promise) {
      // A promise whatever happens: both are waited for, whichever fails.
      const here = (async () => this.#searchGrowing(snapshot, search, caller))();
      return Promise.all([here, sealed]).then(bothFound);
    }
    const here = this.#searchGrowing(snapshot, search, caller);
    return andThen(here, (found) => bothFound([found, sealed]));
  }

  #searchGrowing(snapshot: Snapshot, search: ShardSearch, caller: BusCaller): Awaitable<Found> {
    const { state, runner } = this.#context;
    const { field, metric, queries, nq, limit, bounds, effort } = search;
    const filter = this.#filter(search.filter);
    const task: SearchTask = {
      reads: this.#filters.apply(snapshot.growing, filter),
      field,
      metric,
      queries,
      nq,
      limit,
      bounds,
      effort,
      keyField: state.keyField.id,
      keyKind: state.keyKind,
      filter,
    };
    return andThen(runner.search(task, caller), ({ output, where }) => {
      if (where === 'pool') this.#codes.kick(() => state.open.map(({ rows }) => rows));
      const plans = search.explain ? plansOf(output.plans, 'growing') : [];
      const growing = search.repeats ? runner.prepare(task) : undefined;
      return { parts: [output.hits], plans, where, growing };
    });
  }

  #searchSealed(snapshot: Snapshot, search: ShardSearch, caller: BusCaller): Awaitable<Found> {
    const { field, metric, queries, nq, limit, bounds, effort, filter } = search;
    const { schema } = this.#context.state;
    const { refs, deletes } = snapshot;
    const packed = packVectors(queries);
    const asked = {
      refs,
      schema,
      field,
      metric,
      vectors: packed.head,
      nq,
      limit,
      filter,
      bounds,
      effort,
      // Hits of growing rows could push these out: then fields are read when the hits are known.
      explain: search.explain,
      repeats: search.repeats,
      want: snapshot.growing.length > 0 || this.#wantsKeys(search) ? undefined : wantOf(search),
    };
    const reply = invoke(this.#context.bus, searchSealed, {
      header: asked,
      bodies: deletes.length === 0 ? packed.bodies : [...packed.bodies, ...deletes],
      options: { parent: caller },
    });
    return andThen(reply, ({ header, bodies, standing }) => {
      const hits: Hits = {
        nq,
        limit,
        counts: bodies[0] as Uint32Array,
        scores: bodies[1] as Float32Array,
        segments: bodies[2] as Float64Array,
        rows: bodies[3] as Uint32Array,
        keys: unpackKeys(header.keys, bodies[4]),
      };
      const plans = search.explain ? plansOf(header.plans, 'flushed') : [];
      const behind = header.keys === undefined ? 5 : 4;
      const fields = header.fields && unpackRows(header.fields, bodies, behind);
      return { parts: [hits], plans, where: header.where, rows: fields, sealed: standing };
    });
  }

  /** Whether nothing is wanted but keys that hits carry as numbers. */
  #wantsKeys({ fields, withTimestamp }: WantedFields): boolean {
    const { keyField, keyKind } = this.#context.state;
    if (withTimestamp || fields.length !== 1 || keyKind !== 'int64') return false;
    return fields[0]?.id === keyField.id;
  }

  /** The keys of hits, which carry them, when nothing else is wanted; else undefined. */
  #keysOnly({ counts, limit, keys }: Hits, want: WantedFields): ColumnBatch | undefined {
    if (!this.#wantsKeys(want) || !(keys instanceof BigInt64Array)) return undefined;
    const field = this.#context.state.keyField;
    const [only] = counts;
    if (counts.length === 1) return keyBatch(field.id, keys.subarray(0, only));
    const values = new BigInt64Array(counts.reduce((sum, count) => sum + count, 0));
    let at = 0;
    counts.forEach((count, q) => {
      values.set(keys.subarray(q * limit, q * limit + count), at);
      at += count;
    });
    return keyBatch(field.id, values);
  }

  /**
   * Fields of rows anywhere in the shard, in the order listed: grouped by segment, then put back.
   */
  #retrieve(snapshot: Snapshot, list: RowList, want: WantedFields): Awaitable<ColumnBatch> {
    const { groups, order } = groupRows(list);
    if (groups.length === 0) return noRows(want.fields, want.withTimestamp);
    const parts: ColumnBatch[] = [];
    const from = (first: number): Awaitable<ColumnBatch> => {
      for (let at = first; at < groups.length; at++) {
        const part = this.#retrieveFrom(snapshot, groups[at] as RowGroup, want);
        if (part instanceof Promise) {
          return part.then((later) => {
            parts.push(later);
            return from(at + 1);
          });
        }
        parts.push(part);
      }
      return joinGroups(parts, order);
    };
    return from(0);
  }

  #retrieveFrom(snapshot: Snapshot, from: RowGroup, want: WantedFields): Awaitable<ColumnBatch> {
    const { fields, withTimestamp } = want;
    const read = snapshot.growing.find(({ view }) => view.segmentId === from.segmentId);
    if (read !== undefined) {
      return retrieveRows({ view: read.view, rows: from.rows }, fields, withTimestamp);
    }
    const reply = invoke(this.#context.bus, retrieveSealed, {
      header: { segmentId: from.segmentId, fields, withTimestamp },
      bodies: [from.rows],
    });
    return andThen(reply, ({ header, bodies }) => unpackRows(header.rows, bodies));
  }
}

/** A demanded instant may be this far ahead of our clock: clocks of clients differ. */
const AHEAD_MS_MAX = 1_000;

type ReadSnapshot<T> = (snapshot: Snapshot, waitMs: number) => Awaitable<T>;
type RowGroup = RowGroups['groups'][number];

interface Found {
  readonly parts: readonly Hits[];
  /** Fields of the hits, where they came with them. */
  readonly rows?: ColumnBatch | undefined;
  readonly plans: ShardExplain['segments'];
  readonly where: 'inline' | 'pool';
  /** What stands of the search, over rows that grow and over sealed ones. */
  readonly growing?: PreparedSearch | undefined;
  readonly sealed?: StandingSearch | undefined;
}

function keyBatch(field: FieldId, values: BigInt64Array): ColumnBatch {
  return { rowCount: values.length, columns: new Map([[field, { kind: 'int64', values }]]) };
}

function wantOf({ fields, withTimestamp }: ShardSearch): WantedFields {
  return { fields, withTimestamp };
}

function plansOf(plans: readonly SegmentPlan[], state: string): Found['plans'] {
  return plans.map((plan) => ({ ...plan, state }));
}

function bothFound([here, there]: readonly [Found, Found]): Found {
  return {
    parts: [...here.parts, ...there.parts],
    plans: [...here.plans, ...there.plans],
    where: here.where === 'pool' ? 'pool' : there.where,
    growing: here.growing,
    sealed: there.sealed,
  };
}
