/**
 * Rare situations: each has a name, and a sweep that is long enough reaches all of them. They are
 * seen from outside, by the calls of the ports, by what clients are answered and by what becomes of
 * processes: product code does not know of them.
 */
import type { PortCall } from '../../packages/testkit/src/index.ts';

/** All of them, with what each means. */
export const RARE = {
  'killed while it opened': 'a process died before its database was open',
  'power lost while it opened': 'so, with the page cache',
  'stopped twice within two seconds': 'two processes died one after the other',
  'opening failed': 'a port failed, and the database was not opened',
  'opened after it had failed': 'the next attempt found everything',
  'clock set back': 'by ten minutes or more, from process to process',
  'clock set forward': 'by ten minutes or more',
  'killed in a log write': 'bytes of the log were on their way',
  'power lost in a log write': 'so, and the disk tore them',
  'killed in a log sync': 'records were written and not yet acknowledged',
  'power lost in a log sync': 'so, with the page cache',
  'stopped in an object put': 'a file of a segment was half there',
  'stopped in a flush commit': 'the transaction may have happened',
  'stopped in a merge commit': 'the transaction may have happened',
  'stopped in a catalog change': 'the schema may have changed, the log may not know',
  'log write failed': 'a write of the log was refused by the disk',
  'log disk full': 'a write of the log had no room',
  'log sync failed': 'nothing of the log is believed until it is opened again',
  'log write undone': 'what a failed write left was cut off',
  'log tail cut while it opened': 'an unfinished record lay behind the last whole one',
  'log files dropped': 'the log was cut below a checkpoint',
  'log replayed': 'records behind the checkpoint were folded in',
  'append lost': 'not stored, not answered',
  'append stored, not answered': 'read back, it is there',
  'append refused as a stray': 'aimed behind a record that was not stored',
  'append after a lost one': 'the log went on in the same process',
  'term not answered': 'the first record of an owner',
  'ownership not answered': 'the transaction that names the owner',
  'clock window not answered': 'the transaction that allows timestamps',
  'catalog change not answered': 'a schema or a name',
  'flush committed': 'a segment lies in objects',
  'flush with deletes of other segments': 'delta logs went with it',
  'flush committed, not answered': 'the transaction happened',
  'flush commit lost': 'the transaction did not happen',
  'flush failed, tried again': 'an object was not put, and the next attempt committed',
  'flushed and not loaded': 'an object could not be read behind the commit',
  'deletes read back': 'a delta log was read by an opening',
  'idempotency keys read back': 'a recovery snapshot was read by an opening',
  'object read failed while it opened': 'a file that the metadata names',
  'orphans swept': 'files that nothing names were removed by an opening',
  merged: 'segments became one',
  'compacted on request': 'who asked for it was told that there are fewer segments',
  'nothing to compact': 'or that there are as many',
  'merge not answered': 'its transaction may have happened',
  'task lost': 'a thread ended with what it ran',
  'insert refused': 'a key was there',
  'write of unknown outcome': 'a client was not told what became of it',
  'unknown write seen': 'a read showed that it had happened',
  'retry answered by a later process': 'with what the first attempt had done',
  'retry executed by a later process': 'the first attempt had not happened',
  'retry refused as too old': 'the calendar had left its window',
  'answered write repeated': 'it was told again what became of it',
  'answered write repeated to a later process': 'which knew of it by log or snapshot',
  'disk full told to a client': 'nothing of its write was kept',
  'read failed': 'a client was told so',
  'past read over a restart': 'an instant of an earlier process',
  'past read refused': 'the calendar had left its retention',
  'past read of what is no more': 'a row that was written over since',
  'scan of several pages': 'rows of one instant, in more than one call',
  'deleted by filter': 'rows were found and removed',
  'field added': 'rows of before have its default',
  'field renamed': 'rows have under the new name what they had under the old one',
  'field dropped': 'nobody is shown it any more',
  'alter not answered': 'the field may be there',
  'dropped and made again': 'nothing of before shows',
  'drop not answered': 'it may be gone',
} as const;

/** Those of several processes over one log. */
export const TAKE_OVER_RARE = {
  'led again after: kill': 'another took over, or the same machine did',
  'led again after: freeze': 'so, while the former owner still was there',
  'led again after: cut': 'so, and the former owner could not be reached',
  'led again after: cut from the log': 'what it had sent was still on its way',
  'led again after: late': 'what it had sent arrived while another took over',
  'led again after: rob': 'the metadata had forgotten who leads',
  'led again after: hand over': 'it was asked to end',
  'two led at once': 'the former owner did not know yet',
  'trouble while it took over': 'a new owner died, froze or was cut off while it opened',
  'deposed owner found out': 'it could not pass a barrier, or append',
  'write of a deposed owner unknown': 'its lease was over while a write was on its way',
  'client went on elsewhere': 'the process it knew refused, or did not answer',
  'append of a deposed owner refused': 'the log had something else in its place',
  'append not answered': 'it may arrive later',
  'Term not answered': 'the first record of a new owner',
  'flush refused': 'its files are garbage',
  'clock window refused': 'timestamps come from another now',
  'ownership refused': 'two wanted the same term',
  'log span refused': 'a former owner wanted to cut the log',
  'stray behind a later Term': 'a record of a former owner was stored',
  'Term behind a later one': 'a new owner was late with its first record',
  'stored ahead of its predecessor': 'a stray took the place of the one before it',
  'write of unknown outcome': 'a client was not told what became of it',
  'unknown write seen': 'a read showed that it had happened',
  'retry answered by a later process': 'with what the first attempt had done',
  'retry executed by a later process': 'the first attempt had not happened',
  'answered write repeated': 'it was told again what became of it',
  'answered write repeated to a later process': 'which knew of it by log or snapshot',
  'insert refused': 'a key was there',
  'read failed': 'a client was told so',
  'past read of what is no more': 'a row that was written over since',
  'scan of several pages': 'rows of one instant, in more than one call',
  'deleted by filter': 'rows were found and removed',
  'field added': 'rows of before have its default',
  'field renamed': 'rows have under the new name what they had under the old one',
  'field dropped': 'nobody is shown it any more',
  'alter not answered': 'the field may be there',
  'alter while nobody leads': 'whoever leads next is asked again',
  'alter answered under a later leader': 'another led by then',
  'dropped and made again': 'nothing of before shows',
  'drop not answered': 'it may be gone',
  'drop while nobody leads': 'whoever leads next is asked again',
  'drop answered under a later leader': 'another led by then',
  'client met a dropped collection': 'it was told so',
  'nothing left of what was dropped': 'no record of it, nor of what it had',
  'old definition refused': 'a client named a field that had gone, or has another name',
} as const;

/** Situations of roles in processes of their own: those of take-over, and these. */
export const ROLES_RARE = {
  ...TAKE_OVER_RARE,
  'led again after: part': 'the former leader and the others had not heard each other',
  'drop not answered had happened': 'another collection had the name later',
  'bounded read behind': 'it did not show the newest',
  'eventual read behind': 'so, and nothing says how far',
} as const;

/** The name of a rare situation. */
export type Rare = keyof typeof RARE | keyof typeof ROLES_RARE;

type Watched = 'log write' | 'log sync' | 'put' | 'flush' | 'merge' | 'catalog';

/** What a call is about, where processes like to die in. */
function watchedOf({ port, call, at }: PortCall): Watched | undefined {
  if (port === 'fs' && at.startsWith('log/')) {
    if (call === 'writev' || call === 'write') return 'log write';
    return call === 'sync' ? 'log sync' : undefined;
  }
  if (port === 'objects') return call === 'put' ? 'put' : undefined;
  if (port !== 'meta' || call !== 'txn') return undefined;
  if (at.includes('/checkpoint/')) return 'flush';
  if (at.includes('/collection/') || at.includes('/name/')) return 'catalog';
  return at.split('/segment/').length > 2 ? 'merge' : undefined;
}

/** Notes which were reached. */
export class Sightings {
  readonly reached = new Set<Rare>();
  readonly #underWay = new Map<Watched, number>();
  /** Of the process that lives. */
  #isOpen = false;
  #opensFailed = 0;
  #putFailed = false;
  #justFlushed = false;
  #appendLost = false;
  #replayed = 0;
  #stoppedMs = -Infinity;
  #wallMs: number | undefined;

  see(name: Rare): void {
    this.reached.add(name);
  }

  /** A process begins to open its database. `aheadMs`: of its calendar before the loop's time. */
  opening(aheadMs: number): void {
    this.#isOpen = false;
    this.#putFailed = false;
    this.#justFlushed = false;
    this.#appendLost = false;
    this.#replayed = 0;
    this.#underWay.clear();
    const byMs = aheadMs - (this.#wallMs ?? aheadMs);
    this.#wallMs = aheadMs;
    if (byMs <= -600_000) this.see('clock set back');
    if (byMs >= 600_000) this.see('clock set forward');
  }

  opened(): void {
    this.#isOpen = true;
    if (this.#opensFailed > 0) this.see('opened after it had failed');
    this.#opensFailed = 0;
  }

  notOpened(): void {
    this.#opensFailed++;
    this.see('opening failed');
  }

  stopped(power: boolean, atMs: number): void {
    if (!this.#isOpen) this.see(power ? 'power lost while it opened' : 'killed while it opened');
    if (atMs - this.#stoppedMs < 2_000) this.see('stopped twice within two seconds');
    this.#stoppedMs = atMs;
    const inside = (watched: Watched): boolean => (this.#underWay.get(watched) ?? 0) > 0;
    if (inside('log write')) this.see(`${power ? 'power lost' : 'killed'} in a log write`);
    if (inside('log sync')) this.see(`${power ? 'power lost' : 'killed'} in a log sync`);
    if (inside('put')) this.see('stopped in an object put');
    if (inside('flush')) this.see('stopped in a flush commit');
    if (inside('merge')) this.see('stopped in a merge commit');
    if (inside('catalog')) this.see('stopped in a catalog change');
  }

  /** A call begins. */
  asked(call: PortCall): void {
    const watched = watchedOf(call);
    if (watched === undefined) return;
    this.#underWay.set(watched, (this.#underWay.get(watched) ?? 0) + 1);
  }

  answered(call: PortCall, outcome: string): void {
    const watched = watchedOf(call);
    if (watched !== undefined) {
      this.#underWay.set(watched, (this.#underWay.get(watched) ?? 1) - 1);
    }
    if (call.port === 'fs') this.#disk(call, outcome);
    else if (call.port === 'log') this.#log(call, outcome);
    else if (call.port === 'meta' && call.call === 'txn') this.#meta(call, watched, outcome);
    else if (call.port === 'objects') this.#objects(call, outcome);
    else if (call.port === 'pool' && outcome !== 'ok') this.see('task lost');
  }

  #disk({ call, at }: PortCall, outcome: string): void {
    if (!at.startsWith('log/')) return;
    if (outcome !== 'ok') {
      if (call === 'sync') this.see('log sync failed');
      if (call === 'writev') this.see('log write failed');
      if (call === 'writev' && outcome === 'disk_full') this.see('log disk full');
    } else if (call === 'truncate') {
      this.see(this.#isOpen ? 'log write undone' : 'log tail cut while it opened');
    } else if (call === 'remove') {
      this.see('log files dropped');
    }
  }

  #log({ call, at }: PortCall, outcome: string): void {
    if (call === 'scan' && outcome === 'item' && !this.#isOpen && ++this.#replayed > 1) {
      this.see('log replayed');
    }
    if (call !== 'append') return;
    if (outcome === 'ok' && this.#appendLost) this.see('append after a lost one');
    if (outcome === 'mismatch') this.see('append refused as a stray');
    if (!outcome.startsWith('unknown')) return;
    if (at === 'term') this.see('term not answered');
    if (outcome === 'unknown applied') this.see('append stored, not answered');
    if (outcome !== 'unknown fails') return;
    this.see('append lost');
    this.#appendLost = true;
  }

  #meta({ at }: PortCall, watched: Watched | undefined, outcome: string): void {
    const unknown = outcome.startsWith('unknown');
    if (unknown && at.includes('/channel/')) this.see('ownership not answered');
    if (unknown && at.includes('/counter/timestamp')) this.see('clock window not answered');
    if (unknown && watched === 'catalog') this.see('catalog change not answered');
    if (watched === 'merge') {
      if (outcome === 'ok') this.see('merged');
      if (unknown) this.see('merge not answered');
    }
    if (watched !== 'flush') return;
    if (outcome === 'unknown fails') this.see('flush commit lost');
    if (outcome === 'unknown applied') this.see('flush committed, not answered');
    if (outcome !== 'ok') return;
    this.see('flush committed');
    this.#justFlushed = true;
    if (at.split('/segment/').length > 2) this.see('flush with deletes of other segments');
    if (this.#putFailed) this.see('flush failed, tried again');
  }

  #objects({ call, at }: PortCall, outcome: string): void {
    const ok = outcome === 'ok';
    if (call === 'put') {
      this.#putFailed ||= !ok;
      this.#justFlushed = false;
    } else if (call === 'remove') {
      if (ok && !this.#isOpen) this.see('orphans swept');
    } else if (call === 'get' || call === 'read') {
      if (!ok && this.#justFlushed) this.see('flushed and not loaded');
      if (this.#isOpen) return;
      if (!ok) this.see('object read failed while it opened');
      if (ok && at.includes('delta')) this.see('deletes read back');
      if (ok && at.includes('recovery')) this.see('idempotency keys read back');
    }
  }
}
