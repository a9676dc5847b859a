import { isElanusError } from '@elanus/core';
import type { Metric } from '@elanus/core';
import { bytesOf, createTopK, elementsOf, floatsOf, loadKernels } from '@elanus/kernels';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { crc32 } from 'node:zlib';

import { buildIndex, buildSteps } from './build.ts';
import type { VectorColumn } from './column.ts';
import { graphShape } from './hnsw-build.ts';
import { INDEX_HEADER_BYTES, indexLayout, readIndexHeader, sealSteps } from './index-file.ts';
import { openIndex } from './open.ts';
import type { IndexKind } from './vector-index.ts';

const kernels = loadKernels();
const METRICS = ['l2', 'ip', 'cosine'] as const;
const GRAPHS = ['HNSW', 'HNSW_FLAT', 'HNSW_BF16'] as const;
const KINDS = ['FLAT', 'FLAT_SQ8', ...GRAPHS] as const;

function columnOf(rowCount: number, dim: number): VectorColumn {
  const rows = kernels.allocate(Math.max(4, rowCount * dim * 4));
  const values = floatsOf(rows, rowCount * dim);
  for (let i = 0; i < values.length; i++) values[i] = Math.sin(i * 0.7) * 3;
  return { rows, rowCount, dim };
}

const column = columnOf(300, 10);

/** Rows of other elements, of as many rows: numbers around 1, bits of any kind. */
function narrowColumn(element: 'float16' | 'bfloat16' | 'int8' | 'binary'): VectorColumn {
  const dim = element === 'binary' ? 80 : 10;
  const rows = kernels.allocate(300 * dim * 2);
  if (element === 'binary' || element === 'int8') {
    const bytes = bytesOf(rows, 300 * dim);
    for (let i = 0; i < bytes.length; i++) bytes[i] = Math.imul(i, 2654435761) >>> 24;
  } else {
    const one = element === 'float16' ? 0x3c00 : 0x3f80;
    const halves = elementsOf(rows, element, { length: 300 * dim });
    for (let i = 0; i < halves.length; i++) halves[i] = one + (Math.imul(i, 40_503) & 0x803f);
  }
  return { rows, rowCount: 300, dim, element };
}

/** The bytes of a sound file. */
function fileOf(kind: IndexKind, metric: Metric, of: VectorColumn = column): Uint8Array {
  const steps = buildSteps({ kernels, kind, metric, column: of });
  let step = steps.next();
  while (step.done !== true) step = steps.next();
  return bytesOf(step.value.memory, step.value.bytes).slice();
}

function openFile(bytes: Uint8Array, of: VectorColumn = column) {
  const memory = kernels.allocate(Math.max(1, bytes.length));
  bytesOf(memory, bytes.length).set(bytes);
  return openIndex({
    kernels,
    column: of,
    image: { memory, bytes: bytes.length, path: 'x.index' },
  });
}

function codeOf(call: () => unknown): string | undefined {
  try {
    call();
    return undefined;
  } catch (error) {
    if (isElanusError(error)) return error.code;
    throw error;
  }
}

/** Makes the header's checksum right again, as an attacker would. */
function reseal(bytes: Uint8Array): Uint8Array {
  new DataView(bytes.buffer).setUint32(252, crc32(bytes.subarray(0, 252)), true);
  return bytes;
}

const FILES = [
  { kind: 'FLAT_SQ8', metric: 'ip', column, element: 'float32' },
  { kind: 'HNSW', metric: 'ip', column, element: 'float32' },
  { kind: 'FLAT', metric: 'cosine', column: narrowColumn('float16'), element: 'float16' },
  { kind: 'FLAT_SQ8', metric: 'l2', column: narrowColumn('int8'), element: 'int8' },
  { kind: 'HNSW', metric: 'cosine', column: narrowColumn('bfloat16'), element: 'bfloat16' },
  { kind: 'HNSW_FLAT', metric: 'cosine', column: narrowColumn('int8'), element: 'int8' },
  { kind: 'HNSW_BF16', metric: 'cosine', column, element: 'float32' },
  { kind: 'IVF_FLAT', metric: 'cosine', column, element: 'float32' },
  { kind: 'IVF_SQ8', metric: 'ip', column: narrowColumn('float16'), element: 'float16' },
  { kind: 'IVF_RABITQ', metric: 'cosine', column: narrowColumn('int8'), element: 'int8' },
  { kind: 'BIN_FLAT', metric: 'jaccard', column: narrowColumn('binary'), element: 'binary' },
  { kind: 'BIN_IVF_FLAT', metric: 'hamming', column: narrowColumn('binary'), element: 'binary' },
] as const;

describe.each(FILES)('a file, $kind of $element', (sealed) => {
  const sound = fileOf(sealed.kind, sealed.metric, sealed.column);
  const openBytes = (bytes: Uint8Array, of: VectorColumn = sealed.column) => openFile(bytes, of);

  test('opens with what was built', () => {
    const index = openBytes(sound);
    const { kind, metric, rowCount, dim } = index;
    const of = { rowCount: 300, dim: sealed.column.dim };
    expect({ kind, metric, rowCount, dim }).toEqual({
      kind: sealed.kind,
      metric: sealed.metric,
      ...of,
    });
    expect(index.bytes).toBe(sound.length);
  });

  test('with any one bit flipped is refused', () => {
    fc.assert(
      fc.property(fc.nat(sound.length - 1), fc.nat(7), (at, bit) => {
        const bytes = sound.slice();
        bytes[at] = (bytes[at] ?? 0) ^ (1 << bit);
        expect(codeOf(() => openBytes(bytes))).toBe('file_corrupt');
      }),
      { numRuns: 1000 },
    );
  });

  test('cut anywhere, or with bytes behind it, is refused', () => {
    fc.assert(
      fc.property(fc.nat(sound.length - 1), (length) => {
        expect(codeOf(() => openBytes(sound.slice(0, length)))).toBe('file_corrupt');
      }),
      { numRuns: 300 },
    );
    expect(codeOf(() => openBytes(Uint8Array.of(...sound, 0)))).toBe('file_corrupt');
  });

  test('whose header lies under a right checksum is refused, never followed', () => {
    const edges = fc.constantFrom(0, 1, 2, 3, 4, 5, 255, 256, 0x7fffffff, 0x80000000, 0xffffffff);
    fc.assert(
      fc.property(fc.integer({ min: 2, max: 60 }), fc.oneof(edges, fc.nat()), (word, value) => {
        const bytes = sound.slice();
        const view = new DataView(bytes.buffer);
        const field = word * 4;
        // Writer features, low, step, norm, candidates, efConstruction: any value is a legal file.
        if (field === 16 || (field >= 40 && field < 56) || field === 156) return;
        const old = view.getUint32(field, true);
        if (old === value) return;
        // As many upper nodes: the same layout, and links are not trusted anyway.
        if (field === 152 && value >> 4 === old >> 4) return;
        // Files of rows alone are the same for some metrics.
        if (sealed.kind.startsWith('BIN') && field === 24 && value > 2 && value < 6) return;
        view.setUint32(field, value, true);
        expect(codeOf(() => openBytes(reseal(bytes)))).toMatch(/file_corrupt|format_too_new/);
      }),
      { numRuns: 1000 },
    );
  });

  test('with a grid that is no grid is refused', () => {
    for (const [at, value] of [
      [40, NaN],
      [44, 0],
      [44, -1],
      [44, Infinity],
      [48, NaN],
    ] as const) {
      const bytes = sound.slice();
      new DataView(bytes.buffer).setFloat32(at, value, true);
      expect(codeOf(() => openBytes(reseal(bytes)))).toBe('file_corrupt');
    }
  });

  test('of a newer version or with an unknown reader feature names both versions', () => {
    for (const field of [8, 12]) {
      const bytes = sound.slice();
      new DataView(bytes.buffer).setUint32(field, 4, true);
      expect(codeOf(() => openBytes(reseal(bytes)))).toBe('format_too_new');
    }
    const harmless = sound.slice();
    new DataView(harmless.buffer).setUint32(16, 2, true);
    expect(codeOf(() => openBytes(reseal(harmless)))).toBeUndefined();
  });

  test('of another segment is refused', () => {
    const { column: own } = sealed;
    for (const other of [
      { ...own, rowCount: 299 },
      { ...own, dim: own.dim === 80 ? 72 : 9 },
      { ...own, element: sealed.element === 'int8' ? 'bfloat16' : 'int8' } as const,
    ]) {
      expect(codeOf(() => openBytes(sound, other))).toBe('file_corrupt');
    }
  });
});

test('a file says which block is damaged', () => {
  const big = columnOf(20_000, 32);
  const steps = buildSteps({ kernels, kind: 'FLAT_SQ8', metric: 'l2', column: big });
  let step = steps.next();
  while (step.done !== true) step = steps.next();
  const bytes = bytesOf(step.value.memory, step.value.bytes).slice();
  bytes[INDEX_HEADER_BYTES + 300_000] = (bytes[INDEX_HEADER_BYTES + 300_000] ?? 0) ^ 1;
  expect(() => openFile(bytes, big)).toThrow(/offset=`262400`/);
});

test('a graph of nonsense under right checksums answers with rows that there are', () => {
  const random = fc.oneof(fc.nat(299), fc.nat(), fc.constantFrom(0xffffffff, 0x7fffffff, 300));
  const words = fc.array(random, { minLength: 64, maxLength: 64 });
  const parts = ['links', 'upperRows', 'upperLinks', 'curve', 'terms', 'codes'] as const;
  const sections = fc.constantFrom(...parts, 'inverseNorms' as const);
  const kinds = fc.tuple(fc.constantFrom(...GRAPHS), fc.constantFrom(...METRICS));
  fc.assert(
    fc.property(words, sections, kinds, (some, at, [kind, m]) => {
      const bytes = fileOf(kind, m);
      const memory = kernels.allocate(bytes.length);
      bytesOf(memory, bytes.length).set(bytes);
      const image = { memory, bytes: bytes.length, path: 'x.index' };
      const header = readIndexHeader(image);
      const { offset, bytes: size } = indexLayout(header).sections[at];
      const into = new Uint32Array(memory.buffer, memory.byteOffset + offset, size / 4);
      for (let i = 0; i < into.length; i++) into[i] = some[i % some.length] ?? 0;
      for (const _ of sealSteps(memory, header)) continue;
      const index = openIndex({ kernels, column, image });
      const queries = floatsOf(column.rows, 20);
      for (const ef of [undefined, 20]) {
        const top = createTopK(2, 10);
        index.search({ queries, top, ef });
        expect([...top.counts]).toEqual([10, 10]);
        expect(top.rows.every((row) => row < 300)).toBe(true);
        expect(new Set(top.rows.subarray(0, 10)).size).toBe(10);
      }
    }),
    { numRuns: 100 },
  );
});

test('any layout has aligned sections that do not overlap', () => {
  const kind = fc.constantFrom(...KINDS);
  const nodes = fc.double({ min: 0, max: 1, noNaN: true });
  const degree = fc.integer({ min: 2, max: 64 });
  const metric = fc.constantFrom(...METRICS);
  const rowCount = fc.nat(5_000_000);
  const dim = fc.integer({ min: 1, max: 32_768 });
  fc.assert(
    fc.property(fc.record({ kind, metric, dim, rowCount, nodes, degree }), (drawn) => {
      const linked = Math.floor(drawn.nodes * drawn.rowCount);
      const graph = { degree: drawn.degree, nodes: linked, efConstruction: 100 };
      const shape = drawn.kind.startsWith('HNSW') ? { ...drawn, graph } : drawn;
      const layout = indexLayout(shape);
      let end = INDEX_HEADER_BYTES;
      for (const section of Object.values(layout.sections)) {
        if (section.bytes === 0) continue;
        expect(section.offset % 64).toBe(0);
        expect(section.offset).toBeGreaterThanOrEqual(end);
        end = section.offset + section.bytes;
      }
      expect(layout.checksums.offset).toBeGreaterThanOrEqual(end);
      expect(layout.bytes).toBe(layout.checksums.offset + layout.checksums.bytes);
    }),
  );
});

describe('a build', () => {
  const plan = { kernels, kind: 'FLAT_SQ8', metric: 'cosine', column } as const;

  test('pauses between steps and reports progress up to 1', async () => {
    const shares: number[] = [];
    let pauses = 0;
    const pause = async () => void pauses++;
    const file = await buildIndex(plan, { pause, onProgress: (share) => shares.push(share) });
    expect(pauses).toBeGreaterThan(3);
    expect(shares).toEqual([...shares].sort((a, b) => a - b));
    expect(shares.every((share) => share > 0 && share <= 1)).toBe(true);
    expect(readIndexHeader({ ...file, path: 'x' }).candidatesOfTen).toBeGreaterThanOrEqual(30);
  });

  test('stops at the next step when cancelled', async () => {
    const control = new AbortController();
    let pauses = 0;
    const pause = async () => {
      if (++pauses === 2) control.abort();
    };
    const built = buildIndex(plan, { pause, signal: control.signal });
    await expect(built).rejects.toSatisfy((error) => isElanusError(error, 'cancelled'));
    expect(pauses).toBe(2);
  });

  test('trains the grid on rows as they are coded: normalised for COSINE', async () => {
    const long = columnOf(400, 12);
    const values = floatsOf(long.rows, 400 * 12);
    for (let i = 0; i < values.length; i++) values[i] = (values[i] ?? 0) * 1000;
    const file = await buildIndex({ ...plan, column: long }, { pause: async () => undefined });
    const { grid } = readIndexHeader({ ...file, path: 'x' });
    expect(grid.step * 255).toBeLessThanOrEqual(2.01);
    expect(grid.low).toBeGreaterThanOrEqual(-1.01);
  });

  test('asks for many candidates where codes tell little', () => {
    // Two groups a million apart: the grid cannot tell rows of a group from each other.
    const apart = columnOf(2000, 16);
    const values = floatsOf(apart.rows, 2000 * 16);
    for (let i = 0; i < values.length; i++) values[i] = (values[i] ?? 0) + (i % 32 < 16 ? 0 : 1e6);
    const steps = buildSteps({ ...plan, metric: 'l2', column: apart });
    let step = steps.next();
    while (step.done !== true) step = steps.next();
    const header = readIndexHeader({ ...step.value, path: 'x' });
    expect(header.candidatesOfTen).toBeGreaterThan(500);
  });
});

test.each([
  ['cosine', 768, 100_000],
  ['cosine', 100, 341_000],
  ['l2', 784, 100_000],
] as const)(
  'a graph over codes keeps at most 140 bytes besides these, %s, %i',
  (metric, dim, rowCount) => {
    const graph = graphShape(undefined, rowCount);
    const { bytes } = indexLayout({ kind: 'HNSW', metric, dim, rowCount, graph });
    expect(bytes / rowCount).toBeLessThanOrEqual(Math.ceil(dim / 64) * 64 + 140);
  },
);
