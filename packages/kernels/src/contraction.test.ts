import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { afterAll, describe, expect, test } from 'vitest';

import { availableIsas } from './load.ts';
import { referenceInverseNorm } from './reference.ts';

const native = fileURLToPath(new URL('../native', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'elanus-contraction-'));
afterAll(() => rmSync(folder, { recursive: true }));

const ROWS = 300;
const DIM = 100;
const VALUE = (i: number): number => Math.fround(((i * 7919) % 10_007) / 997 - 5);

/** Prints the bits of the inverse norms of the rows below. */
const PROGRAM = `
#include "kernels.h"
#include <stdio.h>
#include <string.h>
static float rows[${ROWS * DIM}], out[${ROWS}];
int main() {
  for (int i = 0; i < ${ROWS * DIM}; i++) rows[i] = (float)((i * 7919LL) % 10007 / 997.0 - 5);
  InverseNorms norms = {ELEMENT_FLOAT32, ${DIM}, rows, 0, ${ROWS}, out};
  elanus_kernels_avx2()->inverseNorms(&norms);
  for (int i = 0; i < ${ROWS}; i++) {
    unsigned bits;
    memcpy(&bits, out + i, 4);
    printf("%u\\n", bits);
  }
}`;

const compiler = ['g++', 'clang++'].find((one) => spawnSync(one, ['--version']).status === 0);

/** Norms from kernels compiled with the given flags for AVX2 with FMA. */
function normsWith(flags: readonly string[]): readonly number[] {
  const source = join(folder, 'main.cc');
  const output = join(folder, `norms${flags.join('')}`);
  writeFileSync(source, PROGRAM);
  const common = ['-std=c++17', '-O3', '-mavx2', '-mf16c', '-mfma'].concat(
    '-DELANUS_TABLE=elanus_kernels_avx2',
  );
  const files = ['-I', native, source, join(native, 'kernels.cc'), '-o', output];
  const made = spawnSync(compiler ?? '', [...common, ...flags, ...files], { encoding: 'utf8' });
  expect(made.stderr).toBe('');
  return spawnSync(output, { encoding: 'utf8' }).stdout.trim().split('\n').map(Number);
}

/** Needs a compiler and AVX2 with FMA, as the machines that build releases have. */
describe('contraction', () => {
  if (compiler === undefined || process.arch !== 'x64') {
    test('cannot be shown here: the kernels tests compare bits all the same', () => {
      expect(availableIsas()).toContain('wasm');
    });
    return;
  }
  const values = Float32Array.from({ length: ROWS * DIM }, (_, i) => VALUE(i));
  const expected = Array.from({ length: ROWS }, (_, row) => {
    const norm = referenceInverseNorm(values.subarray(row * DIM, (row + 1) * DIM));
    return new Uint32Array(Float32Array.of(norm).buffer)[0];
  });

  test('the flag of the build gives the bits of the reference, even where FMA is allowed', () => {
    expect(normsWith(['-ffp-contract=off'])).toEqual(expected);
  });

  test('a build without the flag does not: it is vital', () => {
    expect(normsWith(['-ffp-contract=fast'])).not.toEqual(expected);
  });
});
