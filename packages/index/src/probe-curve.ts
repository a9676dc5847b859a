import type { RowMemory } from '@elanus/kernels';

/**
 * How much of the truth a search of so many lists finds: measured when the index is built and kept
 * in its file, so that `recall: 0.95` picks the number of lists.
 */
export interface ProbePoint {
  /** Results asked for. */
  readonly limit: number;
  /** Lists looked at. */
  readonly nprobe: number;
  /** Candidates of 1-bit codes that were scored for each result; absent for other kinds. */
  readonly refine?: number | undefined;
  /** Share of the true neighbours found, over all queries. */
  readonly recall: number;
}

const POINT_BYTES = 12;
/** Bytes of the section that holds a curve. */
export const PROBE_CURVE_BYTES = 768;
/** The same where searches of as many lists differ in how many candidates they score. */
export const REFINE_CURVE_BYTES = 3072;
/** In a file, a limit is followed by the candidates for each result, 0 = other kinds. */
const REFINE_UNIT = 2 ** 17;

/** Where a curve lies in a file. */
interface CurvePlace {
  readonly offset: number;
  readonly bytes: number;
}

const pointsIn = (bytes: number): number => Math.floor((bytes - 4) / POINT_BYTES);

/** Writes a curve into its section. */
export function writeProbeCurve(
  memory: RowMemory,
  { offset, bytes }: CurvePlace,
  points: readonly ProbePoint[],
): void {
  const view = new DataView(memory.buffer, memory.byteOffset + offset, bytes);
  const kept = points.slice(0, pointsIn(bytes));
  view.setUint32(0, kept.length, true);
  for (const [i, { limit, nprobe, recall, refine = 0 }] of kept.entries()) {
    view.setUint32(4 + i * POINT_BYTES, limit + refine * REFINE_UNIT, true);
    view.setUint32(8 + i * POINT_BYTES, nprobe, true);
    view.setFloat32(12 + i * POINT_BYTES, recall, true);
  }
}

/** Reads a curve; points that make no sense are left out. */
export function readProbeCurve(
  memory: RowMemory,
  { offset, bytes }: CurvePlace,
): readonly ProbePoint[] {
  const view = new DataView(memory.buffer, memory.byteOffset + offset, bytes);
  const points: ProbePoint[] = [];
  for (let i = 0; i < Math.min(pointsIn(bytes), view.getUint32(0, true)); i++) {
    const first = view.getUint32(4 + i * POINT_BYTES, true);
    const limit = first % REFINE_UNIT;
    const refine = Math.floor(first / REFINE_UNIT) || undefined;
    const nprobe = view.getUint32(8 + i * POINT_BYTES, true);
    const recall = view.getFloat32(12 + i * POINT_BYTES, true);
    if (limit >= 1 && nprobe >= 1 && recall >= 0 && recall <= 1) {
      points.push({ limit, nprobe, recall, refine });
    }
  }
  return points.sort((a, b) => a.limit - b.limit || a.nprobe - b.nprobe);
}

/** What searches of so many lists were measured to find, at least; undefined: not known. */
export function recallOfProbes(
  points: readonly ProbePoint[],
  limit: number,
  nprobe: number,
): number | undefined {
  const measured = points.find((point) => point.limit >= limit)?.limit;
  return points.findLast((point) => point.limit === measured && point.nprobe <= nprobe)?.recall;
}

/** The lists that `recall` takes; undefined when no number of them was measured to reach it. */
export function probesFor(
  points: readonly ProbePoint[],
  limit: number,
  recall: number,
): number | undefined {
  const limits = [...new Set(points.map((point) => point.limit))];
  const measured = limits.find((one) => one >= limit) ?? limits.at(-1);
  const known = points.filter((point) => point.limit === measured);
  const at = known.findIndex((point) => point.recall >= recall);
  const found = known[at];
  if (found === undefined) return undefined;
  const before = known[at - 1];
  if (before === undefined || found.recall === before.recall) return found.nprobe;
  const part = (recall - before.recall) / (found.recall - before.recall);
  return Math.ceil(before.nprobe + (found.nprobe - before.nprobe) * part);
}
