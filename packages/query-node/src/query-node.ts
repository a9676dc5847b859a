/**
 * The query node: holds sealed segments and answers reads over them. It decides nothing: what is
 * loaded, which rows are visible and which are deleted is said by the caller.
 */
import {
  andThen,
  assert,
  fieldId,
  primaryField,
  type CollectionSchema,
  type ColumnBatch,
  type FieldId,
  type Hits,
  type Pool,
  type SegmentPlan,
} from '@elanus/core';
import type { ScalarIndex } from '@elanus/index';
import type { KernelChoice, RowMemory } from '@elanus/kernels';
import {
  countSealed,
  describeNode,
  loadSegment,
  packRows,
  releaseSegment,
  retrieveSealed,
  searchSealed,
  selectSealed,
  serveCall,
  unpackVectors,
  type WantedFields,
} from '@elanus/protocol';
import type { Resident, World } from '@elanus/runtime';
import {
  groupRows,
  joinGroups,
  listHits,
  noRows,
  NOT_SEARCHED,
  packKeys,
  parseKey,
  ReadRunner,
  retrieveRows,
  type Searched,
  type SearchTask,
  type SegmentRead,
} from '@elanus/segment';
import { loadSegmentFiles, type LoadedSegment } from './load.ts';
import { FilterResults } from './filter-results.ts';
import { HeldSegments } from './held-segments.ts';
import { PageGathering } from './page-gathering.ts';
import { rulesOut } from './prune.ts';
import { filterOf, readsOf } from './read-bodies.ts';
import { ScalarIndexes } from './scalar-indexes.ts';
import { StandingSegments } from './standing-segments.ts';

/** What a query node is made of. */
export interface QueryNodeOptions {
  readonly world: Pick<World, 'bus' | 'objects' | 'clock'>;
  readonly kernels: KernelChoice;
  /** Threads of reads. */
  readonly pools: readonly Pool[];
  /** Rows that this process holds, by the name of their object. */
  readonly resident: Resident<RowMemory>;
  /** Bytes that indexes of scalar columns may take. */
  readonly scalarIndexBytes: number;
  /** Bytes that results of filters may take. */
  readonly filterResultBytes: number;
}

/** A running query node. */
export interface QueryNode {
  stop(): void;
}

/** Starts answering; see the file's header. */
export function startQueryNode(options: QueryNodeOptions): QueryNode {
  const node = new SegmentHost(options);
  const ends = node.serve();
  return {
    stop: () => {
      for (const end of ends) end();
      node.clear();
    },
  };
}

class SegmentHost {
  readonly #world: QueryNodeOptions['world'];
  readonly #runner: ReadRunner;
  readonly #resident: Resident<RowMemory>;
  readonly #held = new HeldSegments();
  readonly #scalars: ScalarIndexes;
  readonly #filters: FilterResults;
  readonly #pages: PageGathering;
  /** Loads of one segment run one after the other. */
  readonly #loading = new Map<number, Promise<LoadedSegment>>();

  constructor(options: QueryNodeOptions) {
    this.#world = options.world;
    this.#runner = new ReadRunner(options.kernels, options.pools, { kept: true });
    this.#resident = options.resident;
    this.#pages = new PageGathering(this.#runner.kernels, options.world.clock);
    this.#scalars = new ScalarIndexes({
      bytesMax: options.scalarIndexBytes,
      build: (column) => this.#runner.indexScalar(column),
      chunk: (segmentId) => this.#held.get(segmentId)?.view.chunks[0],
      place: (segmentId, scalars) => this.#placeScalars(segmentId, scalars),
    });
    this.#filters = new FilterResults({
      bytesMax: options.filterResultBytes,
      rulesOut: (segmentId, filter) => rulesOut(this.#held.get(segmentId)?.stats, filter),
      find: (view, filter) => this.#runner.passing(view, filter),
    });
  }

  clear(): void {
    this.#pages.clear();
    this.#held.clear();
  }

  serve(): (() => void)[] {
    const { bus } = this.#world;
    return [
      serveCall(bus, loadSegment, async ({ header }) => {
        const loaded = await this.#load(header);
        const timestamps = loaded.view.chunks[0]?.timestamps ?? new BigUint64Array(0);
        const { rowCount } = loaded.view;
        const indexed = loaded.view.indexes.size === loaded.manifest.indexes.length;
        return { header: { rowCount, bytes: loaded.bytes, indexed }, bodies: [timestamps] };
      }),
      serveCall(bus, releaseSegment, ({ header }) => {
        this.#release(header.segmentId);
        return Promise.resolve({ header: {} });
      }),
      serveCall(bus, describeNode, () => {
        const segments = [...this.#held.entries()].map(([segmentId, { bytes }]) => ({
          segmentId,
          bytes,
        }));
        const scalarIndexBytes = this.#scalars.bytes;
        return Promise.resolve({ header: { segments, scalarIndexBytes } });
      }),
      this.#serveSearch(),
      this.#serveSelect(),
      this.#serveCount(),
      this.#serveRetrieve(),
    ];
  }

  /** Reads that began before go on with what they hold. */
  #placeScalars(segmentId: number, scalars: ReadonlyMap<FieldId, ScalarIndex>): void {
    const held = this.#held.get(segmentId);
    const chunk = held?.view.chunks[0];
    if (held === undefined || chunk === undefined) return;
    const view = { ...held.view, chunks: [{ ...chunk, scalars }] };
    this.#held.set(segmentId, { ...held, view });
  }

  /** Forgets a segment and gives its memory back; callers say so when no read needs it. */
  #release(segmentId: number): void {
    const held = this.#held.get(segmentId);
    this.#held.delete(segmentId);
    this.#scalars.forget(segmentId);
    this.#filters.forget(segmentId);
    this.#runner.forget(segmentId);
    this.#pages.forget(segmentId);
    for (const { file } of held?.manifest.vectors ?? []) this.#resident.drop(file.name);
    for (const { file } of held?.view.indexes.values() ?? []) {
      if (file !== undefined) this.#runner.kernels.discard(file.memory);
    }
  }

  /** From here on others of this process find the rows by the names of their objects. */
  #hold({ manifest, view }: LoadedSegment): void {
    for (const { field, file } of manifest.vectors) {
      const rows = view.chunks[0]?.vectors.get(fieldId(field));
      if (rows === undefined) continue;
      // Sparse rows begin with their offsets, and lie in one piece when they come from a file.
      const { name } = file;
      this.#resident.hold(name, rows.type === 'sparse' ? rows.offsets : rows.memory);
    }
  }

  async #load(want: Parameters<typeof loadSegmentFiles>[1]): Promise<LoadedSegment> {
    const id = want.record.segmentId;
    const before = this.#loading.get(id) ?? Promise.resolve(undefined);
    const next = before
      .catch(() => undefined)
      .then(async () => {
        const held = this.#held.get(id);
        if (held !== undefined && held.record.manifest === want.record.manifest) return held;
        const context = {
          objects: this.#world.objects,
          clock: this.#world.clock,
          kernels: this.#runner.kernels,
        };
        const loaded = await loadSegmentFiles(context, want, held);
        const scalars = this.#held.get(id)?.view.chunks[0]?.scalars;
        this.#held.set(id, loaded);
        this.#pages.add(loaded);
        // Some may have come while it loaded.
        if (scalars !== undefined) this.#placeScalars(id, scalars);
        if (held === undefined) this.#hold(loaded);
        return loaded;
      });
    this.#loading.set(id, next);
    try {
      return await next;
    } finally {
      if (this.#loading.get(id) === next) this.#loading.delete(id);
    }
  }

  #serveSearch(): () => void {
    return serveCall(this.#world.bus, searchSealed, ({ header, bodies }, caller) => {
      const { refs, schema, metric, nq, limit, bounds, effort, want } = header;
      const { vectors: queries, rest: deletes } = unpackVectors(header.vectors, bodies);
      const key = keyOf(schema);
      const filter = filterOf(header.filter, schema);
      const reads = readsOf(this.#held, refs, deletes);
      const { kept, pruned } = this.#filters.apply(reads, filter);
      this.#scalars.used(kept, filter);
      const task: SearchTask = {
        reads: kept,
        field: fieldId(header.field),
        metric,
        keyField: key.id,
        keyKind: key.kind,
        queries,
        nq,
        limit,
        filter,
        bounds,
        effort,
        silent: !header.explain,
      };
      const { changes } = this.#held;
      const searched = this.#runner.search(task, caller);
      return andThen(searched, (found) => {
        const answer = packSearch(found, { kept, pruned, want });
        const standing = header.repeats ? this.#standing(task, changes) : undefined;
        return standing === undefined ? answer : { ...answer, standing };
      });
    });
  }

  /** The search as it may be asked again. */
  #standing(task: SearchTask, changes: number): StandingSegments | undefined {
    const prepared = this.#runner.prepare(task);
    return prepared && new StandingSegments(this.#held, changes, prepared);
  }

  #serveSelect(): () => void {
    return serveCall(this.#world.bus, selectSealed, async ({ header, bodies }, caller) => {
      const { refs, schema, limit } = header;
      const key = keyOf(schema);
      const filter = filterOf(header.filter, schema);
      const { kept } = this.#filters.apply(readsOf(this.#held, refs, bodies), filter);
      this.#scalars.used(kept, filter);
      const selection = await this.#runner.select(
        {
          reads: kept,
          filter,
          keyField: key.id,
          keyKind: key.kind,
          after: parseKey(header.after, key.kind),
          limit,
        },
        caller,
      );
      const reply: ArrayBufferView[] = [selection.segments, selection.rows];
      return { header: { keys: packKeys(selection.keys, reply) }, bodies: reply };
    });
  }

  #serveCount(): () => void {
    return serveCall(this.#world.bus, countSealed, ({ header, bodies }, caller) => {
      const filter = filterOf(header.filter, header.schema);
      const all = readsOf(this.#held, header.refs, bodies);
      const { kept: reads } = this.#filters.apply(all, filter);
      this.#scalars.used(reads, filter);
      const counted = this.#runner.count({ reads, filter }, caller);
      return andThen(counted, (count) => ({ header: { count } }));
    });
  }

  #serveRetrieve(): () => void {
    return serveCall(this.#world.bus, retrieveSealed, ({ header, bodies }) => {
      const ref = { segmentId: header.segmentId, visibleRows: 0, hasDeletes: false };
      const [read] = readsOf(this.#held, [ref], []);
      const rows = bodies[0];
      assert(read !== undefined && rows instanceof Uint32Array, 'one segment, its rows');
      const batch = retrieveRows({ view: read.view, rows }, header.fields, header.withTimestamp);
      const packed = packRows(batch);
      return { header: { rows: packed.head }, bodies: packed.bodies };
    });
  }
}

/** What a search found as a reply, with the fields of its hits where they are wanted. */
function packSearch(
  { output, where }: Searched,
  of: {
    readonly kept: readonly SegmentRead[];
    readonly pruned: readonly SegmentRead[];
    readonly want: WantedFields | undefined;
  },
) {
  const { kept, pruned, want } = of;
  const { counts, scores, segments, rows, keys } = output.hits;
  const plans = pruned.length === 0 ? output.plans : [...output.plans, ...pruned.map(skipped)];
  const bodies: ArrayBufferView[] = [counts, scores, segments, rows];
  const text = packKeys(keys, bodies);
  const fields = want && packRows(fieldsOfHits(kept, output.hits, want), bodies).head;
  return { header: { keys: text, fields, where, plans }, bodies };
}

/** The fields of hits, in their order. */
function fieldsOfHits(
  reads: readonly SegmentRead[],
  hits: Hits,
  { fields, withTimestamp }: WantedFields,
): ColumnBatch {
  const { groups, order } = groupRows(listHits(hits));
  if (groups.length === 0) return noRows(fields, withTimestamp);
  const parts = groups.map(({ segmentId, rows }) => {
    const read = reads.find(({ view }) => view.segmentId === segmentId);
    assert(read !== undefined, 'hits are of segments that were read');
    return retrieveRows({ view: read.view, rows }, fields, withTimestamp);
  });
  return joinGroups(parts, order);
}

/** What `explain` says of a segment that statistics ruled out. */
function skipped(read: SegmentRead): SegmentPlan {
  const { segmentId } = read.view;
  return { segmentId, rows: read.visibleRows, ...NOT_SEARCHED };
}

function keyOf(schema: CollectionSchema) {
  const field = primaryField(schema);
  return { id: field.id, kind: field.type === 'int64' ? ('int64' as const) : ('varchar' as const) };
}
