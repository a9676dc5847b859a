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
  /** Share of the true neighbours found, over all queries. */
  readonly recall: number;
}

const POINT_BYTES = 12;
/** Bytes of the section that holds a curve. */
export const PROBE_CURVE_BYTES = 768;
const POINTS_MAX = Math.floor((PROBE_CURVE_BYTES - 4) / POINT_BYTES);

/** Writes a curve to byte `offset` of a file's memory. */
export function writeProbeCurve(
  memory: RowMemory,
  offset: number,
  points: readonly ProbePoint[],
): void {
  const view = new DataView(memory.buffer, memory.byteOffset + offset, PROBE_CURVE_BYTES);
  const kept = points.slice(0, POINTS_MAX);
  view.setUint32(0, kept.length, true);
  for (const [i, { limit, nprobe, recall }] of kept.entries()) {
    view.setUint32(4 + i * POINT_BYTES, limit, true);
    view.setUint32(8 + i * POINT_BYTES, nprobe, true);
    view.setFloat32(12 + i * POINT_BYTES, recall, true);
  }
}

/** Reads a curve; points that make no sense are left out. */
export function readProbeCurve(memory: RowMemory, offset: number): readonly ProbePoint[] {
  const view = new DataView(memory.buffer, memory.byteOffset + offset, PROBE_CURVE_BYTES);
  const points: ProbePoint[] = [];
  for (let i = 0; i < Math.min(POINTS_MAX, view.getUint32(0, true)); i++) {
    const limit = view.getUint32(4 + i * POINT_BYTES, true);
    const nprobe = view.getUint32(8 + i * POINT_BYTES, true);
    const recall = view.getFloat32(12 + i * POINT_BYTES, true);
    if (limit >= 1 && nprobe >= 1 && recall >= 0 && recall <= 1) {
      points.push({ limit, nprobe, recall });
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
