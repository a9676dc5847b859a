/**
 * Ownership of channels and the life of segments: every commit compares the channel's term and the
 * revision of each record it changes, so a former owner, or one that did not see a change, is
 * refused. E1, E2, E3.
 */
import { ElanusError, moveSegment, type MetaCompare, type MetaOp } from '@elanus/core';
import type { SegmentEvent, SegmentState } from '@elanus/core';
import {
  metaKeys,
  type ChannelRecord,
  type CheckpointRecord,
  type LogRecord,
  type SegmentRecord,
  type ShardAssignment,
} from '@elanus/protocol';
import type { Catalog } from './catalog.ts';
import { readWindow } from './counters.ts';
import { notGarbage } from './garbage-marks.ts';
import { put, unchanged, type Held, type MetaAccess } from './meta-access.ts';

/** Who asks: the owner of a pchannel in a term. */
export interface Owner {
  readonly pchannel: string;
  readonly term: number;
}

/** A flush to be committed. */
export interface FlushCommit extends Owner {
  readonly collectionId: number;
  readonly shard: number;
  readonly segment: SegmentRecord | undefined;
  readonly deltas: readonly {
    readonly segmentId: number;
    readonly delta: string;
    readonly firstDeleteAt: string | undefined;
    readonly foldableAt: string | undefined;
  }[];
  readonly checkpoint: CheckpointRecord | undefined;
}

/** A build to be committed. */
export interface BuildCommit extends Owner {
  readonly collectionId: number;
  readonly shard: number;
  readonly inputs: readonly { readonly segmentId: number; readonly manifest: string }[];
  readonly output: SegmentRecord;
}

/** See the file's header. */
export class Segments {
  readonly #meta: MetaAccess;
  readonly #catalog: Catalog;
  readonly #wallMs: () => number;

  constructor(meta: MetaAccess, catalog: Catalog, wallMs: () => number) {
    this.#meta = meta;
    this.#catalog = catalog;
    this.#wallMs = wallMs;
  }

  /** Makes the caller the owner in the next term. */
  async own(pchannel: string, owner: string) {
    const key = metaKeys.channel(pchannel);
    const held = await this.#meta.get<ChannelRecord>(key);
    const term = (held?.record.term ?? 0) + 1;
    const record: ChannelRecord = { term, owner };
    const compare = held === undefined ? { key, exists: false } : unchanged(held);
    if (!(await this.#meta.txn([compare], [put(key, record)]))) {
      throw new ElanusError('channel_moved', { vchannel: pchannel, term });
    }
    const shards: ShardAssignment[] = [];
    for (const schema of await this.#catalog.collections()) {
      const segments = await this.flushed(schema.collectionId);
      for (let shard = 0; shard < schema.shards; shard++) {
        const checkpoint = await this.#meta.get<CheckpointRecord>(
          metaKeys.checkpoint(schema.collectionId, shard),
        );
        shards.push({
          schema,
          shard,
          checkpoint: checkpoint?.record,
          segments: segments.filter((segment) => segment.shard === shard),
        });
      }
    }
    const log = (await this.#meta.get<LogRecord>(metaKeys.log(pchannel)))?.record;
    return { term, savedUntilMs: await readWindow(this.#meta), shards, log };
  }

  /** Saves what a log has to hold; never less than before. */
  async saveLogSpan(span: Owner & LogRecord): Promise<void> {
    const key = metaKeys.log(span.pchannel);
    const owned = await this.#owned(span);
    const held = await this.#meta.get<LogRecord>(key);
    const { firstSeq = 0, lastSeq = 0, next: point } = held?.record ?? {};
    if (span.firstSeq <= firstSeq && span.lastSeq <= lastSeq) return;
    const next: LogRecord = {
      firstSeq: Math.max(firstSeq, span.firstSeq),
      lastSeq: Math.max(lastSeq, span.lastSeq),
      next: span.firstSeq > firstSeq ? span.next : point,
    };
    const compare = [owned, held === undefined ? { key, exists: false } : unchanged(held)];
    if (await this.#meta.txn(compare, [put(key, next)])) return;
    throw new ElanusError('catalog_conflict', { name: `the log of ${span.pchannel}` });
  }

  /** Flushed segments of a collection, oldest first. */
  async flushed(collectionId: number): Promise<readonly SegmentRecord[]> {
    const records = await this.#meta.range<SegmentRecord>(metaKeys.segments(collectionId));
    return records
      .flatMap(({ record }) => (record.state === 'flushed' ? [record] : []))
      .sort((a, b) => (BigInt(a.minTimestamp) < BigInt(b.minTimestamp) ? -1 : 1));
  }

  /** One transaction: segment, deltas, checkpoint. Committing the same again changes nothing. */
  async commitFlush(commit: FlushCommit): Promise<void> {
    const { collectionId, shard, segment, checkpoint } = commit;
    const deltas = commit.deltas.map(({ delta }) => delta);
    const names = [segment?.manifest, segment?.delta, ...deltas, checkpoint?.recovery];
    const compare: MetaCompare[] = [await this.#owned(commit), ...notGarbage(names)];
    const then: MetaOp[] = [];
    if (segment !== undefined) {
      const key = metaKeys.segment(collectionId, shard, segment.segmentId);
      const held = await this.#meta.get<SegmentRecord>(key);
      if (held !== undefined && held.record.manifest === segment.manifest) return;
      moveSegment(segment.segmentId, stateOf(held?.record, 'sealed'), 'flush');
      compare.push({ key, exists: false });
      then.push(put(key, segment));
    }
    for (const { segmentId, delta, firstDeleteAt, foldableAt } of commit.deltas) {
      const held = await this.#segment({ collectionId, shard, segmentId }, 'delete');
      const deltaSequence = held.record.deltaSequence + 1;
      compare.push(unchanged(held));
      const since = { ...(firstDeleteAt && { firstDeleteAt }), ...(foldableAt && { foldableAt }) };
      then.push(put(held.key, { ...held.record, delta, deltaSequence, ...since }));
    }
    if (checkpoint !== undefined) {
      const key = metaKeys.checkpoint(collectionId, shard);
      const held = await this.#meta.get<CheckpointRecord>(key);
      if (held !== undefined && held.record.seq > checkpoint.seq) throw conflict(0);
      compare.push(held === undefined ? { key, exists: false } : unchanged(held));
      then.push(put(key, checkpoint));
    }
    if (!(await this.#meta.txn(compare, then))) throw conflict(segment?.segmentId ?? 0);
  }

  /** One transaction: inputs dropped, output flushed; one without rows is not kept. */
  async commitBuild(commit: BuildCommit): Promise<void> {
    const { collectionId, shard, inputs, output } = commit;
    const names = [output.manifest, output.delta];
    const compare: MetaCompare[] = [await this.#owned(commit), ...notGarbage(names)];
    const then: MetaOp[] = [];
    const outputKey = metaKeys.segment(collectionId, shard, output.segmentId);
    for (const input of inputs) {
      const { segmentId } = input;
      const event = segmentId === output.segmentId ? 'index' : 'compact';
      const held = await this.#segment({ collectionId, shard, segmentId }, event);
      if (held.record.manifest !== input.manifest) throw conflict(input.segmentId);
      compare.push(unchanged(held));
      if (held.key === outputKey) continue;
      then.push(put(held.key, { ...held.record, state: 'dropped', droppedMs: this.#wallMs() }));
    }
    if (!inputs.some(({ segmentId }) => segmentId === output.segmentId)) {
      compare.push({ key: outputKey, exists: false });
    }
    if (output.rowCount > 0) then.push(put(outputKey, output));
    if (!(await this.#meta.txn(compare, then))) throw conflict(output.segmentId);
  }

  /** The segment counts as not indexed, if it still is the one that was seen. */
  async forgetIndex(
    lost: Owner & {
      readonly collectionId: number;
      readonly shard: number;
      readonly segmentId: number;
      readonly manifest: string;
    },
  ): Promise<void> {
    const held = await this.#segment(lost, 'lose-index');
    if (held.record.manifest !== lost.manifest) return;
    const compare = [await this.#owned(lost), unchanged(held)];
    const then = [put(held.key, { ...held.record, indexed: false })];
    if (!(await this.#meta.txn(compare, then))) throw conflict(lost.segmentId);
  }

  async #owned(owner: Owner): Promise<MetaCompare> {
    const held = await this.#meta.get<ChannelRecord>(metaKeys.channel(owner.pchannel));
    if (held !== undefined && held.record.term === owner.term) return unchanged(held);
    const term = held?.record.term ?? 0;
    throw new ElanusError('channel_moved', { vchannel: owner.pchannel, term });
  }

  /** The record of a segment to which something is about to happen. */
  async #segment(
    at: { readonly collectionId: number; readonly shard: number; readonly segmentId: number },
    event: SegmentEvent,
  ): Promise<Held<SegmentRecord>> {
    const { collectionId, shard, segmentId } = at;
    const key = metaKeys.segment(collectionId, shard, segmentId);
    const held = await this.#meta.get<SegmentRecord>(key);
    moveSegment(segmentId, stateOf(held?.record, 'dropped'), event);
    if (held === undefined) throw conflict(segmentId);
    return held;
  }
}

/** What a record says that a segment is; `none`: what it is when there is no record. */
export function stateOf(
  record: SegmentRecord | undefined,
  none: 'sealed' | 'dropped',
): SegmentState {
  if (record === undefined) return none;
  if (record.state === 'dropped') return 'compacted';
  return record.indexed ? 'indexed' : 'flushed';
}

const conflict = (segmentId: number): ElanusError =>
  new ElanusError('catalog_conflict', { name: `segment ${segmentId}` });
