/** What Node costs: searches of an index from Node beside the same kernels called in C++. */
import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { openIndex, type IndexFile, type VectorIndex } from '../../packages/index/src/index.ts';
import {
  bytesOf,
  createTopK,
  graphScratchBytes,
  memoryBytes,
  type GraphWalk,
  type Kernels,
  type SearchGraph,
} from '../../packages/kernels/src/index.ts';
import { ISAS, LANGUAGE } from '../../packages/kernels/scripts/native-flags.mjs';
import { median, note, type Figure } from '../bench.ts';
import { QUERIES, type BenchData } from '../index/data.ts';

const PASSES = 9;
/** Passes before the first that counts: the compiler of JavaScript has seen everything then. */
const WARM = 4;
const LIMIT = 10;
/** Queries a call, and our share of the speed of C++ at least. */
const CALLS = [
  { batch: 64, atLeast: 0.97 },
  { batch: 1, atLeast: 0.93 },
] as const;
/** Distances a call: no thread of a bench has to be stopped. */
const BUDGET = 1e9;
const METRIC_CODE = { l2: 0, ip: 1, cosine: 2 } as const;

interface Pass {
  readonly ms: number;
  readonly rows: readonly number[];
}

/** The searches in a process without Node. */
interface Bare {
  pass(batch: number): Promise<Pass>;
  close(): void;
}

/** Numbers of a search, in the order of native.cc. */
function numbersOf(asked: GraphWalk): Float64Array {
  const { graph, grid } = asked;
  const { rowCount, nodes, stride, degree, metric } = graph;
  const capacity = Math.max(512, asked.capacity);
  const shape = [rowCount, nodes, stride, degree, METRIC_CODE[metric]];
  const parts = [graph.codes, graph.terms, graph.links, graph.upperRows, graph.upperLinks];
  const about = [METRIC_CODE[asked.metric], asked.dim, grid.low, grid.step];
  const widths = [asked.ef, asked.capacity, asked.candidates, asked.distancesMax];
  const scratchBytes = graphScratchBytes({ graph, capacity, build: false });
  return Float64Array.from([shape, parts, about, widths, BUDGET, LIMIT, scratchBytes].flat());
}

function compile(isa: string, to: string): void {
  const sources = join(import.meta.dirname, '../../packages/kernels/native');
  const flags = ISAS[process.arch]?.[isa];
  if (flags === undefined) throw new Error(`${isa} is not compiled on ${process.arch}`);
  const made = spawnSync(
    process.env['CXX'] ?? 'g++',
    ['-O3', ...LANGUAGE, ...flags, '-DELANUS_TABLE=elanusBench', `-I${sources}`].concat(
      join(import.meta.dirname, 'native.cc'),
      join(sources, 'kernels.cc'),
      ['-o', to],
    ),
    { encoding: 'utf8' },
  );
  if (made.status !== 0) throw new Error(made.stderr);
}

function bare(kernels: Kernels, data: BenchData, asked: GraphWalk): Bare {
  const folder = mkdtempSync(join(tmpdir(), 'elanus-native-'));
  const keep = (name: string, bytes: Uint8Array): string => {
    const path = join(folder, name);
    writeFileSync(path, bytes);
    return path;
  };
  const raw = (values: Float32Array | Float64Array): Uint8Array =>
    new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
  const { column, queries } = data;
  const { memory } = asked.graph;
  const args = [
    keep('numbers', raw(numbersOf(asked))),
    keep('graph', bytesOf(memory, memoryBytes(memory))),
    keep('rows', bytesOf(column.rows, column.rowCount * column.dim * 4)),
    keep('queries', raw(queries)),
    asked.inverseNorms === undefined ? '-' : keep('norms', raw(asked.inverseNorms)),
  ];
  const program = join(folder, 'searches');
  compile(kernels.isa, program);
  const child = spawn(program, args);
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  return {
    pass: async (batch) => {
      child.stdin.write(`${batch}\n`);
      const { value } = await lines.next();
      const [ms = 0, ...rows] = String(value).split(' ').map(Number);
      return { ms, rows };
    },
    close: () => {
      child.stdin.end();
      rmSync(folder, { recursive: true });
    },
  };
}

function passOf(index: VectorIndex, { column, queries }: BenchData, batch: number): Pass {
  const tops = Array.from({ length: Math.ceil(QUERIES / batch) }, (_, i) =>
    createTopK(Math.min(batch, QUERIES - i * batch), LIMIT),
  );
  const started = process.threadCpuUsage();
  for (const [i, top] of tops.entries()) {
    const from = i * batch * column.dim;
    index.search({ queries: queries.subarray(from, from + top.nq * column.dim), top });
  }
  const { user, system } = process.threadCpuUsage(started);
  return { ms: (user + system) / 1000, rows: tops.flatMap((top) => [...top.rows]) };
}

/** Our share of the speed of C++, one query a call and 64. Nothing without a compiler. */
export async function nativeFigures(
  kernels: Kernels,
  data: BenchData,
  file: IndexFile,
): Promise<readonly Figure[]> {
  const { column, name } = data;
  let asked: GraphWalk | undefined;
  const searchGraph = (args: SearchGraph): boolean => {
    asked = args.walk;
    return kernels.searchGraph(args);
  };
  const image = { ...file, path: 'bench' };
  const spied = openIndex({ kernels: { ...kernels, searchGraph }, column, image });
  spied.search({ queries: data.queries.subarray(0, column.dim), top: createTopK(1, LIMIT) });
  if (asked === undefined || !kernels.native) {
    note(`${name}: no graph, or no native kernels: nothing to compare with C++`);
    return [];
  }
  const index = openIndex({ kernels, column, image });
  const other = bare(kernels, data, asked);
  const figures: Figure[] = [];
  for (const { batch, atLeast } of CALLS) {
    const ratios: number[] = [];
    for (let n = 0; n < WARM + PASSES; n++) {
      const theirs = await other.pass(batch);
      const ours = passOf(index, data, batch);
      if (theirs.rows.some((row, i) => row !== ours.rows[i])) throw new Error('other rows in C++');
      if (n >= WARM) ratios.push(theirs.ms / ours.ms);
    }
    const what = `${name}: from Node : the same code in C++, ${batch} a call`;
    figures.push({ what, measured: median(ratios), unit: 'x', atLeast });
  }
  other.close();
  return figures;
}
