import {
  createBitset,
  fieldId,
  segmentId,
  type Column,
  type FieldId,
  type Pool,
} from '@elanus/core';
import { expect, test } from 'vitest';
import { ViewKeeper, ViewSender } from './kept-views.ts';
import type { SegmentRead } from './read-set.ts';
import type { SegmentView } from './view.ts';

const needs = { filter: undefined, keyField: fieldId(100), vectors: fieldId(101) };
const pool = {} as Pool;

function viewOf(id: number): SegmentView {
  const columns = new Map<FieldId, Column>([
    [fieldId(100), { kind: 'int64', values: new BigInt64Array(1) }],
    [fieldId(102), { kind: 'int64', values: new BigInt64Array(1) }],
  ]);
  const none = { vectors: new Map(), timestamps: new BigUint64Array(0), codes: new Map() };
  const chunk = { rowBase: 0, rowCount: 1, columns, ...none };
  return { segmentId: segmentId(id), rowCount: 1, chunks: [chunk], indexes: new Map() };
}

const readOf = (view: SegmentView): SegmentRead => ({ view, visibleRows: 1, deleted: undefined });
const send = (sender: ViewSender, views: readonly SegmentView[], whole = false) =>
  sender.send(pool, views.map(readOf), { needs, whole });

test('a view is sent once, with what is read of it', () => {
  const [sender, keeper] = [new ViewSender(true), new ViewKeeper()];
  const views = [viewOf(1), viewOf(2)];
  const first = keeper.receive(send(sender, views));
  expect(first?.map(({ view }) => [...(view.chunks[0]?.columns.keys() ?? [])])).toEqual([
    [100],
    [100],
  ]);
  const again = send(sender, views);
  expect(again.sent.map(({ view }) => view)).toEqual([undefined, undefined]);
  const second = keeper.receive(again);
  expect(second?.map(({ view }) => view)).toEqual(first?.map(({ view }) => view));
  expect(second?.[1]?.view).toBe(first?.[1]?.view);
});

test('what else a read says comes along each time', () => {
  const [sender, keeper] = [new ViewSender(true), new ViewKeeper()];
  const view = viewOf(1);
  keeper.receive(send(sender, [view]));
  const deleted = createBitset(1, { shared: true });
  const of = { needs, whole: false };
  const sent = sender.send(pool, [{ view, visibleRows: 0, deleted }], of);
  expect(keeper.receive(sent)?.[0]).toMatchObject({ visibleRows: 0, deleted });
});

test('a thread that lacks a view says so, and gets it', () => {
  const sender = new ViewSender(true);
  const view = viewOf(1);
  new ViewKeeper().receive(send(sender, [view]));
  const fresh = new ViewKeeper();
  expect(fresh.receive(send(sender, [view]))).toBeUndefined();
  expect(fresh.receive(send(sender, [view], true))).toHaveLength(1);
});

test('another view of a segment, or other columns of it, are sent', () => {
  const [sender, keeper] = [new ViewSender(true), new ViewKeeper()];
  const before = viewOf(1);
  keeper.receive(send(sender, [before]));
  const newer = keeper.receive(send(sender, [viewOf(1)]));
  expect(newer).toHaveLength(1);
  // The older one again, by a read that began before: the thread has it no more.
  expect(keeper.receive(send(sender, [before]))?.[0]?.view).not.toBe(newer?.[0]?.view);
  const wider = { needs: { ...needs, vectors: undefined }, whole: false };
  expect(sender.send(pool, [readOf(before)], wider).sent[0]?.view).toBeDefined();
});

test('two senders are not mistaken for each other', () => {
  const [one, two] = [new ViewSender(true), new ViewSender(true)];
  const keeper = new ViewKeeper();
  const [view, other] = [viewOf(1), viewOf(1)];
  keeper.receive(send(one, [view]));
  keeper.receive(send(two, [other]));
  expect(keeper.receive(send(one, [view]))).toBeUndefined();
});

test('a forgotten segment is dropped with the next reads', () => {
  const [sender, keeper] = [new ViewSender(true), new ViewKeeper()];
  const [gone, stays] = [viewOf(1), viewOf(2)];
  keeper.receive(send(sender, [gone, stays]));
  const named = send(sender, [gone]);
  sender.forget(1);
  const next = send(sender, [stays]);
  expect(next.dropped).toHaveLength(1);
  expect(keeper.receive(next)).toHaveLength(1);
  expect(keeper.receive(named)).toBeUndefined();
  expect(send(sender, [stays]).dropped).toEqual([]);
});

test('rows that grow are sent each time and not kept', () => {
  const [sender, keeper] = [new ViewSender(false), new ViewKeeper()];
  const view = viewOf(1);
  for (let i = 0; i < 2; i++) {
    const sent = send(sender, [view]);
    expect(sent.sent[0]?.view).toBeDefined();
    expect(keeper.receive(sent)).toHaveLength(1);
  }
});

test('a thread keeps a bounded number', () => {
  const [sender, keeper] = [new ViewSender(true), new ViewKeeper()];
  const views = Array.from({ length: 1_100 }, (_, i) => viewOf(i));
  for (const view of views) keeper.receive(send(sender, [view]));
  expect(keeper.receive(send(sender, views.slice(0, 1)))).toBeUndefined();
  expect(keeper.receive(send(sender, views.slice(-1)))).toHaveLength(1);
});
