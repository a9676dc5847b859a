/**
 * Goal: whatever happens, acknowledged records are there, in order, and nothing else appears.
 * Method: random operations with power cuts on a memory file system, compared with a list. The
 * same runs over a disk whose syncs do nothing must be caught.
 */
import type { LogStore, LogStream, Rng } from '@elanus/core';
import { describe, expect, test } from 'vitest';
import { texts, utf8 } from '../conformance/log-kit.ts';
import { seededRng } from '../testing/seeded-rng.ts';
import type { MemoryFs } from '../fs/memory.ts';
import { memoryFs } from '../fs/memory.ts';
import type { Durability } from './local-stream.ts';
import { localLogStore } from './local.ts';

/** What may be in the log: `sure` was acknowledged, `maybe` was sent behind it. */
interface Model {
  firstSeq: number;
  readonly sure: string[];
  maybe: string[];
}

class Run {
  readonly #rng: Rng;
  #fs: MemoryFs;
  readonly #durability: Durability;
  readonly #model: Model = { firstSeq: 1, sure: [], maybe: [] };
  #store: LogStore | undefined;
  #stream: LogStream | undefined;
  #next = 0;

  constructor(options: { seed: number; sync: 'honest' | 'lies'; durability?: Durability }) {
    this.#rng = seededRng(options.seed);
    this.#fs = memoryFs({ sync: options.sync });
    this.#durability = options.durability ?? 'power';
  }

  #pick(below: number): number {
    return this.#rng.u32() % below;
  }

  async open(): Promise<void> {
    this.#store = localLogStore({
      fs: this.#fs,
      segmentBytes: 400 + this.#pick(20_000),
      groupBytesMax: 200 + this.#pick(9000),
      durability: this.#durability,
    });
    this.#stream = await this.#store.open('p0');
    await this.#check();
  }

  get #log(): LogStream {
    if (this.#stream === undefined) throw new Error('not open');
    return this.#stream;
  }

  get #lastSeq(): number {
    return this.#model.sure.length;
  }

  /** Compares all that can be read; what was `maybe` is decided by it. */
  async #check(): Promise<void> {
    const { sure, maybe } = this.#model;
    const { firstSeq, lastSeq } = await this.#log.span();
    expect(firstSeq).toBeLessThanOrEqual(this.#model.firstSeq);
    expect(lastSeq).toBeGreaterThanOrEqual(sure.length);
    const all = [...sure, ...maybe];
    expect(await texts(this.#log, { fromSeq: firstSeq })).toEqual(all.slice(firstSeq - 1, lastSeq));
    sure.push(...maybe.slice(0, lastSeq - sure.length));
    this.#model.maybe = [];
  }

  #text(): string {
    return `${this.#next++}:`.padEnd(this.#pick(4) === 0 ? this.#pick(6000) : 8, 'x');
  }

  /** Sends some appends at once; a wrong expectation must be refused. */
  async append(): Promise<void> {
    const count = 1 + this.#pick(8);
    const sent = [];
    let at = this.#lastSeq;
    for (let n = 0; n < count; n++) {
      const text = this.#text();
      const wrong = this.#pick(6) === 0;
      const expectedLastSeq = wrong ? at + 1 + this.#pick(3) : at;
      const options = this.#pick(3) === 0 && !wrong ? {} : { expectedLastSeq };
      sent.push({ text, wrong, done: this.#log.append({ ...one(text), ...options }) });
      if (!wrong) at += 1;
    }
    for (const { text, wrong, done } of sent) {
      const outcome = await done;
      expect(outcome.kind).toBe(wrong ? 'mismatch' : 'ok');
      if (!wrong) this.#model.sure.push(text);
    }
  }

  /** The power goes in the middle of appends: nobody is told what became of them. */
  async cut(): Promise<void> {
    const texts = Array.from({ length: this.#pick(8) }, () => this.#text());
    const sent = texts.map((text) => this.#log.append(one(text)));
    for (let n = this.#pick(40); n > 0; n--) await Promise.resolve();
    let told = 0;
    void sent.map((one) => one.then((outcome) => (told += outcome.kind === 'ok' ? 1 : 0)));
    await Promise.resolve();
    this.#model.sure.push(...texts.slice(0, told));
    this.#model.maybe = texts.slice(told);
    this.#fs = this.#fs.crash(this.#rng);
    await Promise.all(sent);
    await this.open();
  }

  async truncate(): Promise<void> {
    const below = this.#pick(this.#lastSeq + 2);
    this.#model.firstSeq = Math.max(this.#model.firstSeq, below);
    await this.#log.truncate(below);
    await this.#check();
  }

  async reopen(): Promise<void> {
    await this.#store?.close();
    await this.open();
  }

  async steps(count: number): Promise<void> {
    await this.open();
    for (let n = 0; n < count; n++) {
      const dice = this.#pick(20);
      if (dice < 11) await this.append();
      else if (dice < 14) await this.#check();
      else if (dice < 16) await this.truncate();
      else if (dice < 18) await this.reopen();
      else await this.cut();
    }
    await this.#check();
  }
}

const one = (text: string) => ({ subject: 'v0', parts: [utf8(text)] });

describe('local log against a list', () => {
  test.each(Array.from({ length: 60 }, (_, i) => i + 1))('seed %i', async (seed) => {
    await new Run({ seed, sync: 'honest' }).steps(60);
  });

  test('with syncs that do nothing, losses are found', async () => {
    let found = 0;
    for (let seed = 1; seed <= 20; seed++) {
      const run = new Run({ seed, sync: 'lies' });
      await run.steps(60).catch(() => {
        found += 1;
      });
    }
    expect(found).toBeGreaterThan(15);
  });

  test('class process does not survive power cuts: they are found too', async () => {
    let found = 0;
    for (let seed = 1; seed <= 20; seed++) {
      const run = new Run({ seed, sync: 'honest', durability: 'process' });
      await run.steps(60).catch(() => {
        found += 1;
      });
    }
    expect(found).toBeGreaterThan(10);
  });
});
