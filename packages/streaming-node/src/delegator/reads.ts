/**
 * Reads of one shard: growing rows here, sealed rows on query nodes, one instant for both. The
 * snapshot is taken in one synchronous step: instant, segments and deletes belong together.
 *
 * Invariants: R4 (a read is one prefix of the log), R5, R6; nothing pinned is released.
 */
import {
  ElanusError,
  isElanusError,
  LIMITS,
  mergeHits,
  timestampFromMs,
  timestampMs,
  type Bitset,
  type Bus,
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
  type SegmentRef,
  type ShardExplain,
  type WantedFields,
} from '@elanus/protocol';
import {
  groupRows,
  joinGroups,
  listHits,
  mergeSelections,
  noRows,
  retrieveRows,
  rowTimestamp,
  unpackKeys,
  visibleRows,
  type Queries,
  type ReadRunner,
  type RowGroups,
  type RowList,
  type SegmentRead,
  type Selection,
} from '@elanus/segment';
import type { Wal } from '../wal/wal.ts';
import type { HybridClock } from '../wal/hybrid-clock.ts';
import type { ShardState } from '../shard/state.ts';
import type { Distribution } from './distribution.ts';
import { GrowingCodes } from './growing-codes.ts';
import { SearchBatches } from './search-batch.ts';

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

/** One read's view of the shard. */
interface Snapshot {
  readonly at: Timestamp;
  readonly growing: readonly SegmentRead[];
  readonly refs: readonly SegmentRef[];
  readonly deletes: readonly Bitset[];
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
}

/** Rows found, with their fields. Row i of `columns` belongs to the i-th hit in order. */
export interface ShardHits {
  readonly at: Timestamp;
  readonly hits: Hits;
  readonly columns: ColumnBatch;
  /** Undefined when nobody asked. */
  readonly explain: ShardExplain | undefined;
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

  constructor(context: ReadContext) {
    this.#context = context;
    const run = (search: ShardSearch, signal: AbortSignal) => this.#search(search, signal);
    const { clock, runner, pool } = context;
    this.#codes = new GrowingCodes({ pool, choice: runner.choice, kernels: runner.kernels });
    this.#batches = new SearchBatches({ run, clock, batchesMax: runner.threads });
  }

  /** Best rows per query, with their fields. */
  search(search: ShardSearch, signal: AbortSignal): Promise<ShardHits> {
    return this.#batches.search(search, signal);
  }

  #search(search: ShardSearch, signal: AbortSignal): Promise<ShardHits> {
    return this.#pinned(search.demand, async (snapshot, waitMs) => {
      const { clock, state } = this.#context;
      const nowMs = (): number => (search.explain ? clock.monoMs() : 0);
      const begun = nowMs();
      const { parts, plans, where, rows } = await this.#searchAll(snapshot, search, signal);
      const hits = mergeHits(parts, search.metric);
      const found = nowMs();
      const columns =
        rows ??
        this.#keysOnly(hits, search) ??
        (await this.#retrieve(snapshot, listHits(hits), search));
      if (!search.explain) return { at: snapshot.at, hits, columns, explain: undefined };
      const [searchMs, retrieveMs] = [found - begun, nowMs() - found];
      const explain = { shard: state.shard, where, waitMs, searchMs, retrieveMs, segments: plans };
      return { at: snapshot.at, hits, columns, explain };
    });
  }

  /** Rows that pass, by ascending key, with their fields. */
  select(
    select: ShardSelect,
    signal: AbortSignal,
  ): Promise<{ readonly at: Timestamp; readonly columns: ColumnBatch }> {
    return this.#pinned(select.demand, async (snapshot) => {
      const { state, runner, bus } = this.#context;
      const { after, limit } = select;
      const base = { keyField: state.keyField.id, keyKind: state.keyKind, after, limit };
      const filter = this.#filter(select.filter);
      const parts: Selection[] = [];
      parts.push(await runner.select({ ...base, reads: snapshot.growing, filter }, signal));
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
          options: { signal },
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
  ): Promise<{
    readonly at: Timestamp;
    readonly found: readonly number[];
    readonly columns: ColumnBatch;
  }> {
    return this.#pinned(select.demand, async (snapshot) => {
      const { state } = this.#context;
      const found: number[] = [];
      const segments: number[] = [];
      const rows: number[] = [];
      keys.forEach((key, i) => {
        const location = state.keys.get(key);
        if (location === undefined) return;
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
    signal: AbortSignal,
  ): Promise<{ readonly at: Timestamp; readonly count: number }> {
    return this.#pinned(demand, async (snapshot) => {
      const { state, runner, bus } = this.#context;
      const filter = this.#filter(text);
      const here = await runner.count({ reads: snapshot.growing, filter }, signal);
      if (snapshot.refs.length === 0) return { at: snapshot.at, count: here };
      const { header } = await invoke(bus, countSealed, {
        header: { refs: snapshot.refs, schema: state.schema, filter: text },
        bodies: snapshot.deletes,
        options: { signal },
      });
      return { at: snapshot.at, count: here + header.count };
    });
  }

  /** Lets the query nodes forget this shard's segments: the collection was dropped. */
  async releaseAll(): Promise<void> {
    const { state, bus } = this.#context;
    for (const { segmentId } of state.flushed) {
      await invoke(bus, releaseSegment, { header: { segmentId } });
    }
  }

  /**
   * Waits for what the read demands, takes a snapshot and keeps it pinned. A segment that moved
   * meanwhile is looked for once more.
   */
  async #pinned<T>(
    demand: ReadDemand,
    read: (snapshot: Snapshot, waitMs: number) => Promise<T>,
  ): Promise<T> {
    const { clock, distribution, wal } = this.#context;
    let at = wal.serviceTs;
    let waitMs = 0;
    // Mostly everything demanded is there: no step, no clock.
    if (demand.at !== undefined || demand.guarantee > at) {
      const begun = clock.monoMs();
      at = await this.#instant(demand);
      waitMs = clock.monoMs() - begun;
    }
    for (let attempt = 0; ; attempt++) {
      const pin = distribution.pin();
      try {
        return await read(this.#snapshot(at), waitMs);
      } catch (error) {
        if (attempt > 0 || !isElanusError(error, 'shard_recovering')) throw error;
      } finally {
        pin.unpin();
      }
    }
  }

  async #instant(demand: ReadDemand): Promise<Timestamp> {
    const { wal, hybrid } = this.#context;
    const { at, guarantee } = demand;
    if (at === undefined) {
      if (guarantee > wal.serviceTs) await wal.serve(this.#notAhead(guarantee));
      return wal.serviceTs;
    }
    await hybrid.ready();
    const oldest = timestampFromMs(timestampMs(hybrid.now()) - LIMITS.retentionMs);
    if (at < oldest) {
      const hint = `Reads go back ${LIMITS.retentionMs / 60_000} minutes.`;
      throw new ElanusError('timestamp_out_of_range', { at: String(at), hint });
    }
    await wal.serve(this.#notAhead(at));
    return at;
  }

  /** An instant that has come; ours, not a made-up one far ahead. */
  #notAhead(ts: Timestamp): Timestamp {
    const now = this.#context.hybrid.now();
    if (timestampMs(ts) <= timestampMs(now) + AHEAD_MS_MAX) return ts;
    throw new ElanusError('timestamp_out_of_range', { at: String(ts), hint: 'It is yet to come.' });
  }

  /** One synchronous step: no await between the parts. */
  #snapshot(at: Timestamp): Snapshot {
    const growing: SegmentRead[] = [];
    const refs: SegmentRef[] = [];
    const deletes: Bitset[] = [];
    for (const segment of this.#context.state.segments.values()) {
      if (segment.state === 'flushed') {
        const { rowCount } = segment.record;
        const visible = visiblePrefix(segment.timestamps, rowCount, at);
        const deleted = segment.deletes.bitset(at, rowCount);
        refs.push({
          segmentId: segment.segmentId,
          visibleRows: visible,
          hasDeletes: deleted !== undefined,
        });
        if (deleted !== undefined) deletes.push(deleted);
      } else {
        const view = segment.rows.view();
        const deleted = segment.deletes.bitset(at, view.rowCount);
        growing.push({ view, visibleRows: visibleRows(view, at), deleted });
      }
    }
    return { at, growing, refs, deletes };
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
  #searchAll(snapshot: Snapshot, search: ShardSearch, signal: AbortSignal): Promise<Found> {
    if (snapshot.refs.length === 0) return this.#searchGrowing(snapshot, search, signal);
    const sealed = this.#searchSealed(snapshot, search, signal);
    if (snapshot.growing.length === 0) return sealed;
    return Promise.all([this.#searchGrowing(snapshot, search, signal), sealed]).then(bothFound);
  }

  async #searchGrowing(
    snapshot: Snapshot,
    search: ShardSearch,
    signal: AbortSignal,
  ): Promise<Found> {
    const { state, runner } = this.#context;
    const { field, metric, queries, nq, limit, bounds, effort } = search;
    const key = { keyField: state.keyField.id, keyKind: state.keyKind };
    const { output, where } = await runner.search(
      {
        reads: snapshot.growing,
        field,
        metric,
        queries,
        nq,
        limit,
        bounds,
        effort,
        ...key,
        filter: this.#filter(search.filter),
      },
      signal,
    );
    if (where === 'pool') this.#codes.kick(() => state.open.map(({ rows }) => rows));
    const plans = search.explain ? plansOf(output.plans, 'growing') : [];
    return { parts: [output.hits], plans, where };
  }

  async #searchSealed(
    snapshot: Snapshot,
    search: ShardSearch,
    signal: AbortSignal,
  ): Promise<Found> {
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
      want: snapshot.growing.length > 0 || this.#wantsKeys(search) ? undefined : wantOf(search),
    };
    const { header, bodies } = await invoke(this.#context.bus, searchSealed, {
      header: asked,
      bodies: deletes.length === 0 ? packed.bodies : [...packed.bodies, ...deletes],
      options: { signal },
    });
    const [counts, scores, segments, rows, ...rest] = bodies;
    const keys = header.keys === undefined ? rest.shift() : undefined;
    const hits: Hits = {
      nq,
      limit,
      counts: counts as Uint32Array,
      scores: scores as Float32Array,
      segments: segments as Float64Array,
      rows: rows as Uint32Array,
      keys: unpackKeys(header.keys, keys),
    };
    const plans = search.explain ? plansOf(header.plans, 'flushed') : [];
    const fields = header.fields && unpackRows(header.fields, rest);
    return { parts: [hits], plans, where: header.where, rows: fields };
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
  async #retrieve(snapshot: Snapshot, list: RowList, want: WantedFields): Promise<ColumnBatch> {
    const { groups, order } = groupRows(list);
    if (groups.length === 0) return noRows(want.fields, want.withTimestamp);
    const parts: ColumnBatch[] = [];
    for (const group of groups) parts.push(await this.#retrieveFrom(snapshot, group, want));
    return joinGroups(parts, order);
  }

  async #retrieveFrom(
    snapshot: Snapshot,
    from: RowGroups['groups'][number],
    want: WantedFields,
  ): Promise<ColumnBatch> {
    const { fields, withTimestamp } = want;
    const read = snapshot.growing.find(({ view }) => view.segmentId === from.segmentId);
    if (read !== undefined) {
      return retrieveRows({ view: read.view, rows: from.rows }, fields, withTimestamp);
    }
    const { header, bodies } = await invoke(this.#context.bus, retrieveSealed, {
      header: { segmentId: from.segmentId, fields, withTimestamp },
      bodies: [from.rows],
    });
    return unpackRows(header.rows, bodies);
  }
}

/** A demanded instant may be this far ahead of our clock: clocks of clients differ. */
const AHEAD_MS_MAX = 1_000;

interface Found {
  readonly parts: readonly Hits[];
  /** Fields of the hits, where they came with them. */
  readonly rows?: ColumnBatch | undefined;
  readonly plans: ShardExplain['segments'];
  readonly where: 'inline' | 'pool';
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
  };
}

function visiblePrefix(timestamps: BigUint64Array, rowCount: number, at: Timestamp): number {
  if (rowCount === 0 || (timestamps[rowCount - 1] ?? 0n) <= at) return rowCount;
  let low = 0;
  let high = rowCount;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((timestamps[middle] ?? 0n) <= at) low = middle + 1;
    else high = middle;
  }
  return low;
}
