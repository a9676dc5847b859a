/**
 * Views that search threads keep. Sending the rows of a segment takes longer than most searches,
 * and what a thread opened for them would be made anew each time: so a view is sent once, and named
 * from then on. A thread that does not have it (it has just been started, or another one of its
 * pool got it) says so, and is sent everything.
 */
import type { Pool, SegmentId } from '@elanus/core';
import { narrowReads, type Needs } from './narrow.ts';
import type { SegmentRead } from './read-set.ts';
import type { SegmentView } from './view.ts';

/** A read as a thread gets it. */
export interface SentRead extends Omit<SegmentRead, 'view'> {
  /** The segment, and what of its columns is read. */
  readonly key: string;
  readonly version: number;
  /** Absent: the thread has it under key and version. */
  readonly view: SegmentView | undefined;
}

/** Reads as a thread gets them, and keys that nobody will name again. */
export interface SentReads {
  readonly sent: readonly SentRead[];
  readonly dropped: readonly string[];
}

const NEVER_KEPT = 0;

/** Of this process: what several runners send to one thread must not be mistaken. */
let versions = 0;

interface Sent {
  readonly segmentId: SegmentId;
  readonly version: number;
}

/** What the threads of one pool were sent. */
interface PoolState {
  readonly sent: Map<string, Sent>;
  dropped: string[];
}

/** The side that sends. */
export class ViewSender {
  readonly #versions = new WeakMap<SegmentView, number>();
  readonly #pools = new Map<Pool, PoolState>();
  readonly #kept: boolean;

  /** `kept`: what is sent stays there; else every read takes its rows along. */
  constructor(kept: boolean) {
    this.#kept = kept;
  }

  /** The reads for a thread of a pool; `whole`: it said that it lacks some. */
  send(pool: Pool, reads: readonly SegmentRead[], of: { needs: Needs; whole: boolean }): SentReads {
    const state = this.#pools.get(pool) ?? { sent: new Map(), dropped: [] };
    this.#pools.set(pool, state);
    const { dropped } = state;
    state.dropped = [];
    const kind = kindOf(of.needs);
    const sent = reads.map((read): SentRead => {
      const { segmentId } = read.view;
      const key = `${segmentId} ${kind}`;
      const version = this.#kept ? this.#version(read.view) : NEVER_KEPT;
      const { visibleRows, passing } = read;
      // What passes is without the deleted rows.
      const deleted = passing === undefined ? read.deleted : undefined;
      const named = { key, version, visibleRows, deleted, passing };
      const there = !of.whole && state.sent.get(key)?.version === version;
      if (there) return { ...named, view: undefined };
      if (this.#kept) state.sent.set(key, { segmentId, version });
      const [narrow] = narrowReads([read], of.needs);
      return { ...named, view: narrow?.view };
    });
    return { sent, dropped };
  }

  /** A segment was released: threads let go of it with the next reads. */
  forget(segmentId: number): void {
    for (const state of this.#pools.values()) {
      for (const [key, sent] of state.sent) {
        if (sent.segmentId !== segmentId) continue;
        state.sent.delete(key);
        state.dropped.push(key);
      }
    }
  }

  #version(view: SegmentView): number {
    const known = this.#versions.get(view);
    if (known !== undefined) return known;
    this.#versions.set(view, ++versions);
    return versions;
  }
}

function kindOf({ filter, keyField, vectors }: Needs): string {
  if (filter === undefined) return `${keyField ?? ''} ${vectors ?? ''}`;
  const fields = [...filter.fields.keys()].sort((a, b) => a - b);
  return `${fields.join()} ${keyField ?? ''} ${vectors ?? ''} ${filter.readsTimestamp}`;
}

/** Views a thread keeps at most; a segment has one for each set of columns that searches read. */
const KEPT_MAX = 1_024;

/** The side of a thread. */
export class ViewKeeper {
  readonly #kept = new Map<string, { readonly version: number; readonly view: SegmentView }>();

  /** The reads with their views; undefined when one is lacking. */
  receive({ sent, dropped }: SentReads): readonly SegmentRead[] | undefined {
    for (const key of dropped) this.#kept.delete(key);
    const reads: SegmentRead[] = [];
    for (const { key, version, view: given, ...read } of sent) {
      if (given !== undefined && version !== NEVER_KEPT) this.#keep(key, { version, view: given });
      const kept = this.#kept.get(key);
      const view = given ?? (kept?.version === version ? kept.view : undefined);
      if (view !== undefined) reads.push({ ...read, view });
    }
    return reads.length === sent.length ? reads : undefined;
  }

  #keep(key: string, one: { readonly version: number; readonly view: SegmentView }): void {
    this.#kept.delete(key);
    this.#kept.set(key, one);
    if (this.#kept.size <= KEPT_MAX) return;
    const [oldest] = this.#kept.keys();
    if (oldest !== undefined) this.#kept.delete(oldest);
  }
}
