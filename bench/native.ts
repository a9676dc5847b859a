import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

/** A small addon of a bench, compiled for this run; undefined without a compiler. */
export function compileNative<T>(source: string): T | undefined {
  const folder = mkdtempSync(join(tmpdir(), 'elanus-bench-'));
  const output = join(folder, 'made.node');
  const include = join(dirname(dirname(process.execPath)), 'include', 'node');
  const flags = ['-std=c++17', '-O3', '-mavx2', '-fPIC', '-shared', '-I', include];
  const portable = process.arch === 'x64' ? flags : flags.filter((flag) => flag !== '-mavx2');
  const made = spawnSync(process.env['CXX'] ?? 'g++', [...portable, source, '-o', output]);
  const addon = made.status === 0 ? (createRequire(import.meta.url)(output) as T) : undefined;
  rmSync(folder, { recursive: true });
  return addon;
}
