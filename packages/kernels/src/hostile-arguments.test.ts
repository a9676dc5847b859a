import fc from 'fast-check';
import { describe, expect, test } from 'vitest';

import { availableIsas, loadKernels } from './load.ts';
import { loadAddon } from './native.ts';
import type { NativeAddon } from './native.ts';
import {
  DIM,
  graphArguments,
  LINKED,
  rightArguments,
  rightCalls,
  ROWS,
} from './right-arguments.ts';
import { createTopK } from './topk.ts';

/** Whatever is passed: a TypeError or RangeError, or a harmless call. Never a crash. */
const HOSTILE: readonly unknown[] = [
  undefined,
  null,
  Number.NaN,
  -1,
  0.5,
  2 ** 31,
  2 ** 32,
  2 ** 53,
  Infinity,
  '1',
  10n,
  {},
  [],
  () => 1,
  Symbol('s'),
  new Float64Array(64),
  new Float32Array(0),
  new Float32Array(3),
  new Uint32Array(0),
  new Uint32Array(1),
  new Uint8Array(1),
  new Int8Array(16),
  new DataView(new ArrayBuffer(8)),
  new ArrayBuffer(64),
  new SharedArrayBuffer(64),
  new Proxy(new Float32Array(8), {}),
  detached(new Float32Array(4096)),
  detached(new Uint32Array(4096)),
];

function detached<T extends { readonly buffer: ArrayBufferLike }>(array: T): T {
  structuredClone(array.buffer, { transfer: [array.buffer as ArrayBuffer] });
  return array;
}

type Method = (args: unknown) => unknown;

function refusal(call: () => unknown): unknown {
  try {
    call();
    return undefined;
  } catch (error) {
    return error;
  }
}

/** Arguments of a graph kernel, with a part of them, or of their walk, made another. */
function changed(right: Record<string, unknown> = {}, part: object): Record<string, unknown> {
  const { walk } = right;
  return walk === undefined ? { ...right, ...part } : { ...right, walk: { ...walk, ...part } };
}

function expectRefusal(error: unknown): void {
  if (error === undefined) return;
  expect(error).toSatisfy((one) => one instanceof TypeError || one instanceof RangeError);
}

describe.each(availableIsas())('%s', (isa) => {
  const kernels = loadKernels(isa);
  const methods = kernels as unknown as Record<string, Method>;

  test('right arguments are taken', () => {
    for (const [name, args] of Object.entries(rightArguments(kernels))) {
      expect(refusal(() => methods[name]?.(args))).toBeUndefined();
    }
  });

  test('one wrong argument at a time is refused or harmless', () => {
    for (const [name, right] of Object.entries(rightArguments(kernels))) {
      for (const key of Object.keys(right)) {
        for (const wrong of HOSTILE) {
          const args = { ...rightArguments(kernels)[name], [key]: wrong };
          expectRefusal(refusal(() => methods[name]?.(args)));
        }
      }
    }
  });

  test('rows of other elements are as long as they are, and not what they are not', () => {
    const elements = ['float32', 'float16', 'bfloat16', 'int8', 'binary', 'constructor', 3, null];
    for (const name of ['scanRows', 'rerankRows', 'scoreRows', 'inverseNorms', 'encodeSq8']) {
      for (const element of elements) {
        for (const bytes of [
          1,
          ROWS * DIM - 128,
          ROWS * DIM,
          ROWS * DIM * 2 - 128,
          ROWS * DIM * 2,
        ]) {
          const rows = kernels.allocate(bytes);
          const args = { ...rightArguments(kernels)[name], rows, element };
          const error = refusal(() => methods[name]?.(args));
          expectRefusal(error);
          const width = element === 'int8' ? 1 : element === 'float32' ? 4 : 2;
          const fits = kernels.native && bytes >= ROWS * DIM * width;
          const known = elements.indexOf(element) < 4;
          if (kernels.native) expect(error === undefined).toBe(known && fits);
        }
      }
    }
  });

  test('rows of bits have whole bytes', () => {
    for (const name of ['scanBits', 'scoreBits']) {
      for (const dim of [0, 1, 7, 12, 103, 105, 262_152, 2 ** 31]) {
        const args = { ...rightArguments(kernels)[name], dim };
        expect(refusal(() => methods[name]?.(args))).toBeInstanceOf(RangeError);
      }
    }
  });

  test('a graph that lies about itself is refused or harmless', () => {
    for (const name of ['searchGraph', 'findLinks', 'mergeLinks']) {
      const right = graphArguments(kernels)[name] ?? {};
      const walk = (right['walk'] ?? right) as Record<string, unknown>;
      const graph = walk['graph'] as Record<string, unknown>;
      const sizes = [0, 1, 3, 63, 4096, 65_537, LINKED * 64 + 8, 2 ** 31 - 1];
      for (const key of Object.keys(graph)) {
        for (const wrong of [...HOSTILE, ...sizes]) {
          const args = changed(graphArguments(kernels)[name], {
            graph: { ...graph, [key]: wrong },
          });
          expectRefusal(refusal(() => methods[name]?.(args)));
        }
      }
    }
  });

  test('a walk that lies about itself is refused or harmless', () => {
    const walk = (graphArguments(kernels)['searchGraph'] ?? {})['walk'] as Record<string, unknown>;
    for (const key of Object.keys(walk)) {
      for (const wrong of [...HOSTILE, 0, 1, 3, 63, 4096, 65_537, 2 ** 31 - 1]) {
        const args = changed(graphArguments(kernels)['searchGraph'], { [key]: wrong });
        expectRefusal(refusal(() => kernels.searchGraph(args as never)));
      }
    }
  });

  test('numbers of a graph search out of every range are refused or harmless', () => {
    const numbers = fc.constantFrom(0, 1, 2, 5, 8, 9, 20, 39, 40, 41, 512, 65_536, 65_537, 2 ** 31);
    for (const name of ['searchGraph', 'findLinks', 'mergeLinks']) {
      const right = graphArguments(kernels)[name] ?? {};
      const keys = Object.entries({ ...right, ...(right['walk'] as object | undefined) });
      const names = keys.filter(([, value]) => typeof value === 'number').map(([key]) => key);
      const lies = fc.dictionary(fc.constantFrom(...names), numbers);
      fc.assert(
        fc.property(lies, (some) => {
          const args = { ...changed(graphArguments(kernels)[name], some), ...some };
          expectRefusal(refusal(() => methods[name]?.(args)));
        }),
        { numRuns: 60 },
      );
    }
  });

  test('results that lie about themselves are refused', () => {
    const scan = rightArguments(kernels)['scanRows'] ?? {};
    const top = createTopK(2, 5);
    for (const key of Object.keys(top)) {
      for (const wrong of HOSTILE) {
        const args = { ...scan, top: { ...createTopK(2, 5), [key]: wrong } };
        expectRefusal(refusal(() => kernels.scanRows(args as never)));
      }
    }
    top.counts.fill(0xffffffff);
    expectRefusal(refusal(() => kernels.scanRows({ ...scan, top } as never)));
    const sorted = { ...createTopK(2, 5), sorted: true };
    expect(() => kernels.scanRows({ ...scan, top: sorted } as never)).toThrow(RangeError);
  });

  test('memory that is too short, misplaced or not of allocate() is refused', () => {
    const scan = rightArguments(kernels)['scanRows'] ?? {};
    const { buffer } = kernels.allocate(ROWS * DIM * 4);
    for (const byteOffset of [-4, 2, 1e9, Number.NaN, buffer.byteLength - 4]) {
      const memory = scan['rows'] as { readonly buffer: SharedArrayBuffer };
      const rows = { ...memory, byteOffset };
      expect(() => kernels.scanRows({ ...scan, rows } as never)).toThrow();
    }
    const stranger = { buffer: new SharedArrayBuffer(1e6), memory: {}, byteOffset: 0 };
    expectRefusal(refusal(() => kernels.scanRows({ ...scan, rows: stranger } as never)));
    for (const bytes of [0, -1, Number.NaN, 0.5, '64', 2 ** 60]) {
      const error = refusal(() => kernels.allocate(bytes as number));
      expectRefusal(error);
      expect(error).toBeDefined();
    }
  });

  test('bitsets and values of other types are refused', () => {
    for (const a of HOSTILE) {
      for (const b of HOSTILE) {
        for (const name of ['and', 'or', 'andNot'] as const) {
          expectRefusal(refusal(() => kernels[name](a as Uint32Array, b as Uint32Array)));
        }
      }
      expectRefusal(refusal(() => kernels.popcount(a as Uint32Array)));
      expectRefusal(refusal(() => kernels.firstNonFinite(a as Float32Array)));
    }
  });
});

const FUNCTIONS = [
  ...(['scanRows', 'rerankRows', 'scoreRows', 'inverseNorms', 'encodeSq8'] as const),
  ...(['searchGraph', 'findLinks', 'mergeLinks'] as const),
  ...([
    'scanBits',
    'scoreBits',
    'scanSq8',
    'firstNonFinite',
    'combine',
    'popcount',
    'alignment',
  ] as const),
];

const built = loadAddon();
if (built !== undefined) describe('the native door by itself', () => testNativeDoor(built));

const GRAPH_FUNCTIONS: readonly string[] = ['searchGraph', 'findLinks', 'mergeLinks'];
const RABITQ_FUNCTIONS = ['rotateQueries', 'encodeRabitq', 'scanRabitq'];

function testNativeDoor(addon: NativeAddon): void {
  /** Plausible and hostile arguments mixed, so that some calls get far. */
  const argument = fc.oneof(
    { weight: 3, arbitrary: fc.integer({ min: 0, max: 4 }) },
    { weight: 2, arbitrary: fc.constantFrom(16, 32, 64, 2 ** 32 - 1, 2 ** 32, 1e18) },
    {
      weight: 4,
      arbitrary: fc
        .constantFrom(0, 1, 16, 64, 256)
        .chain((n) =>
          fc.constantFrom(
            new Float32Array(n),
            new Uint32Array(new SharedArrayBuffer(n * 4)).fill(0xffffffff),
            new Uint8Array(n),
            new Int8Array(n),
          ),
        ),
    },
    { weight: 2, arbitrary: fc.constantFrom(...HOSTILE) },
  );

  test.each(FUNCTIONS)('%s survives any arguments', (name) => {
    fc.assert(
      fc.property(fc.array(argument, { maxLength: 30 }), (args) => {
        const call = addon[name] as (...args: readonly unknown[]) => unknown;
        expectRefusal(refusal(() => call(...args)));
      }),
      { numRuns: 3000 },
    );
  });

  test('right calls of the graph kernels with some arguments replaced', () => {
    const calls = rightCalls(addon).filter((call) => GRAPH_FUNCTIONS.includes(call.name));
    expect(calls).toHaveLength(9);
    const replaced = fc.array(fc.tuple(fc.nat(29), argument), { minLength: 1, maxLength: 3 });
    const record = fc.array(fc.constantFrom(0, 1, 39, 40, 41, 63, 64, 2720, 1e9, -1, 0.5, NaN), {
      minLength: 26,
      maxLength: 26,
    });
    const places = fc.uniqueArray(fc.nat(25), { minLength: 1, maxLength: 5 });
    for (const { name, args } of calls) {
      const call = addon[name as 'searchGraph'];
      fc.assert(
        fc.property(replaced, record, places, (some, numbers, which) => {
          const changed = [...args];
          const right = changed[2] as Float64Array;
          changed[2] = right.map((value, i) => (which.includes(i) ? (numbers[i] ?? 0) : value));
          expectRefusal(refusal(() => call(...changed)));
          changed[2] = right;
          for (const [at, value] of some) changed[at % args.length] = value;
          expectRefusal(refusal(() => call(...changed)));
        }),
        { numRuns: 2000 },
      );
    }
  });

  test('an array one element short is refused', () => {
    const calls = rightCalls(addon);
    let tried = 0;
    for (const { name, args } of calls) {
      const call = addon[name as 'popcount'];
      for (const [i, value] of args.entries()) {
        // A shorter list of rows is a right list.
        const isList = value instanceof Uint32Array && value.length === 3;
        // The memory of a graph may have room behind its last part.
        const walks = GRAPH_FUNCTIONS.includes(name) || RABITQ_FUNCTIONS.includes(name);
        const isMemory = value instanceof Uint8Array && walks;
        if (!ArrayBuffer.isView(value) || isList || isMemory || name === 'alignment') continue;
        const short = (value as Float32Array).subarray(0, (value as Float32Array).length - 1);
        expect(() => call(...args.with(i, short)), `${name}, ${i}`).toThrow(RangeError);
        tried++;
      }
    }
    expect(tried).toBeGreaterThan(35);
  });

  test('an instruction set that this machine has not is refused', () => {
    for (const [code, isa] of addon.isas.entries()) {
      const call = () => addon.popcount(code, new Uint32Array(1));
      if (isa === null) expect(call).toThrow(RangeError);
      else expect(call()).toBe(0);
    }
    expect(() => addon.popcount(addon.isas.length, new Uint32Array(1))).toThrow(RangeError);
  });

  test('sums that overflow 64 bits are refused', () => {
    const one = new Float32Array(64);
    const top = [2 ** 32 - 1, one, new Uint32Array(64), new Uint32Array(8), new Uint8Array(8)];
    const scan = [0, 0, 16, one, null, 0, 4, 0, null, one, null, -1, 1];
    expect(() => addon.scanRows(...scan, ...top)).toThrow(RangeError);
    const rows = [0, 0, 32768, one, null, 0, 2 ** 32 - 1, 0, null, one, null, -1, 1];
    expect(() => addon.scanRows(...rows, 1, ...top.slice(1))).toThrow(RangeError);
  });
}
