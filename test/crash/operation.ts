/** One write of a lane; a pure function of seed, lane and number, so that it can be told again. */
export interface Operation {
  readonly lane: number;
  readonly number: number;
  readonly kind: 'upsert' | 'delete';
  readonly ids: readonly number[];
}

/** Keys of a lane; few, so that writes meet. */
export const LANE_KEYS = 400;

/** The operation of this number. */
export function randomOperation(of: {
  readonly seed: number;
  readonly lane: number;
  readonly number: number;
}): Operation {
  let state = (of.seed * 2654435761 + of.lane * 40503 + of.number * 97) >>> 0;
  const next = (below: number): number => {
    state = (Math.imul(state ^ (state >>> 15), 2246822519) + 374761393) >>> 0;
    return state % below;
  };
  const kind = next(4) === 0 ? 'delete' : 'upsert';
  const count = next(10) === 0 ? 200 : 1 + next(30);
  const ids = new Set<number>();
  while (ids.size < count) ids.add(of.lane * LANE_KEYS + next(LANE_KEYS));
  return { lane: of.lane, number: of.number, kind, ids: [...ids] };
}
