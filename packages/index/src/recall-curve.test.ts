import fc from 'fast-check';
import { loadKernels } from '@elanus/kernels';
import { describe, expect, test } from 'vitest';

import { CURVE_BYTES } from './index-file.ts';
import { CURVE_EFS, CURVE_LIMITS, readCurve, WidthMemo, widthFor } from './recall-curve.ts';
import { filteredCurves, widthOf, writeCurve } from './recall-curve.ts';
import type { CurvePoint } from './recall-curve.ts';

const point = (limit: number, ef: number, recall: number): CurvePoint => ({
  percent: 100,
  limit,
  ef,
  recall: Math.fround(recall),
  distances: ef * 16,
});
const curve = [
  point(10, 10, 0.8),
  point(10, 20, 0.9),
  point(10, 40, 0.98),
  point(100, 112, 0.9),
  point(100, 160, 0.99),
];

describe('a width', () => {
  test('lies between the points that were measured', () => {
    expect(widthFor(curve, 10, 0.5)).toMatchObject({ ef: 10 });
    expect(widthFor(curve, 10, 0.9)?.ef).toBe(20);
    const width = widthFor(curve, 10, 0.94);
    expect(width?.ef).toBe(30);
    expect(width?.recall).toBeCloseTo(0.94, 5);
    expect(width?.distances).toBeCloseTo(480, 0);
  });

  test('is unknown where no walk finds as much', () => {
    expect(widthFor(curve, 10, 0.99)).toBeUndefined();
    expect(widthFor([], 10, 0.5)).toBeUndefined();
    expect(new WidthMemo().find(curve, { limit: 10, recall: 0.99 })).toBeUndefined();
  });

  test('grows with the limit and is never below it', () => {
    const anyLimit = fc.integer({ min: 1, max: 5000 });
    const anyRecall = fc.double({ min: 0.1, max: 0.97, noNaN: true });
    const memo = new WidthMemo();
    fc.assert(
      fc.property(anyLimit, anyLimit, anyRecall, (a, b, recall) => {
        const [low, high] = [Math.min(a, b), Math.max(a, b)];
        const [narrow, wide] = [widthFor(curve, low, recall), widthFor(curve, high, recall)];
        expect(narrow?.ef).toBeGreaterThanOrEqual(low);
        expect(wide?.ef ?? 0).toBeGreaterThanOrEqual(narrow?.ef ?? 1);
        expect(memo.find(curve, { limit: low, recall })).toEqual(narrow);
        const chosen = widthOf(curve, low, Math.max(a, low));
        expect(memo.find(curve, { limit: low, ef: a, recall })).toEqual(chosen);
        expect(memo.find(curve, { limit: low, recall })).toEqual(narrow);
        expect(memo.find(curve, { limit: high, recall })).toEqual(wide);
      }),
    );
  });

  test('that the caller chose is told with what was measured', () => {
    expect(widthOf(curve, 10, 20).recall).toBeCloseTo(0.9, 5);
    expect(widthOf(curve, 10, 400)).toMatchObject({ ef: 400, recall: undefined, distances: 6400 });
    expect(widthOf([], 10, 77).ef).toBe(77);
  });
});

test('filtered walks have curves of their own, the strictest filter first', () => {
  const memory = loadKernels().allocate(CURVE_BYTES);
  const file = { memory, bytes: CURVE_BYTES };
  const [mild, strict] = [30, 10].map((percent) => ({ ...point(10, 40, 0.75), percent }));
  if (mild === undefined || strict === undefined) throw new Error('two points');
  writeCurve(file, 0, [...curve, mild, strict]);
  const points = readCurve(file, 0);
  expect(points.filter(({ percent }) => percent === 100)).toEqual(curve);
  const filtered = filteredCurves(points);
  expect(filtered).toMatchObject([
    { share: 0.1, curve: [strict] },
    { share: 0.3, curve: [mild] },
  ]);
  const [first] = filtered;
  expect(first?.widths.find(first.curve, { limit: 10, recall: 0.75 })?.ef).toBe(40);
  expect(first?.widths.find(first.curve, { limit: 10, recall: 0.95 })).toBeUndefined();
});

test('a curve is read as it was written, and nonsense is left out', () => {
  const memory = loadKernels().allocate(CURVE_BYTES);
  const file = { memory, bytes: CURVE_BYTES };
  writeCurve(file, 0, curve);
  expect(readCurve(file, 0)).toEqual(curve);
  writeCurve(file, 0, [point(10, 5, 0.9), point(0, 9, 0.9), point(10, 20, 2), ...curve]);
  expect(readCurve(file, 0)).toEqual(curve);
  new Uint32Array(memory.buffer, memory.byteOffset, 1)[0] = 0xffffffff;
  expect(readCurve(file, 0)).toEqual(curve);
  expect((1 + CURVE_EFS.length * CURVE_LIMITS.length) * 16).toBeLessThanOrEqual(CURVE_BYTES);
});
