/**
 * Reading a log back: what a new owner, a follower or a doctor makes of its records.
 *
 * Dropped: records of a lower term behind a higher Term (strays of a former owner), records whose
 * predecessor lost its place to a stray (their owner publishes them again), and the parts of a
 * write whose last part is missing. Refused: any other gap or repeat of `n`, a broken hash chain.
 * W2, W3, W6.
 */
import { ElanusError, type LogStream } from '@elanus/core';
import { crc32 } from '@elanus/kernels/checksum';
import { decodeMessage, type ChainPoint, type MessageHeader } from '@elanus/protocol';
import type { LogRecord } from './wal.ts';

/** What was seen, for people and for the next append. */
export interface ReplayEnd {
  readonly records: number;
  readonly strays: number;
  readonly incomplete: number;
  readonly bytes: number;
  /** The term in force at the end; 0 when there was no valid record. */
  readonly term: number;
}

/**
 * Gives every record of every whole write in order. `toSeq` is the new owner's Term record; `next`
 * is what a valid record at `fromSeq` is, where that is known: without it the first record found is
 * believed, whoever wrote it.
 *
 * @throws ElanusError log_corrupt
 */
export async function replay(
  stream: LogStream,
  range: {
    readonly fromSeq: number;
    readonly toSeq: number;
    readonly next?: ChainPoint | undefined;
  },
  visit: (record: LogRecord) => void,
): Promise<ReplayEnd> {
  const reader = new Replay(visit, range.next);
  for await (const entry of stream.scan(range)) reader.read(entry.seq, entry.bytes);
  return reader.end();
}

class Replay {
  readonly #visit: (record: LogRecord) => void;
  #term: number;
  /** Number of the record expected next; undefined: any. */
  #next: number | undefined;
  #hash: number | undefined;
  /** Something void stands behind the last valid record: what followed it was aimed too far. */
  #isBehindStray = false;
  #run: LogRecord[] = [];
  #records = 0;
  #strays = 0;
  #incomplete = 0;
  #bytes = 0;

  constructor(visit: (record: LogRecord) => void, next: ChainPoint | undefined) {
    this.#visit = visit;
    this.#term = next?.term ?? 0;
    this.#next = next?.n;
  }

  read(seq: number, bytes: Uint8Array): void {
    const { header, head, body } = decodeMessage(bytes, seq);
    this.#bytes += bytes.length;
    if (this.#isVoid(seq, header)) {
      this.#strays++;
      this.#isBehindStray = true;
      return;
    }
    if (crc32(body) !== header.bodyHash) throw corrupt(seq, 'body hash differs');
    if (header.kind === 'term') this.#dropRun();
    this.#isBehindStray = false;
    this.#term = header.term;
    this.#next = header.n + 1;
    this.#hash = crc32(head);
    this.#records++;
    this.#gather({ seq, header, body: [body], bodyBytes: body.length, batch: undefined });
  }

  end(): ReplayEnd {
    this.#dropRun();
    return {
      records: this.#records,
      strays: this.#strays,
      incomplete: this.#incomplete,
      bytes: this.#bytes,
      term: this.#term,
    };
  }

  /** Whether a record was never acknowledged to anyone, by its place. @throws log_corrupt */
  #isVoid(seq: number, { term, kind, n, previousHash }: MessageHeader): boolean {
    if (term < this.#term) return true;
    if (kind === 'term' && term > this.#term) return false;
    const follows = this.#next === undefined || (term === this.#term && n === this.#next);
    if (follows && (this.#hash === undefined || previousHash === this.#hash)) return false;
    // Its predecessor was aimed at a place that a stray took: the writer sends both again.
    if (this.#isBehindStray && term === this.#term) return true;
    throw corrupt(seq, follows ? 'hash chain breaks off' : 'record number breaks off');
  }

  #gather(record: LogRecord): void {
    const { part, parts, timestamp } = record.header;
    const first = this.#run[0];
    if (first !== undefined && (part === 0 || first.header.timestamp !== timestamp))
      this.#dropRun();
    this.#run.push(record);
    if (part !== parts - 1) return;
    const whole = this.#run.length === parts;
    const run = this.#run;
    this.#run = [];
    if (whole) for (const one of run) this.#visit(one);
    else this.#incomplete += run.length;
  }

  #dropRun(): void {
    this.#incomplete += this.#run.length;
    this.#run = [];
  }
}

const corrupt = (seq: number, why: string): ElanusError =>
  new ElanusError('log_corrupt', { path: `seq ${seq}`, why });
