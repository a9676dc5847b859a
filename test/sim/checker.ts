/**
 * Holds a history against what may be: an acknowledged write is never lost, nothing shows that was
 * not written, a write of unknown outcome has happened as a whole or not at all, and a strong read
 * is no older than what was acknowledged before it. Timestamps order the acknowledged writes, so
 * every check is one pass.
 */
import type { History, Read, Write } from './history.ts';

/** Something that must not be. `invariant`: ids of reliability, or a name. */
export interface Violation {
  readonly invariant: string;
  readonly what: string;
}

/** Whether `a` is known to come before `b`: by timestamp, or because it was over before b began. */
function precedes(a: Write, b: Write): boolean {
  if (a.timestamp !== undefined && b.timestamp !== undefined) return a.timestamp < b.timestamp;
  return a.endedMs !== undefined && a.endedMs < b.invokedMs;
}

const removes = (write: Write): boolean => write.kind === 'delete';

/** Whether a state that `write` left could be seen by a read: nothing acknowledged covers it. */
function isCovered(write: Write | undefined, of: readonly Write[], atMs: number): boolean {
  return of.some((later) => {
    if (later === write || later.outcome !== 'ok') return false;
    if ((later.endedMs ?? Infinity) >= atMs) return false;
    return write === undefined || precedes(write, later);
  });
}

class Check {
  readonly #byKey = new Map<number, Write[]>();
  readonly #byTag = new Map<number, Write>();
  readonly violations: Violation[] = [];

  constructor(history: History) {
    for (const write of history.writes) {
      this.#byTag.set(write.tag, write);
      if (write.outcome === 'fail') continue;
      for (const id of write.ids) {
        const list = this.#byKey.get(id);
        if (list === undefined) this.#byKey.set(id, [write]);
        else list.push(write);
      }
    }
  }

  read({ invokedMs, endedMs, found }: Read): void {
    for (const [id, tag] of found) {
      const writes = this.#byKey.get(id) ?? [];
      const begun = writes.filter((write) => write.invokedMs <= endedMs);
      if (tag === undefined) this.#absent(id, begun, invokedMs);
      else this.#present(id, { tag, begun, invokedMs });
    }
  }

  #absent(id: number, begun: readonly Write[], invokedMs: number): void {
    if (!isCovered(undefined, begun, invokedMs)) return;
    const gone = begun.some((write) => removes(write) && !isCovered(write, begun, invokedMs));
    if (!gone) this.#say('E1 lost', `key ${id} is not there at ${invokedMs}, but was acknowledged`);
  }

  #present(
    id: number,
    { tag, begun, invokedMs }: { tag: number; begun: readonly Write[]; invokedMs: number },
  ): void {
    const write = this.#byTag.get(tag);
    if (write === undefined || removes(write) || !write.ids.includes(id)) {
      this.#say('R1 ghost', `key ${id} has tag ${tag}, which nobody wrote to it`);
    } else if (write.outcome === 'fail') {
      this.#say('R1 ghost', `key ${id} has tag ${tag}, whose write was refused`);
    } else if (!begun.includes(write)) {
      this.#say('R2 early', `key ${id} has tag ${tag}, whose write had not begun`);
    } else if (isCovered(write, begun, invokedMs)) {
      this.#say('R3 stale', `key ${id} has tag ${tag} at ${invokedMs}, which was written over`);
    }
  }

  /** The end: a write shows on all of its keys, or on those only that others wrote later. */
  whole(found: ReadonlyMap<number, number | undefined>): void {
    for (const write of this.#byTag.values()) {
      if (write.outcome === 'fail' || removes(write)) continue;
      const shown = write.ids.filter((id) => found.get(id) === write.tag);
      if (shown.length === 0) continue;
      for (const id of write.ids) {
        if (found.get(id) === write.tag) continue;
        const others = (this.#byKey.get(id) ?? []).filter((other) => other !== write);
        const covered = others.some((other) => !precedes(other, write));
        if (!covered) this.#say('W4 torn', `write ${write.tag} shows on ${shown[0]}, not on ${id}`);
      }
    }
  }

  #say(invariant: string, what: string): void {
    this.violations.push({ invariant, what });
  }
}

/** Everything that is wrong with a history; `last` = what is found when all is over. */
export function check(
  history: History,
  { last, shards }: { last: ReadonlyMap<number, number | undefined>; shards: number },
): readonly Violation[] {
  const checking = new Check(history);
  for (const read of history.reads) checking.read(read);
  // Each shard takes its part of a write, or refuses it: only what lies in one is one.
  if (shards === 1) checking.whole(last);
  return checking.violations;
}
