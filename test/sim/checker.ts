/**
 * Holds a history against what may be: an acknowledged write is never lost, nothing shows that was
 * not written, a write of unknown outcome has happened as a whole or not at all, a strong read is
 * no older than what was acknowledged before it, one of a session no older than what its client
 * wrote and saw, a read of an instant shows what was true then, and a count is that of some such
 * state. Timestamps order acknowledged writes of one shard; what was
 * over before another began is before it anywhere.
 */
import type { Count, History, Read, Write } from './history.ts';

/** Something that must not be. `invariant`: ids of reliability, or a name. */
export interface Violation {
  readonly invariant: string;
  readonly what: string;
}

const removes = ({ kind }: Write): boolean =>
  kind === 'delete' || kind === 'deleteWhere' || kind === 'drop';

/** Whether a timestamp says where all of a write stands: not what it found one by one. */
const isOrdered = ({ kind, timestamp }: Write): boolean =>
  timestamp !== undefined && kind !== 'deleteWhere' && kind !== 'drop';

/** Which writes a read may show, and which it cannot leave out. */
interface Horizon {
  readonly may: (write: Write) => boolean;
  readonly must: (write: Write) => boolean;
}

/** Of a read; without `at` a strong one. */
function horizonOf(
  read: Pick<Read, 'invokedMs' | 'endedMs' | 'session' | 'staleMs'> & Partial<Pick<Read, 'at'>>,
  shards: number,
): Horizon {
  const { endedMs, at, session, staleMs = 0 } = read;
  const invokedMs = read.invokedMs - staleMs;
  // What one key shows has happened to all of them, in one shard.
  const before = (write: Write): boolean =>
    (write.outcome === 'ok' && (write.endedMs ?? Infinity) < invokedMs) ||
    (shards === 1 && write.seenMs < invokedMs);
  const begun = (write: Write): boolean => write.outcome !== 'fail' && write.invokedMs <= endedMs;
  if (session !== undefined) {
    // Of its own only, and what it has seen: others may have gone on meanwhile.
    const own = (write: Write): boolean => {
      const done = write.outcome === 'ok' && (write.endedMs ?? Infinity) < invokedMs;
      // In several shards, one that nobody acknowledged may have happened in some of them only.
      const seenMs = shards === 1 ? (write.seenBy.get(session) ?? Infinity) : Infinity;
      return (write.lane === session && done) || seenMs < invokedMs;
    };
    return { may: begun, must: own };
  }
  if (at === undefined) return { may: begun, must: before };
  return {
    // Of several shards each gave its rows a timestamp of its own: only the newest is known.
    may: (write) => {
      const later = shards === 1 && isOrdered(write) && (write.timestamp ?? 0n) > at;
      return begun(write) && !later;
    },
    must: (write) => {
      if (write.kind === 'drop') return before(write);
      return write.outcome === 'ok' && isOrdered(write) && (write.timestamp ?? at) <= at;
    },
  };
}

class Check {
  readonly #history: History;
  readonly #shards: number;
  readonly #byKey = new Map<number, Write[]>();
  readonly #drops: readonly Write[];
  readonly violations: Violation[] = [];

  constructor(history: History, shards: number) {
    this.#history = history;
    this.#shards = shards;
    this.#drops = history.writes.filter(({ kind }) => kind === 'drop');
    for (const write of history.writes) {
      if (write.outcome === 'fail') continue;
      for (const id of write.ids) {
        const list = this.#byKey.get(id);
        if (list === undefined) this.#byKey.set(id, [write]);
        else list.push(write);
      }
    }
  }

  /** When a write had happened for sure. What was sent again over a drop may happen twice. */
  #doneMs(write: Write): number {
    const endedMs = write.endedMs ?? Infinity;
    if (this.#shards !== 1 || write.seenMs >= endedMs) return endedMs;
    return this.#isTorn(write) ? endedMs : write.seenMs;
  }

  #isTorn({ invokedMs, endedMs = Infinity }: Write): boolean {
    return this.#drops.some((drop) => {
      return drop.invokedMs < endedMs && (drop.endedMs ?? Infinity) > invokedMs;
    });
  }

  /** Whether `a` is known to come before `b`. */
  #precedes(a: Write, b: Write): boolean {
    if (this.#shards === 1 && isOrdered(a) && isOrdered(b)) {
      return (a.timestamp ?? 0n) < (b.timestamp ?? 0n);
    }
    return this.#doneMs(a) < b.invokedMs;
  }

  /** Whether something that cannot be left out hides what `write` left; undefined: nothing yet. */
  #isCovered(write: Write | undefined, of: readonly Write[], { must }: Horizon): boolean {
    return of.some((later) => {
      if (later === write || !must(later)) return false;
      return write === undefined || this.#precedes(write, later);
    });
  }

  /** What may be found of a key: rows of which writes, or none. */
  #states(id: number, horizon: Horizon): { readonly tags: Set<number>; readonly absent: boolean } {
    const begun = (this.#byKey.get(id) ?? []).filter(horizon.may);
    // Most are covered by the newest one that cannot be left out: what is left is few.
    let newest: Write | undefined;
    for (const write of begun) if (horizon.must(write)) newest = write;
    const left = begun.filter((write) => {
      return write === newest || newest === undefined || !this.#precedes(write, newest);
    });
    const open = left.filter((write) => !this.#isCovered(write, left, horizon));
    const tags = new Set(open.filter((write) => !removes(write)).map(({ tag }) => tag));
    const absent = !this.#isCovered(undefined, begun, horizon) || open.some(removes);
    return { tags, absent };
  }

  read(read: Read): void {
    const horizon = horizonOf(read, this.#shards);
    const { invokedMs, at, session, staleMs } = read;
    const lag = staleMs === undefined ? '' : `up to ${staleMs} ms behind, `;
    const how = lag + (session === undefined ? read.how : `session ${session} ${read.how}`);
    const where = `${how} at ${at === undefined ? invokedMs.toFixed(1) : `instant ${at}`}`;
    for (const [id, tag] of read.found) {
      const states = this.#states(id, horizon);
      if (tag === undefined && !states.absent) {
        this.#say('W1 lost', `${where}: key ${id} is not there, but was acknowledged`);
      } else if (tag !== undefined && !states.tags.has(tag)) {
        this.#say(...this.#wrong(id, tag, horizon), where);
      }
    }
    this.#prefix(read, where);
  }

  #wrong(id: number, tag: number, { may }: Horizon): [string, string] {
    const write = this.#history.of(tag);
    const what = `key ${id} has tag ${tag}`;
    if (write === undefined || removes(write) || !write.ids.includes(id)) {
      return ['R5 ghost', `${what}, which nobody wrote to it`];
    }
    if (write.outcome === 'fail') return ['R5 ghost', `${what}, whose write was refused`];
    if (!may(write)) return ['R4 early', `${what}, whose write came later`];
    return ['R1 stale', `${what}, which was written over`];
  }

  /** All keys of one read are of one state: what one shows, no other is older than. R4. */
  #prefix(read: Read, where: string): void {
    if (this.#shards !== 1) return;
    let newest: Write | undefined;
    for (const tag of read.found.values()) {
      const write = tag === undefined ? undefined : this.#history.of(tag);
      if (write === undefined || !isOrdered(write)) continue;
      if ((write.timestamp ?? 0n) > (newest?.timestamp ?? -1n)) newest = write;
    }
    const upTo = newest?.timestamp;
    // One that was sent again over a drop was shown by its first attempt, perhaps.
    if (newest === undefined || upTo === undefined || this.#isTorn(newest)) return;
    const may = horizonOf(read, this.#shards).may;
    const must = (write: Write): boolean => {
      return write.outcome === 'ok' && isOrdered(write) && (write.timestamp ?? 0n) <= upTo;
    };
    for (const [id, tag] of read.found) {
      if (tag !== undefined || this.#states(id, { may, must }).absent) continue;
      this.#say('R4 prefix', `key ${id} is not there, but ${newest.tag} is seen`, where);
    }
    for (const [id, tag] of read.found) {
      const shown = tag === undefined ? undefined : this.#history.of(tag);
      if (shown === undefined || !isOrdered(shown)) continue;
      const hidden = (this.#byKey.get(id) ?? []).find((write) => {
        const { timestamp = 0n, outcome } = write;
        const between = timestamp > (shown.timestamp ?? 0n) && timestamp <= upTo;
        return outcome === 'ok' && isOrdered(write) && between;
      });
      if (hidden === undefined) continue;
      const what = `key ${id} has tag ${tag}, not ${hidden.tag}, but ${newest.tag} is seen`;
      this.#say('R4 prefix', what, where);
    }
  }

  count({ invokedMs, endedMs, count }: Count, keys: number): void {
    const horizon = horizonOf({ invokedMs, endedMs }, this.#shards);
    let least = 0;
    let most = 0;
    for (let id = 0; id < keys; id++) {
      const { tags, absent } = this.#states(id, horizon);
      if (tags.size > 0) most++;
      if (!absent) least++;
    }
    if (count >= least && count <= most) return;
    this.#say('R6 count', `count at ${invokedMs} is ${count}, not ${least} to ${most}`);
  }

  /** The end: a write shows on all of its keys, or on those only that others wrote later. */
  whole(found: ReadonlyMap<number, number | undefined>): void {
    for (const write of this.#history.writes) {
      if (write.outcome === 'fail' || removes(write)) continue;
      const shown = write.ids.filter((id) => found.get(id) === write.tag);
      if (shown.length === 0) continue;
      for (const id of write.ids) {
        if (found.get(id) === write.tag) continue;
        const others = (this.#byKey.get(id) ?? []).filter((other) => other !== write);
        const covered = others.some((other) => !this.#precedes(other, write));
        if (!covered) this.#say('W6 torn', `write ${write.tag} shows on ${shown[0]}, not on ${id}`);
      }
    }
  }

  #say(invariant: string, what: string, where?: string): void {
    this.violations.push({ invariant, what: where === undefined ? what : `${where}: ${what}` });
  }
}

/** Everything that is wrong with a history; `last` = what is found when all is over. */
export function check(
  history: History,
  end: {
    readonly last: ReadonlyMap<number, number | undefined>;
    readonly shards: number;
    readonly keys: number;
  },
): readonly Violation[] {
  const checking = new Check(history, end.shards);
  for (const read of history.reads) checking.read(read);
  for (const count of history.counts) checking.count(count, end.keys);
  // Each shard takes its part of a write, or refuses it: only what lies in one is one.
  if (end.shards === 1) checking.whole(end.last);
  return checking.violations;
}
