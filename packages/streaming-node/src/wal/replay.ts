/**
 * Reading a log back: what a new owner, a follower or a doctor makes of its records.
 *
 * Dropped: records of a lower term behind a higher Term (strays of a former owner), and the parts
 * of a write whose last part is missing. Refused: a gap or repeat of `n`, a broken hash chain. W2,
 * W3, W6.
 */
import { ElanusError, type LogStream } from '@elanus/core';
import { crc32 } from '@elanus/kernels/checksum';
import { decodeMessage } from '@elanus/protocol';
import type { LogRecord } from './wal.ts';

/** What was seen, for people and for the next append. */
export interface ReplayEnd {
  readonly records: number;
  readonly strays: number;
  readonly incomplete: number;
  readonly bytes: number;
}

/**
 * Gives every record of every whole write in order. `toSeq` is the new owner's Term record.
 * @throws ElanusError log_corrupt
 */
export async function replay(
  stream: LogStream,
  range: { readonly fromSeq: number; readonly toSeq: number },
  visit: (record: LogRecord) => void,
): Promise<ReplayEnd> {
  const reader = new Replay(visit);
  for await (const entry of stream.scan(range)) reader.read(entry.seq, entry.bytes);
  return reader.end();
}

class Replay {
  readonly #visit: (record: LogRecord) => void;
  #term = 0;
  #n: number | undefined;
  #hash: number | undefined;
  #run: LogRecord[] = [];
  #records = 0;
  #strays = 0;
  #incomplete = 0;
  #bytes = 0;

  constructor(visit: (record: LogRecord) => void) {
    this.#visit = visit;
  }

  read(seq: number, bytes: Uint8Array): void {
    const { header, head, body } = decodeMessage(bytes, seq);
    this.#bytes += bytes.length;
    if (header.term < this.#term) {
      this.#strays++;
      return;
    }
    if (crc32(body) !== header.bodyHash) throw corrupt(seq, 'body hash differs');
    if (header.kind === 'term') {
      this.#term = header.term;
      this.#dropRun();
    } else {
      this.#check(seq, header);
    }
    this.#term = header.term;
    this.#n = header.n;
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
    };
  }

  #check(seq: number, header: LogRecord['header']): void {
    if (this.#n !== undefined && header.n !== this.#n + 1)
      throw corrupt(seq, 'record number breaks off');
    if (this.#hash !== undefined && header.previousHash !== this.#hash) {
      throw corrupt(seq, 'hash chain breaks off');
    }
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
