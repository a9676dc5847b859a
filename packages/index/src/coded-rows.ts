import { createTopK, rowsPerCall } from '@elanus/kernels';
import type { Sq8Grid, TopK } from '@elanus/kernels';

import { steppedWork } from './crew.ts';
import type { Crew, Work } from './crew.ts';
import type { IndexFile, IndexHeader } from './index-file.ts';
import { indexLayout } from './index-file.ts';
import { sq8Source } from './open.ts';
import { scanSteps } from './sq8-search.ts';
import type { ScanSource, Sq8Source } from './sq8-search.ts';
import type { FlatSource } from './flat.ts';
import { rowOf } from './column.ts';
import type { NumberColumn } from './column.ts';

/**
 * What threads of a build do with codes: encode rows, and find the true neighbours of the rows that
 * measure recall. Pieces do not depend on each other, so the file does not depend on who did them.
 */

/** Pieces of a stage: enough for all threads, and as many as its counter holds. */
const PIECES = { least: 16, most: 60_000 } as const;

/** Rows of one piece of encoding: well below a millisecond. */
export function encodeRows({ rowCount, dim }: NumberColumn): number {
  const few = Math.min(rowsPerCall(dim, 1) / 16, rowCount / PIECES.least);
  return Math.ceil(Math.max(1, few, rowCount / PIECES.most));
}

/** Where codes are written to. */
export interface CodedRows {
  readonly source: Sq8Source;
  /** IP of a graph: sums of the codes. */
  readonly innerTerms: Uint32Array | undefined;
}

/** The coded rows of a file that is being built. */
export function codedRows(
  flat: Omit<FlatSource, 'inverseNorms'>,
  file: IndexFile,
  header: IndexHeader,
): CodedRows {
  const { memory } = file;
  const { innerTerms } = indexLayout(header).sections;
  const at = memory.byteOffset + innerTerms.offset;
  return {
    source: sq8Source({ ...flat, inverseNorms: normsOf(file, header) }, file, header),
    innerTerms:
      innerTerms.bytes > 0 ? new Uint32Array(memory.buffer, at, header.rowCount) : undefined,
  };
}

/** The inverse norms in a file; undefined when its metric needs none. */
export function normsOf({ memory }: IndexFile, header: IndexHeader): Float32Array | undefined {
  if (header.metric !== 'cosine') return undefined;
  const { offset } = indexLayout(header).sections.inverseNorms;
  return new Float32Array(memory.buffer, memory.byteOffset + offset, header.rowCount);
}

/** Encodes one piece. */
export function encodePiece({ source, innerTerms }: CodedRows, piece: number): void {
  const { kernels, codes, terms, norms, grid, inverseNorms, stride, column } = source;
  const { rows, rowCount, dim, element } = column;
  const size = encodeRows(column);
  const [from, to] = [piece * size, Math.min(rowCount, (piece + 1) * size)];
  const shape = { dim, rows, element, codes, stride, terms, norms, inverseNorms, innerTerms };
  kernels.encodeSq8({ ...shape, ...grid, from, to });
}

/** What is asked of the rows that measure recall. */
export interface MeasureAsked {
  /** True neighbours of each. */
  readonly limit: number;
  /** The walks that are measured; absent while the truth is looked for. */
  readonly walk?: { readonly limit: number; readonly ef: number; readonly filtered: boolean };
}

/** Tells helpers what the leader measured so far; `coded` is absent where there are no codes. */
export function writeFacts(
  crew: Crew,
  source: Pick<ScanSource, 'coded' | 'candidatesOfTen'>,
  { limit, walk }: MeasureAsked,
): void {
  const { coded, candidatesOfTen } = source;
  const { low, step } = coded?.grid ?? { low: 0, step: 1 };
  const walked = [walk?.limit ?? 1, walk?.ef ?? 1, walk?.filtered === true ? 1 : 0];
  crew.facts.set([low, step, coded?.typicalNorm ?? 1, candidatesOfTen, limit, ...walked]);
}

/** What the leader measured. */
export interface Facts {
  readonly grid: Sq8Grid;
  readonly typicalNorm: number;
  readonly candidatesOfTen: number;
}

/** Reads what `writeFacts` wrote. */
export function readFacts(crew: Crew): Facts {
  const [low = 0, step = 1, typicalNorm = 1, candidatesOfTen = 0] = crew.facts;
  return { grid: { low, step }, typicalNorm, candidatesOfTen };
}

/** Reads what is asked. */
export function readAsked({ facts }: Crew): Required<MeasureAsked> {
  const [limit = 1, walkLimit = 1, ef = 1, filtered = 0] = facts.subarray(4);
  return { limit, walk: { limit: walkLimit, ef, filtered: filtered === 1 } };
}

/** Candidates of the true neighbours, in those that are known to hold them. */
export const TRUTH_WIDTH = 4;

/** The result of queries `[from, to)` of a truth, in the memory that threads share. */
export function truthOf(
  crew: Crew,
  limit: number,
  span: { readonly from: number; readonly to: number },
): TopK {
  const { from, to } = span;
  const { scores, rows, counts, tied } = crew.truth;
  return {
    ...createTopK(1, 1),
    nq: to - from,
    limit,
    scores: scores.subarray(from * limit, to * limit),
    rows: rows.subarray(from * limit, to * limit),
    counts: counts.subarray(from, to),
    tied: tied.subarray(from, to),
  };
}

/** Rows `[from, to)` of those that are linked last, as queries. */
export function heldQueries(source: FlatSource, held: Uint32Array): Float32Array {
  const { dim } = source.column;
  const queries = new Float32Array(held.length * dim);
  for (const [i, row] of held.entries()) {
    queries.set(rowOf(source.column, row), i * dim);
  }
  return queries;
}

/** Finds true neighbours: positions of the stage are the rows that are linked last. */
export function truthWork(crew: Crew, sourceOf: () => ScanSource): Work {
  return steppedWork(({ roundStart }, from, to) => {
    const source = sourceOf();
    const { limit } = readAsked(crew);
    const held = crew.order.subarray(roundStart + from, roundStart + to);
    const queries = heldQueries(source, held);
    const candidates = source.candidatesOfTen * TRUTH_WIDTH + 4 * limit;
    const top = truthOf(crew, limit, { from, to });
    return scanSteps(source, { queries, allowed: crew.known, candidates, top });
  });
}
