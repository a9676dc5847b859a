/** Rare situations of take-over, seen from outside. */
import { isElanusError, type LogStore } from '../../packages/core/src/index.ts';
import { decodeMessage } from '../../packages/protocol/src/index.ts';
import type { PortCall } from '../../packages/testkit/src/index.ts';
import type { Sightings } from './rare.ts';
import type { Trouble } from './take-over-plan.ts';

/** Notes them. */
export class TakeOverSightings {
  readonly #sightings: Sightings;
  /** What happened last to one that led. */
  #last: Trouble | undefined;

  constructor(sightings: Sightings) {
    this.#sightings = sightings;
  }

  /** Something happens to a process. */
  befell(what: Trouble, state: string): void {
    if (state === 'leading') this.#last = what;
    if (state === 'opening') this.#sightings.see('trouble while it took over');
  }

  /** One leads now; `others` still believe that they do. */
  leads(others: readonly unknown[]): void {
    const { see } = { see: this.#sightings.see.bind(this.#sightings) };
    if (others.length > 0) see('two led at once');
    if (this.#last !== undefined) see(`led again after: ${this.#last}`);
    this.#last = undefined;
  }

  /** A client was answered. */
  refused(isLeading: boolean, error: unknown): void {
    if (error === undefined || !isLeading) return;
    if (isElanusError(error, 'channel_moved')) this.#sightings.see('deposed owner found out');
    if (isElanusError(error, 'write_unknown'))
      this.#sightings.see('write of a deposed owner unknown');
  }

  answered({ port, call, at }: PortCall, outcome: string): void {
    if (port === 'log' && call === 'append') {
      if (outcome === 'mismatch') this.#sightings.see('append of a deposed owner refused');
      if (outcome.startsWith('unknown')) this.#sightings.see('append not answered');
      if (at === 'term' && outcome.startsWith('unknown')) this.#sightings.see('Term not answered');
    }
    if (port !== 'meta' || call !== 'txn' || outcome !== 'conflict') return;
    if (at.includes('/checkpoint/')) this.#sightings.see('flush refused');
    if (at.includes('/counter/timestamp')) this.#sightings.see('clock window refused');
    if (at.includes('/channel/')) this.#sightings.see('ownership refused');
    if (at.includes('/log/')) this.#sightings.see('log span refused');
  }

  /** What the log tells of those who wrote to it. */
  async lookAtLog(logs: LogStore): Promise<void> {
    for (const name of await logs.list()) {
      const stream = await logs.open(name);
      const { firstSeq } = await stream.span();
      let term = 0;
      let next = -1;
      for await (const { seq, bytes } of stream.scan({ fromSeq: firstSeq })) {
        const { header } = decodeMessage(bytes, seq);
        if (header.term < term) {
          const isTerm = header.kind === 'term';
          this.#sightings.see(isTerm ? 'Term behind a later one' : 'stray behind a later Term');
          continue;
        }
        if (header.term === term && next >= 0 && header.n > next) {
          this.#sightings.see('stored ahead of its predecessor');
          continue;
        }
        term = header.term;
        next = header.n + 1;
      }
    }
  }
}
