import { createTopK } from '@elanus/kernels';
import type { TopK } from '@elanus/kernels';

import { writeFacts } from './coded-rows.ts';
import { rowOf } from './column.ts';
import { CALIBRATION_MAX, lead, steppedWork } from './crew.ts';
import type { Crew, Work } from './crew.ts';
import { flatSteps } from './flat.ts';
import { placeQuery, scanCodes } from './sq8-search.ts';
import type { Sq8Source } from './sq8-search.ts';

/**
 * Measures how many candidates hold ten true neighbours, with stored rows as queries: data on which
 * codes tell little (tight clusters, wild outliers) gets more candidates, in the end all rows.
 */

/** Neighbours of a calibration query: as in recall@10, and itself. */
const NEIGHBOURS = CALIBRATION_MAX.limit;
/** Share of true neighbours that the candidates must hold, over all calibration queries. */
const SHARE = 0.995;
/** Queries from outside are less kind than stored rows: twice the candidates they needed. */
const MARGIN = 2;
/** Candidates of ten results, at least. */
export const CANDIDATES_MIN = 30;
const CANDIDATES_MAX = 4096;
/** Fewer rows are scanned exactly whatever the codes are worth. */
const ROWS_MIN = 256;
/** The rank of a neighbour that is no candidate; 0 is that of none. */
const NEVER = 0xffffffff;

/** Rank of a row among the candidates of a query, 1 = first; `NEVER` when it is not one. */
function rankOf(found: TopK, slot: number, row: number): number {
  const from = slot * found.limit;
  const scores = found.scores.subarray(from, from + (found.counts[slot] ?? 0));
  const rows = found.rows.subarray(from, from + scores.length);
  const at = rows.indexOf(row);
  if (at < 0) return NEVER;
  const score = scores[at] ?? 0;
  let rank = 0;
  for (let i = 0; i < scores.length; i++) {
    const other = scores[i] ?? 0;
    if (other < score || (other === score && (rows[i] ?? 0) <= row)) rank++;
  }
  return rank;
}

/** Ranks of the true neighbours of the queries `[from, to)`, each query's own row left out. */
function* rankSteps(
  source: Sq8Source,
  ranks: Uint32Array,
  { from, to }: { readonly from: number; readonly to: number },
): Generator<undefined, void, undefined> {
  const { rowCount, dim } = source.column;
  const count = to - from;
  const ownRows = Array.from({ length: count }, (_, i) =>
    Math.floor(((from + i + 0.5) * rowCount) / CALIBRATION_MAX.queries),
  );
  const queries = new Float32Array(count * dim);
  for (const [i, row] of ownRows.entries()) queries.set(rowOf(source.column, row), i * dim);
  const exact = createTopK(count, NEIGHBOURS);
  yield* flatSteps(source, { queries, top: exact });
  const found = createTopK(count, Math.min(rowCount, CANDIDATES_MAX));
  const placed = ownRows.map((_, i) =>
    placeQuery(source, queries.subarray(i * dim, (i + 1) * dim)),
  );
  yield* scanCodes(source, { queries, top: exact }, { placed, found });
  for (const [slot, own] of ownRows.entries()) {
    for (let i = 0; i < (exact.counts[slot] ?? 0); i++) {
      const row = exact.rows[slot * NEIGHBOURS + i] ?? 0;
      ranks[(from + slot) * NEIGHBOURS + i] = row === own ? 0 : rankOf(found, slot, row);
    }
    yield;
  }
}

/** Finds the ranks of some of the queries: positions of the stage. */
export function calibrationWork(crew: Crew, sourceOf: () => Sq8Source): Work {
  return steppedWork((_, from, to) => rankSteps(sourceOf(), crew.ranks, { from, to }));
}

/** Ranks of all queries; with a crew, its threads share them out. */
function* allRanks(
  source: Sq8Source,
  crew: Crew | undefined,
): Generator<undefined, Uint32Array, undefined> {
  const count = CALIBRATION_MAX.queries;
  if (crew === undefined) {
    const ranks = new Uint32Array(count * NEIGHBOURS);
    yield* rankSteps(source, ranks, { from: 0, to: count });
    return ranks;
  }
  writeFacts(crew, { coded: source, candidatesOfTen: source.candidatesOfTen }, { limit: 1 });
  const stage = { kind: 'calibrate', roundStart: 0, level: 0, layer: 0, nodes: 0, count } as const;
  yield* lead(
    crew,
    stage,
    calibrationWork(crew, () => source),
  );
  return crew.ranks;
}

/** Candidates that hold ten results; of so few rows that no codes are looked at, the least. */
export function* calibrate(
  source: Sq8Source,
  crew: Crew | undefined,
): Generator<undefined, number, undefined> {
  const { rowCount } = source.column;
  if (rowCount < ROWS_MIN) return CANDIDATES_MIN;
  const ranks = (yield* allRanks(source, crew)).filter((rank) => rank > 0).sort();
  const needed = ranks[Math.ceil(ranks.length * SHARE) - 1] ?? 0;
  return needed === NEVER ? rowCount : Math.max(CANDIDATES_MIN, needed * MARGIN);
}
