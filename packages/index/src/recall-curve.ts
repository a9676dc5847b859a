import type { IndexFile } from './index-file.ts';

/**
 * How much of the truth walks of an index find: measured when it is built, with rows that the graph
 * did not know yet as queries, and kept in its file. So `recall: 0.95` picks the walk.
 */
export interface CurvePoint {
  /** Results asked for. */
  readonly limit: number;
  readonly ef: number;
  /** Share of the true neighbours found, over all queries. */
  readonly recall: number;
  /** Mean distances of a query; of filtered walks, those that it would take without the filter. */
  readonly distances: number;
  /** Percent of the rows that a filter let through when it was measured; 100 = no filter. */
  readonly percent: number;
}

/** Points by `limit`, then `ef`, both ascending. */
export type RecallCurve = readonly CurvePoint[];

/** What walks find under filters that let through a share of the rows. */
export interface FilteredCurve {
  readonly share: number;
  readonly curve: RecallCurve;
  readonly widths: WidthMemo;
}

/** The curves of filtered walks among all points, the strictest filter first. */
export function filteredCurves(points: RecallCurve): readonly FilteredCurve[] {
  const percents = [...new Set(points.map(({ percent }) => percent))].filter((one) => one < 100);
  return percents
    .sort((a, b) => a - b)
    .map((percent) => ({
      share: percent / 100,
      curve: points.filter((point) => point.percent === percent),
      widths: new WidthMemo(),
    }));
}

/** Recall that a search aims at when none is asked for. */
export const RECALL_DEFAULT = 0.98;
/**
 * The recall on the curve that a search picks its width by. A little more than what was asked for:
 * curves are measured with some hundred rows, and queries lie further from the rows than rows from
 * each other. (Handwriting of other people: 0.937 was found where the curve says 0.957.)
 *
 * @throws RangeError unless it is more than 0 and at most 1
 */
export function recallAimed(asked: number | undefined): number {
  if (asked === undefined) return RECALL_DEFAULT;
  if (!(asked > 0 && asked <= 1)) throw new RangeError('recall: expected more than 0, at most 1');
  return asked + Math.min(0.01, (1 - asked) / 4);
}

/** Limits that are measured. */
export const CURVE_LIMITS = [10, 100] as const;
/** Widths of walks that are measured, until one finds nearly everything. */
export const CURVE_EFS = [10, 14, 20, 28, 40, 56, 80, 112, 160, 224, 320, 448, 640, 896, 1280];
/** A wider walk than one that finds this much is not measured. */
export const CURVE_END = 0.998;

const POINT_BYTES = 16;
const POINTS_MAX = 127;
/** In a file, a limit is followed by the percent of a filter, 0 = none. */
const FILTER_UNIT = 2 ** 17;

/** Writes a curve into its section. */
export function writeCurve(file: IndexFile, offset: number, curve: RecallCurve): void {
  const view = new DataView(file.memory.buffer, file.memory.byteOffset + offset);
  view.setUint32(0, curve.length, true);
  for (const [i, point] of curve.entries()) {
    const at = (i + 1) * POINT_BYTES;
    // Readers of before there were filtered points leave out limits as high as this.
    const filter = point.percent === 100 ? 0 : point.percent;
    view.setUint32(at, point.limit + FILTER_UNIT * filter, true);
    view.setUint32(at + 4, point.ef, true);
    view.setFloat32(at + 8, point.recall, true);
    view.setFloat32(at + 12, point.distances, true);
  }
}

/** Reads a curve; points that make no sense are left out, so that a walk of any width is sound. */
export function readCurve(file: IndexFile, offset: number): RecallCurve {
  const view = new DataView(file.memory.buffer, file.memory.byteOffset + offset);
  const count = Math.min(POINTS_MAX, view.getUint32(0, true));
  const points: CurvePoint[] = [];
  for (let i = 0; i < count; i++) {
    const at = (i + 1) * POINT_BYTES;
    const [first, ef] = [view.getUint32(at, true), view.getUint32(at + 4, true)];
    const limit = first % FILTER_UNIT;
    const percent = Math.floor(first / FILTER_UNIT) || 100;
    const recall = view.getFloat32(at + 8, true);
    const distances = view.getFloat32(at + 12, true);
    const sound = limit >= 1 && limit <= 65_536 && ef >= limit && ef <= 65_536;
    if (
      sound &&
      percent <= 100 &&
      recall >= 0 &&
      recall <= 1 &&
      distances >= 0 &&
      distances < 2 ** 31
    ) {
      points.push({ limit, ef, recall, distances, percent });
    }
  }
  return points.sort((a, b) => a.limit - b.limit || a.ef - b.ef);
}

/** A walk, and what is known about it. */
export interface Width {
  readonly ef: number;
  /** Recall that was measured for it; undefined beyond what was measured. */
  readonly recall: number | undefined;
  /** Distances that it is likely to take. */
  readonly distances: number;
}

/** What the curve of one limit says between its points. */
function along(points: RecallCurve, share: (point: CurvePoint) => number, wanted: number): Width {
  let before: CurvePoint | undefined;
  for (const point of points) {
    if (share(point) < wanted) {
      before = point;
      continue;
    }
    if (before === undefined) return point;
    const [a, b] = [share(before), share(point)];
    const part = b > a ? (wanted - a) / (b - a) : 1;
    const mix = (from: number, to: number): number => from + (to - from) * part;
    return {
      // Shares were rounded to 32 bits: the width of a point serves the share it was measured at.
      ef: Math.ceil(mix(before.ef, point.ef) - 1e-3),
      recall: mix(before.recall, point.recall),
      distances: mix(before.distances, point.distances),
    };
  }
  const last = points.at(-1);
  if (last === undefined) return { ef: 64, recall: undefined, distances: 64 * 16 };
  return { ...last, recall: undefined };
}

/** The points of the limit that was measured, scaled to `limit`. */
function pointsFor(curve: RecallCurve, limit: number): RecallCurve {
  const limits = [...new Set(curve.map((point) => point.limit))];
  const above = limits.find((one) => one >= limit) ?? limits.at(-1) ?? 0;
  const points = curve.filter((point) => point.limit === above);
  // More results than measured: a walk that is as much wider finds as large a share of them.
  const scale = Math.max(1, limit / Math.max(1, above));
  return points.map((point) => ({
    ...point,
    ef: Math.max(limit, Math.ceil(point.ef * scale)),
    distances: point.distances * scale,
  }));
}

/**
 * The narrowest walk that finds the share of `limit` results, undefined when the index measured
 * that none does: then scan.
 */
export function widthFor(curve: RecallCurve, limit: number, recall: number): Width | undefined {
  const [low, high] = CURVE_LIMITS;
  const at = (one: number): Width => along(pointsFor(curve, one), (p) => p.recall, recall);
  if (limit <= low || limit >= high) {
    const width = at(limit <= low ? low : limit);
    return width.recall === undefined ? undefined : { ...width, ef: Math.max(limit, width.ef) };
  }
  const [a, b] = [at(low), at(high)];
  if (a.recall === undefined || b.recall === undefined) return undefined;
  const part = (limit - low) / (high - low);
  const mix = (from: number, to: number): number => from + (to - from) * part;
  return {
    ef: Math.max(limit, Math.ceil(mix(a.ef, b.ef))),
    recall: Math.min(a.recall, b.recall),
    distances: mix(a.distances, b.distances),
  };
}

/** What is known about a walk whose width the caller chose. */
export function widthOf(curve: RecallCurve, limit: number, ef: number): Width {
  const found = along(pointsFor(curve, limit), (point) => point.ef, ef);
  const beyond = found.recall === undefined && found.ef > 0;
  return {
    ef,
    recall: found.recall,
    distances: beyond ? (found.distances * ef) / found.ef : found.distances,
  };
}

const REMEMBERED = 64;

/** What a search says of its width: the ef it chose itself, or a recall. */
export interface WidthAsked {
  readonly limit: number;
  readonly ef?: number | undefined;
  readonly recall: number;
}

/**
 * `widthFor` and `widthOf` of one curve, which remember their answers: searches ask the same again
 * and again.
 */
export class WidthMemo {
  readonly #known = new Map<string, Width | undefined>();
  #last: { readonly asked: WidthAsked; readonly width: Width | undefined } | undefined;

  find(curve: RecallCurve, asked: WidthAsked): Width | undefined {
    const last = this.#last;
    const { limit, ef, recall } = asked;
    if (last?.asked.limit === limit && last.asked.ef === ef && last.asked.recall === recall) {
      return last.width;
    }
    const width = this.#lookUp(curve, asked);
    this.#last = { asked, width };
    return width;
  }

  #lookUp(curve: RecallCurve, { limit, ef, recall }: WidthAsked): Width | undefined {
    const key = ef === undefined ? `${limit}/${recall}` : `${limit}:${ef}`;
    if (this.#known.has(key)) return this.#known.get(key);
    if (this.#known.size >= REMEMBERED) this.#known.clear();
    const chosen = ef === undefined ? undefined : widthOf(curve, limit, Math.max(ef, limit));
    const found = chosen ?? widthFor(curve, limit, recall);
    this.#known.set(key, found);
    return found;
  }
}
