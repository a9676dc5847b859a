/**
 * Admission of writes to one shard: one at a time, in the order they came. A write is checked
 * against what the shard will be once everything in flight is applied (the projection), then
 * stamped in one turn. Nothing else can enter between the check and the stamp.
 *
 *     schema -> retry? -> memory -> wait for room -> keys -> projection -> clock -> segment, stamp
 *
 * Invariants: W5 (a key has one effect), promise 5 (keys are unique), promise 7 (limits refuse
 * first).
 */
import {
  assert,
  columnChunks,
  columnOf,
  decodeChunks,
  ElanusError,
  expiredBefore,
  idempotencyKeyMs,
  LIMITS,
  takeBatch,
  type Clock,
  type CollectionSchema,
  type Column,
  type ColumnBatch,
  type Timestamp,
} from '@elanus/core';
import { crc32 } from '@elanus/kernels/checksum';
import { keyIn, type RowLocation } from '@elanus/segment';
import type { HybridClock } from '../wal/hybrid-clock.ts';
import type { IdLease } from '../wal/id-lease.ts';
import { controlDraft, type Draft, type Wal } from '../wal/wal.ts';
import { hashFields, hashKeys, hashKind, isSameWrite, type NamedWrite } from './idempotency.ts';
import { ProjectedKeys } from './projected-keys.ts';
import type { ShardState } from './state.ts';

/** A write as it reaches its shard. */
export interface ShardWrite {
  readonly kind: 'insert' | 'upsert' | 'delete';
  readonly schemaVersion: number;
  readonly idempotencyKey: string;
  readonly onConflict: 'error' | 'skip';
  readonly asOf: Timestamp;
  /** Column frames in chunks, each frame at most one record. They never change. */
  readonly parts: readonly (readonly Uint8Array[])[];
}

/** An insert before it is sent: what it will be called, and its keys. */
export interface PlannedInsert {
  readonly schemaVersion: number;
  readonly idempotencyKey: string;
  readonly keys: Column;
}

/** Memory that rows may take, over all shards of a node. */
export interface MemoryBudget {
  readonly budgetBytes: number;
  usedBytes(): number;
}

/** What a write did. */
export interface WriteResult {
  readonly count: number;
  readonly timestamp: Timestamp;
  /** Whether this answers an earlier attempt with the same key. */
  readonly replayed: boolean;
}

/** One record of a write: its bytes, and what they hold. */
interface Part {
  readonly body: readonly Uint8Array[];
  readonly bytes: number;
  readonly batch: ColumnBatch;
  readonly hash: number;
}

/** A writer waits this long for room before it is told to come back. */
const ROOM_WAIT_MS = 2_000;
const RETRY_AFTER_MS = 200;
/** Memory comes back by deletes and merges: not soon. */
const MEMORY_RETRY_MS = 5_000;
/** Bytes of writes that may wait for admission. */
const QUEUE_BYTES_MAX = 128 * 1024 * 1024;

/** A write that was let in. */
interface Admitted {
  readonly write: ShardWrite;
  readonly parts: readonly Part[];
  readonly named: NamedWrite;
  /** Number of its projection; undefined: it has none. */
  readonly projected: number | undefined;
}

/** See the file's header. */
export class Admission {
  readonly #state: ShardState;
  readonly #wal: Wal;
  readonly #hybrid: HybridClock;
  readonly #ids: IdLease;
  readonly #clock: Clock;
  readonly #budget: MemoryBudget;
  readonly #keys: ProjectedKeys;
  /** Writes in flight by idempotency key: a retry joins the first attempt. */
  readonly #joined = new Map<
    string,
    { readonly named: NamedWrite; readonly result: Promise<WriteResult> }
  >();
  #tail: Promise<unknown> = Promise.resolve();
  #queuedBytes = 0;
  #segmentId = 0;
  #segmentBytes = 0;
  /** What the next segment will be called; 0: not known yet. */
  #nextSegmentId = 0;

  constructor(options: {
    readonly state: ShardState;
    readonly wal: Wal;
    readonly hybrid: HybridClock;
    readonly ids: IdLease;
    readonly clock: Clock;
    readonly budget: MemoryBudget;
  }) {
    this.#state = options.state;
    this.#wal = options.wal;
    this.#hybrid = options.hybrid;
    this.#ids = options.ids;
    this.#clock = options.clock;
    this.#budget = options.budget;
    const { keys, keyKind, salt } = options.state;
    const expired = () => this.#expired();
    this.#keys = new ProjectedKeys({ keys, kind: keyKind, salt, clock: options.clock, expired });
    // The newest: rows of one that is older would stand behind those of one that is newer.
    const growing = options.state.open.findLast((segment) => segment.state === 'growing');
    this.#segmentId = growing?.segmentId ?? 0;
    this.#segmentBytes = growing?.rows.rowBytes ?? 0;
  }

  /** Writes; resolves when the write is durable and visible. */
  async write(write: ShardWrite, signal: AbortSignal): Promise<WriteResult> {
    const bytes = write.parts.reduce((sum, part) => sum + bytesOf(part), 0);
    if (this.#queuedBytes + bytes > QUEUE_BYTES_MAX) {
      throw new ElanusError('exhausted', { what: 'writes waiting', retryAfterMs: RETRY_AFTER_MS });
    }
    this.#queuedBytes += bytes;
    try {
      const admitted = await this.#exclusive(() => this.#admit(write, signal));
      return await admitted.result;
    } finally {
      this.#queuedBytes -= bytes;
    }
  }

  /**
   * Refuses what an insert with these keys would be refused for now, and keeps nothing. What was
   * written under its idempotency key passes. Keys may still be taken before the insert comes.
   *
   * @throws ElanusError key_exists, schema_version_stale, idempotency_expired
   */
  async check({ schemaVersion, idempotencyKey, keys }: PlannedInsert): Promise<void> {
    if (this.#isKnown(idempotencyKey)) return;
    this.#checkSchema(schemaVersion);
    this.#checkAge(idempotencyKey);
    await this.#wal.barrier();
    await this.#keys.eachTaken(keys, (row) => {
      // An earlier attempt may have come meanwhile, by a message that was late: its own rows.
      if (this.#isKnown(idempotencyKey)) return;
      throw new ElanusError('key_exists', { key: String(keyIn(keys, row)), row });
    });
  }

  /** Whether a write with the key is in flight, or done. */
  #isKnown(idempotencyKey: string): boolean {
    const { idempotency } = this.#state;
    return this.#joined.has(idempotencyKey) || idempotency.get(idempotencyKey) !== undefined;
  }

  /** Takes a new schema into the log, behind everything admitted before; seals what grows. */
  alter(schema: CollectionSchema): Promise<void> {
    return this.#exclusive(async () => {
      if (schema.version <= this.#state.schema.version) return;
      await this.#wal.room();
      await this.#hybrid.ready();
      const { collectionId, shard } = this.#state;
      const header = { kind: 'alter' as const, collectionId, shard, segmentId: 0 };
      const body = new TextEncoder().encode(JSON.stringify(schema));
      const draft = controlDraft({ ...header, schemaVersion: schema.version }, body);
      this.#segmentId = 0;
      await this.#wal.submit([draft]).done;
    });
  }

  /** Ends the growing segment; the next rows begin another. False when nothing grows. */
  seal(): Promise<boolean> {
    return this.#exclusive(async () => {
      if (this.#segmentId === 0) return false;
      await this.#wal.room();
      await this.#hybrid.ready();
      const { done } = this.#wal.submit([this.#sealDraft()]);
      await done;
      return true;
    });
  }

  /** Which rows have expired at any timestamp that a write may get from now on. */
  #expired(): ((at: RowLocation) => boolean) | undefined {
    const before = expiredBefore(this.#state.schema.ttl, this.#hybrid.now());
    return before === 0n ? undefined : (at) => this.#state.writtenAt(at) < before;
  }

  /** Runs one admission after the other. */
  #exclusive<T>(run: () => Promise<T>): Promise<T> {
    const next = this.#tail.then(run, run);
    this.#tail = next.catch(() => undefined);
    return next;
  }

  async #admit(
    write: ShardWrite,
    signal: AbortSignal,
  ): Promise<{ readonly result: Promise<WriteResult> }> {
    if (signal.aborted) throw new ElanusError('cancelled', {});
    const given = await this.#read(write);
    const named = this.#named(write, given);
    const before = this.#earlier(write, named);
    if (before !== undefined) return { result: before };
    this.#checkAge(write.idempotencyKey);
    if (write.kind !== 'delete') this.#checkMemory(given);
    await this.#room();
    this.#nextSegmentId ||= await this.#ids.take();
    const parts = write.kind === 'insert' ? await this.#free(write, given) : given;
    if (parts.length === 0) {
      const timestamp = this.#wal.serviceTs;
      return { result: Promise.resolve({ count: 0, timestamp, replayed: false }) };
    }
    const columns = this.#keyColumns(parts);
    const there = write.kind !== 'delete';
    const projected = write.asOf === 0n ? await this.#keys.add(columns, there) : undefined;
    try {
      await this.#hybrid.ready();
      return { result: this.#stamp({ write, parts, named, projected }) };
    } catch (error) {
      if (projected !== undefined) {
        // Its projection stands over those of writes before it: they are applied first.
        await Promise.allSettled([...this.#joined.values()].map(({ result }) => result));
        this.#keys.end(projected, columns);
      }
      throw error;
    }
  }

  #keyColumns(parts: readonly Part[]): readonly Column[] {
    return parts.map(({ batch }) => columnOf(batch, this.#state.keyField.id));
  }

  #checkSchema(schemaVersion: number): void {
    if (schemaVersion <= this.#state.schema.version) return;
    throw new ElanusError('schema_version_stale', { name: this.#state.schema.name });
  }

  /** Decodes and hashes the parts, one in a turn. */
  async #read(write: ShardWrite): Promise<readonly Part[]> {
    this.#checkSchema(write.schemaVersion);
    const parts: Part[] = [];
    for (const body of write.parts) {
      if (parts.length > 0) await this.#clock.turn();
      parts.push(partOf(body, decodeChunks(body)));
    }
    return parts;
  }

  /** What tells a write from another one with the same key. */
  #named(write: ShardWrite, parts: readonly Part[]): NamedWrite {
    const kind = hashKind(write.kind);
    const keysHash = this.#keyColumns(parts).reduce((hash, keys) => hashKeys(keys, hash), kind);
    const fieldsHash = hashFields(parts[0]?.batch ?? { rowCount: 0, columns: new Map() });
    return { payloadHash: payloadHash(write, parts), rows: { fieldsHash, keysHash } };
  }

  /** The answer of an earlier attempt with the same key, in flight or done. */
  #earlier(write: ShardWrite, named: NamedWrite): Promise<WriteResult> | undefined {
    const { idempotencyKey } = write;
    const joined = this.#joined.get(idempotencyKey);
    const done = this.#state.idempotency.get(idempotencyKey);
    const known = joined?.named ?? done;
    if (known === undefined) return undefined;
    if (!isSameWrite(known, named)) {
      throw new ElanusError('idempotency_mismatch', { idempotencyKey });
    }
    if (joined !== undefined)
      return joined.result.then((result) => ({ ...result, replayed: true }));
    const { count = 0, timestamp = 0n } = done ?? {};
    return Promise.resolve({ count, timestamp, replayed: true });
  }

  /** A key from before the window may have had its effect already: never executed again. */
  #checkAge(idempotencyKey: string): void {
    const madeMs = idempotencyKeyMs(idempotencyKey);
    if (madeMs === undefined) return;
    const isKnown = madeMs > this.#state.idempotency.forgottenMs;
    if (isKnown && madeMs >= this.#clock.wallMs() - LIMITS.idempotencyWindowMs) return;
    throw new ElanusError('idempotency_expired', { idempotencyKey });
  }

  /** Rows are held in memory: refuses before it is gone. Deletes always pass. */
  #checkMemory(parts: readonly Part[]): void {
    const { budgetBytes } = this.#budget;
    const bytes = parts.reduce((sum, part) => sum + part.bytes, 0);
    const neededBytes = this.#budget.usedBytes() + bytes;
    if (neededBytes <= budgetBytes) return;
    const retryAfterMs = MEMORY_RETRY_MS;
    throw new ElanusError('memory_budget', { neededBytes, budgetBytes, retryAfterMs });
  }

  async #room(): Promise<void> {
    const until = this.#clock.monoMs() + ROOM_WAIT_MS;
    while (this.#state.unflushed.length > LIMITS.unflushedSegmentsMax) {
      if (this.#clock.monoMs() > until) {
        throw new ElanusError('exhausted', {
          what: 'segments waiting to be flushed',
          retryAfterMs: RETRY_AFTER_MS,
        });
      }
      await new Promise<void>((resolve) => this.#clock.after(5, resolve));
    }
    await this.#wal.room();
    if (this.#wal.stopped !== undefined) throw this.#wal.stopped;
  }

  /** What is left of an insert's parts; a refusal or nothing only while we own the channel. */
  async #free(write: ShardWrite, parts: readonly Part[]): Promise<readonly Part[]> {
    let kept: readonly Part[] = [];
    try {
      kept = await this.#withoutTaken(write, parts);
    } finally {
      // Nothing goes to the log that would show whether these keys are still taken.
      if (kept.length === 0) await this.#wal.barrier();
    }
    return kept;
  }

  /** An insert's parts without the keys that exist; these are taken out, or refused. */
  async #withoutTaken(write: ShardWrite, parts: readonly Part[]): Promise<readonly Part[]> {
    const kept: Part[] = [];
    let first = 0;
    for (const [n, part] of parts.entries()) {
      if (n > 0) await this.#clock.turn();
      const { batch } = part;
      const keys = columnOf(batch, this.#state.keyField.id);
      const taken = new Set<number>();
      await this.#keys.eachTaken(keys, (row) => {
        taken.add(row);
        if (write.onConflict === 'skip') return;
        const key = String(keyIn(keys, row));
        throw new ElanusError('key_exists', { key, row: first + row });
      });
      first += batch.rowCount;
      if (taken.size === 0) {
        kept.push(part);
      } else if (taken.size < batch.rowCount) {
        const free = Uint32Array.from({ length: batch.rowCount }, (_, i) => i);
        const rest = takeBatch(
          batch,
          free.filter((row) => !taken.has(row)),
        );
        kept.push(partOf(columnChunks(rest), rest));
      }
    }
    return kept;
  }

  /** One turn: seals a full segment, stamps and publishes. */
  #stamp(admitted: Admitted): Promise<WriteResult> {
    const { write, parts, named: name } = admitted;
    const drafts = this.#drafts(write, parts, name.payloadHash);
    if (write.kind !== 'delete') this.#sealWhenFull();
    const segmentId = write.kind === 'delete' ? 0 : this.#currentSegment();
    const named = drafts.map((d) => ({ ...d, header: { ...d.header, segmentId } }));
    for (const { bytes } of parts) if (segmentId !== 0) this.#segmentBytes += bytes;
    const { timestamp, done } = this.#wal.submit(named);
    const result = this.#finish(admitted, timestamp, done);
    this.#joined.set(write.idempotencyKey, { named: name, result });
    return result;
  }

  async #finish(
    { write, parts, projected }: Admitted,
    timestamp: Timestamp,
    done: Promise<void>,
  ): Promise<WriteResult> {
    const { idempotencyKey } = write;
    try {
      await done;
      const known = this.#state.idempotency.get(idempotencyKey);
      return { count: known?.count ?? 0, timestamp, replayed: false };
    } finally {
      this.#joined.delete(idempotencyKey);
      if (projected !== undefined) this.#keys.end(projected, this.#keyColumns(parts));
    }
  }

  #drafts(write: ShardWrite, parts: readonly Part[], hash: number): Draft[] {
    return parts.map(({ body, batch, hash: bodyHash }, part) => ({
      header: {
        kind: write.kind,
        part,
        parts: parts.length,
        asOf: write.asOf,
        payloadHash: hash,
        bodyHash,
        collectionId: this.#state.collectionId,
        shard: this.#state.shard,
        schemaVersion: write.schemaVersion,
        segmentId: 0,
        rowCount: batch.rowCount,
        idempotencyKey: write.idempotencyKey,
      },
      body,
      batch,
    }));
  }

  #currentSegment(): number {
    if (this.#segmentId === 0) {
      assert(this.#nextSegmentId > 0, 'an id was taken in the same admission');
      this.#segmentId = this.#nextSegmentId;
      this.#nextSegmentId = 0;
      this.#segmentBytes = 0;
    }
    return this.#segmentId;
  }

  #sealWhenFull(): void {
    if (this.#segmentId === 0 || this.#segmentBytes < LIMITS.growingBytesMax) return;
    this.#wal.submit([this.#sealDraft()]).done.catch(() => undefined);
  }

  #sealDraft(): Draft {
    const { collectionId, shard, schema } = this.#state;
    const segmentId = this.#segmentId;
    this.#segmentId = 0;
    const schemaVersion = schema.version;
    return controlDraft({ kind: 'seal', collectionId, shard, schemaVersion, segmentId });
  }
}

function bytesOf(chunks: readonly Uint8Array[]): number {
  return chunks.reduce((sum, chunk) => sum + chunk.length, 0);
}

function partOf(body: readonly Uint8Array[], batch: ColumnBatch): Part {
  const hash = body.reduce((sum, chunk) => crc32(chunk, sum), 0);
  return { body, bytes: bytesOf(body), batch, hash };
}

function payloadHash(write: ShardWrite, parts: readonly Part[]): number {
  const what = `${write.kind} ${write.onConflict} ${write.asOf} ${parts.map((p) => p.hash).join()}`;
  return crc32(new TextEncoder().encode(what));
}
