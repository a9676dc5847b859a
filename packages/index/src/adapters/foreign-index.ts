import { crc32 } from '@elanus/kernels/checksum';

import { ElanusError } from '@elanus/core';
import type { FloatMetric, Metric } from '@elanus/core';
import type { Kernels } from '@elanus/kernels';

import { columnNorms, floatMetric, numberColumn } from '../column.ts';
import type { IndexColumn, NumberColumn } from '../column.ts';
import type { IndexSearch, NumberSearch, SearchWork, VectorIndex } from '../vector-index.ts';
import { faissSteps, openFaiss } from './faiss.ts';
import type { FaissModule, FaissParams } from './faiss.ts';
import { foreignSteps } from './foreign-search.ts';
import type { ForeignEngine } from './foreign-search.ts';
import { hnswlibSteps, openHnswlib } from './hnswlib.ts';
import type { HnswlibModule, HnswlibParams } from './hnswlib.ts';

/** Engines that can stand behind an index when they are installed; never chosen by themselves. */
export type ForeignKind = 'hnswlib' | 'faiss';

/** Parameters of the engines, in their own words. */
export type ForeignParams = HnswlibParams & FaissParams;

/** What is built, and with which engine. */
export interface ForeignPlan {
  readonly kernels: Kernels;
  readonly kind: ForeignKind;
  readonly metric: Metric;
  readonly column: IndexColumn;
  readonly params?: ForeignParams | undefined;
  /** Where the engine's package is; default its name, as Node finds it from here. */
  readonly module?: string | undefined;
}

/** A saved index as plain data: another thread or process opens it, and reads the file again. */
export interface ForeignHandle {
  readonly kind: ForeignKind;
  readonly metric: FloatMetric;
  readonly column: NumberColumn;
  readonly path: string;
  readonly bytes: number;
  /** Of the file: engines trust theirs, so only the bytes that were saved are given to them. */
  readonly crc32: number;
  readonly module?: string | undefined;
}

/** Reads a whole file: this package opens none by itself. */
export type ReadFile = (path: string) => Promise<Uint8Array>;

/**
 * An index of another engine behind the seam of ours: same searches, same bits of the scores, never
 * fewer than min(limit, allowed) results. It lives in one thread; others open what `save` gives.
 */
export interface ForeignIndex extends Omit<VectorIndex, 'kind' | 'handle'> {
  readonly kind: 'HNSWLIB' | 'FAISS';
  /** Has the engine write its file. Cost: one native call, as long as writing takes. */
  save(path: string, read: ReadFile): Promise<ForeignHandle>;
}

const KIND = { hnswlib: 'HNSWLIB', faiss: 'FAISS' } as const;
const PACKAGE = { hnswlib: 'hnswlib-node', faiss: 'faiss-node' } as const;

/**
 * The engine's package; undefined when it is not installed or does not load here, or when a second
 * thread that loads it would break the first: faiss-node as npm has it (scripts/build-engines.mjs).
 */
async function load({ kind, module }: Pick<ForeignPlan, 'kind' | 'module'>): Promise<unknown> {
  try {
    const loaded = (await import(module ?? PACKAGE[kind])) as { readonly default?: Loaded };
    const engine = loaded.default ?? (loaded as Loaded);
    return kind === 'hnswlib' || engine.manyThreads === true ? engine : undefined;
  } catch {
    return undefined;
  }
}

/** What our build of faiss-node says of itself. */
interface Loaded {
  readonly manyThreads?: boolean;
}

interface Parts {
  readonly kernels: Kernels;
  readonly kind: ForeignKind;
  readonly metric: FloatMetric;
  readonly column: NumberColumn;
  readonly module: string | undefined;
}

function indexOf(parts: Parts, engine: ForeignEngine): ForeignIndex {
  const { kernels, kind, metric, column, module } = parts;
  const inverseNorms = metric === 'cosine' ? columnNorms(kernels, column) : undefined;
  const source = { kernels, metric, column, inverseNorms, engine };
  const searchSteps = (args: IndexSearch): Generator<undefined, SearchWork, undefined> => {
    if (args.queries instanceof Float32Array) return foreignSteps(source, args as NumberSearch);
    throw new TypeError('queries: expected a Float32Array');
  };
  return {
    kind: KIND[kind],
    metric,
    dim: column.dim,
    rowCount: column.rowCount,
    get bytes() {
      return engine.bytes;
    },
    capabilities: { exact: false, filter: true, range: true },
    searchSteps,
    search(args) {
      const steps = searchSteps(args);
      for (;;) {
        const step = steps.next();
        if (step.done === true) return step.value;
      }
    },
    async save(path, read) {
      engine.save(path);
      const file = await read(path);
      const sum = { bytes: file.length, crc32: crc32(file) };
      return { kind, metric, column, path, ...sum, module };
    },
  };
}

/**
 * Builds an index of another engine, pausing between steps; undefined when the engine is not there.
 *
 * @throws RangeError for parameters out of range, rows or a metric that are not of numbers
 */
export async function buildForeign(
  plan: ForeignPlan,
  control: { readonly pause: () => Promise<void>; readonly signal?: AbortSignal | undefined },
): Promise<ForeignIndex | undefined> {
  const { kernels, kind, params = {}, module } = plan;
  const parts = { metric: floatMetric(plan.metric), column: numberColumn(plan.column) };
  const loaded = await load(plan);
  if (loaded === undefined) return undefined;
  const steps =
    kind === 'hnswlib'
      ? hnswlibSteps(loaded as HnswlibModule, { ...parts, params })
      : faissSteps(loaded as FaissModule, { ...parts, params });
  for (;;) {
    if (control.signal?.aborted === true) throw new ElanusError('cancelled', {});
    const step = steps.next();
    if (step.done === true) return indexOf({ kernels, kind, module, ...parts }, step.value);
    await control.pause();
  }
}

/**
 * Opens what was saved, in this thread; undefined when the engine is not there.
 *
 * @throws ElanusError file_corrupt when the file holds other bytes than were saved
 */
export async function openForeign(
  kernels: Kernels,
  handle: ForeignHandle,
  read: ReadFile,
): Promise<ForeignIndex | undefined> {
  const { kind, metric, column, path, module } = handle;
  const loaded = await load(handle);
  if (loaded === undefined) return undefined;
  const file = await read(path);
  if (file.length !== handle.bytes || crc32(file) !== handle.crc32) {
    throw new ElanusError('file_corrupt', { path, why: 'not the bytes that were saved' });
  }
  const of = { column, metric, path };
  const engine =
    kind === 'hnswlib'
      ? openHnswlib(loaded as HnswlibModule, of)
      : openFaiss(loaded as FaissModule, of);
  return indexOf({ kernels, kind, metric, column, module }, engine);
}
