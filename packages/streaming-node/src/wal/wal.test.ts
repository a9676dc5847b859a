// Goal: the prefix rule, settling of unknown answers, fencing and whole-write visibility (W1 to
// W6). Method: Wals over the memory log, which stores strays as JetStream does and can lose or
// apply any append without answering.
import { timestampFromMs, type Clock, type LogStream } from '@elanus/core';
import { encodeHeader, type MessageHeader } from '@elanus/protocol';
import { systemClock } from '@elanus/runtime';
import { memoryLogStore } from '@elanus/storage';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { crc32 } from '@elanus/kernels/checksum';
import { HybridClock } from './hybrid-clock.ts';
import { replay } from './replay.ts';
import { controlDraft, Wal, type Draft, type LogRecord } from './wal.ts';

type Fate = 'applied' | 'lost' | undefined;

const text = (value: string): Uint8Array => new TextEncoder().encode(value);

function write(name: string, parts = 1): Draft[] {
  return Array.from({ length: parts }, (_, part) => {
    const draft = controlDraft(
      { kind: 'barrier', collectionId: 1, shard: 0, schemaVersion: 1, segmentId: 0 },
      text(`${name}/${part}`),
    );
    return { ...draft, header: { ...draft.header, part, parts, idempotencyKey: name } };
  });
}

async function openWal(
  stream: LogStream,
  term: number,
  { clock = systemClock, exclusive = true }: { clock?: Clock; exclusive?: boolean } = {},
) {
  const hybrid = new HybridClock({
    clock,
    last: timestampFromMs(1_000 * term),
    save: (untilMs) => Promise.resolve(untilMs),
  });
  await hybrid.ready();
  const header: MessageHeader = {
    ...controlDraft({ kind: 'term', collectionId: 0, shard: 0, schemaVersion: 0, segmentId: 0 })
      .header,
    term,
    n: 0,
    timestamp: hybrid.next(),
    previousHash: 0,
  };
  const bytes = encodeHeader(header);
  const outcome = await stream.append({ subject: 'term', parts: [bytes] });
  if (outcome.kind !== 'ok') throw new Error('the term was not stored');
  const applied: LogRecord[] = [];
  const position = { term, n: 1, lastSeq: outcome.seq, lastHash: crc32(bytes) };
  const apply = (one: LogRecord) => applied.push(one);
  const wal = new Wal({ stream, clock, hybrid, position, apply, exclusive });
  return { wal, applied };
}

async function readBack(stream: LogStream): Promise<LogRecord[]> {
  const records: LogRecord[] = [];
  const { firstSeq, lastSeq } = await stream.span();
  await replay(stream, { fromSeq: firstSeq, toSeq: lastSeq }, (one) => records.push(one));
  return records.filter((one) => one.header.kind !== 'term');
}

const names = (records: readonly LogRecord[]): string[] =>
  records.map((one) => new TextDecoder().decode(one.body[0]));

describe('the Wal', () => {
  test('applies pipelined writes in order, before it answers', async () => {
    const stream = await memoryLogStore().open('p0');
    const { wal, applied } = await openWal(stream, 1);
    const answered: string[] = [];
    const writes = ['a', 'b', 'c'].map(async (name, i) => {
      const { done } = wal.submit(write(name, i + 1));
      await done;
      answered.push(name);
      expect(names(applied)).toContain(`${name}/${i}`);
    });
    await Promise.all(writes);
    expect(answered).toEqual(['a', 'b', 'c']);
    expect(names(applied)).toEqual(['a/0', 'b/0', 'b/1', 'c/0', 'c/1', 'c/2']);
    expect(wal.serviceTs).toBe(applied[5]?.header.timestamp);
    expect(names(await readBack(stream))).toEqual(names(applied));
  });

  test('serve(ts) waits for what is in flight and lets nothing in below ts after it', async () => {
    const stream = await memoryLogStore().open('p0');
    const { wal, applied } = await openWal(stream, 1);
    const { timestamp, done } = wal.submit(write('a'));
    await wal.serve(timestamp);
    expect(names(applied)).toEqual(['a/0']);
    await done;
    const at = timestamp + 1_000n;
    await wal.serve(at);
    expect(wal.serviceTs).toBe(at);
    expect(wal.submit(write('b')).timestamp).toBeGreaterThan(at);
  });

  test('a refusal for want of space fails those writes only; the next one is taken', async () => {
    let full = false;
    const inner = await memoryLogStore().open('p0');
    const { ElanusError } = await import('@elanus/core');
    const stream: LogStream = {
      ...bound(inner),
      append: (one) =>
        full
          ? Promise.resolve({
              kind: 'unknown',
              cause: new ElanusError('disk_full', { path: 'log' }),
            })
          : inner.append(one),
    };
    const { wal, applied } = await openWal(stream, 1);
    await wal.submit(write('a')).done;
    full = true;
    const refused = wal.submit(write('b', 2)).done;
    await expect(refused).rejects.toMatchObject({ code: 'disk_full' });
    full = false;
    await wal.submit(write('c')).done;
    expect(names(applied)).toEqual(['a/0', 'c/0']);
    expect(names(await readBack(inner))).toEqual(['a/0', 'c/0']);
  });
});

describe('a take-over', () => {
  test('the old owner is fenced; its strays are void; nothing acknowledged is lost', async () => {
    const store = memoryLogStore();
    const stream = await store.open('p0');
    const old = await openWal(stream, 1);
    const acknowledged: string[] = [];
    const submit = (name: string) => {
      const { done } = old.wal.submit(write(name));
      return done.then(
        () => acknowledged.push(`${name}/0`),
        (error: unknown) => error,
      );
    };
    await Promise.all(['a', 'b'].map(submit));
    const next = await openWal(stream, 2);
    const answers = await Promise.all(['c', 'd', 'e', 'f', 'g'].map(submit));
    for (const error of answers) expect(error).toMatchObject({ code: 'channel_moved' });
    // The stream holds strays of the old term behind the new Term record: d took c's place.
    const { lastSeq } = await stream.span();
    expect(lastSeq).toBeGreaterThan(4);
    await expect(next.wal.submit(write('x')).done).resolves.toBeUndefined();
    expect(acknowledged).toEqual(['a/0', 'b/0']);
    expect(names(await readBack(stream))).toEqual(['a/0', 'b/0', 'x/0']);
    expect(() => old.wal.submit(write('z'))).toThrow(/channel moved/);
  });

  test('a stray in the pipeline: what was stored ahead of its predecessor is void', async () => {
    const inner = await memoryLogStore().open('p0');
    const old = await openWal(inner, 1);
    let late: (() => Promise<unknown>) | undefined;
    const stream: LogStream = {
      ...bound(inner),
      append: (one) => {
        const stray = late;
        late = undefined;
        void stray?.();
        return inner.append(one);
      },
    };
    const next = await openWal(stream, 2);
    const { lastSeq } = await inner.span();
    const first = old.wal.submit(write('old')).done;
    await expect(first).rejects.toMatchObject({ code: 'channel_moved' });
    const header = { ...write('stray')[0]?.header, term: 1, n: 9, timestamp: 5n, previousHash: 7 };
    const bytes = encodeHeader(header as MessageHeader);
    late = () => inner.append({ subject: 's', parts: [bytes, text('stray/0')] });
    const done = ['a', 'b', 'c'].map((name) => next.wal.submit(write(name)).done);
    await Promise.all(done);
    // b took the place behind the stray before a could be sent again.
    expect((await inner.span()).lastSeq).toBeGreaterThan(lastSeq + 4);
    expect(names(await readBack(inner))).toEqual(['a/0', 'b/0', 'c/0']);
    expect(names(next.applied)).toEqual(['a/0', 'b/0', 'c/0']);
  });

  test('what was stored before the Term of a successor is answered, the rest refused', async () => {
    const inner = await memoryLogStore().open('p0');
    let isCut = false;
    const stream: LogStream = {
      ...bound(inner),
      append: async (one) => {
        const outcome = await inner.append(one);
        return isCut ? { kind: 'unknown', cause: new Error('cut') } : outcome;
      },
    };
    const old = await openWal(stream, 1);
    isCut = true;
    const stored = old.wal.submit(write('stored')).done;
    const next = await openWal(inner, 2);
    const lost = old.wal.submit(write('lost')).done;
    await expect(lost).rejects.toMatchObject({ code: 'channel_moved' });
    await stored;
    await next.wal.submit(write('x')).done;
    expect(names(await readBack(inner))).toEqual(['stored/0', 'x/0']);
  });

  test('a barrier passes while the channel is ours, and fails when it is not', async () => {
    const stream = await memoryLogStore().open('p0');
    const old = await openWal(stream, 1, { exclusive: false });
    await Promise.all([old.wal.barrier(), old.wal.barrier()]);
    expect((await stream.span()).lastSeq).toBe(2);
    const ts = old.wal.serviceTs + 10n;
    await old.wal.serve(ts);
    expect(old.wal.serviceTs).toBeGreaterThan(ts);
    await openWal(stream, 2);
    const moved = { code: 'channel_moved' };
    const late = old.wal.serviceTs + 10n;
    await expect(old.wal.serve(late)).rejects.toMatchObject(moved);
    await expect(old.wal.barrier()).rejects.toMatchObject(moved);
    expect(old.wal.serviceTs).toBeLessThan(late);
  });

  test('who has to give up answers what is in flight as unknown, and stops', async () => {
    const { ElanusError } = await import('@elanus/core');
    const inner = await memoryLogStore().open('p0');
    const never = new Promise<never>(() => undefined);
    let isCut = false;
    const stream: LogStream = {
      ...bound(inner),
      append: (one) => (isCut ? never : inner.append(one)),
    };
    const { wal } = await openWal(stream, 1);
    isCut = true;
    const { done } = wal.submit(write('a'));
    wal.abandon(new ElanusError('channel_moved', { vchannel: 'p0', term: 2 }));
    await expect(done).rejects.toMatchObject({ code: 'write_unknown' });
    expect(() => wal.submit(write('b'))).toThrow(/channel moved/);
    await wal.close();
  });
});

describe('lost answers', () => {
  test('whatever is applied or lost without an answer, each write has one effect', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.constantFrom<Fate>('applied', 'lost', undefined, undefined), {
          minLength: 8,
          maxLength: 8,
        }),
        fc.array(fc.integer({ min: 1, max: 3 }), { minLength: 1, maxLength: 5 }),
        async (fates, sizes) => {
          const left: Fate[] = [undefined, ...fates];
          const store = memoryLogStore({ fault: () => left.shift() });
          const stream = await store.open('p0');
          const { wal, applied } = await openWal(stream, 1);
          const done = sizes.map((size, i) =>
            wal.submit(write(`w${i}`, size)).done.then(
              () => i,
              () => -1,
            ),
          );
          const acknowledged = (await Promise.all(done)).filter((i) => i >= 0);
          const kept = names(await readBack(stream));
          expect(new Set(kept).size).toBe(kept.length);
          for (const i of acknowledged) {
            for (let part = 0; part < (sizes[i] ?? 0); part++)
              expect(kept).toContain(`w${i}/${part}`);
          }
          expect(kept.slice(0, applied.length)).toEqual(names(applied));
        },
      ),
      { numRuns: 200 },
    );
  });
});

test('writes that come while others are settled stand behind them', async () => {
  const fate = fc.constantFrom<Fate>('applied', 'lost', undefined, undefined, undefined);
  await fc.assert(
    fc.asyncProperty(
      fc.array(fate, { minLength: 30, maxLength: 30 }),
      fc.array(fc.nat(12), { minLength: 5, maxLength: 20 }),
      async (fates, pauses) => {
        const left: Fate[] = [undefined, ...fates];
        const inner = await memoryLogStore({ fault: () => left.shift() }).open('p0');
        let way: Promise<unknown> = Promise.resolve();
        const stream: LogStream = {
          ...bound(inner),
          span: async () => {
            const span = await inner.span();
            for (let n = 0; n < 6; n++) await systemClock.turn();
            return span;
          },
          // In order, and some turns late.
          append: (one) => {
            const before = way;
            const stored = before.then(() => systemClock.turn()).then(() => inner.append(one));
            way = stored;
            return stored.then(async (outcome) => {
              await systemClock.turn();
              return outcome;
            });
          },
        };
        const { wal } = await openWal(stream, 1);
        const answers: Promise<string | undefined>[] = [];
        for (const [i, pause] of pauses.entries()) {
          for (let n = 0; n < pause % 4; n++) await systemClock.turn();
          if (wal.stopped !== undefined) break;
          const done = wal.submit(write(`w${i}`)).done;
          answers.push(
            done.then(
              () => `w${i}/0`,
              () => undefined,
            ),
          );
        }
        const acknowledged = (await Promise.all(answers)).filter((name) => name !== undefined);
        await way;
        const kept = names(await readBack(inner));
        expect(kept.filter((name) => acknowledged.includes(name))).toEqual(acknowledged);
        expect(new Set(kept).size).toBe(kept.length);
      },
    ),
    { numRuns: 300 },
  );
});

describe('replay', () => {
  test('drops a write whose last part is missing', async () => {
    const stream = await memoryLogStore().open('p0');
    const { wal } = await openWal(stream, 1);
    await wal.submit(write('whole', 2)).done;
    const cut = write('cut', 3);
    await wal.submit(cut).done;
    const { lastSeq } = await stream.span();
    const records: LogRecord[] = [];
    const end = await replay(stream, { fromSeq: 1, toSeq: lastSeq - 1 }, (one) =>
      records.push(one),
    );
    expect(names(records).slice(1)).toEqual(['whole/0', 'whole/1']);
    expect(end).toMatchObject({ incomplete: 2, strays: 0 });
  });

  test('begins behind a checkpoint in the middle of strays', async () => {
    const stream = await memoryLogStore().open('p0');
    const old = await openWal(stream, 1);
    await old.wal.submit(write('a')).done;
    const next = await openWal(stream, 2);
    const strays = ['s', 't', 'u'].map((name) => old.wal.submit(write(name)).done);
    await Promise.allSettled(strays);
    const { appliedSeq, appliedNext } = next.wal;
    await next.wal.submit(write('b')).done;
    const { lastSeq } = await stream.span();
    const records: LogRecord[] = [];
    const range = { fromSeq: appliedSeq + 1, toSeq: lastSeq, next: appliedNext };
    const end = await replay(stream, range, (one) => records.push(one));
    expect(names(records)).toEqual(['b/0']);
    expect(end).toMatchObject({ strays: 2, term: 2 });
  });

  test('a record out of the chain stops it', async () => {
    const source = await memoryLogStore().open('p0');
    const { wal } = await openWal(source, 1);
    await wal.submit(write('a')).done;
    await wal.submit(write('b')).done;
    await wal.submit(write('c')).done;
    const broken = await memoryLogStore().open('p0');
    for await (const entry of source.scan({ fromSeq: 1 })) {
      if (entry.seq !== 3) await broken.append({ subject: entry.subject, parts: [entry.bytes] });
    }
    const visit = () => undefined;
    await expect(replay(broken, { fromSeq: 1, toSeq: 3 }, visit)).rejects.toMatchObject({
      code: 'log_corrupt',
    });
  });
});

/** A stream whose methods can be taken over one by one. */
function bound(stream: LogStream): LogStream {
  return {
    name: stream.name,
    append: (one) => stream.append(one),
    scan: (range) => stream.scan(range),
    span: () => stream.span(),
    truncate: (below) => stream.truncate(below),
    close: () => stream.close(),
  };
}
