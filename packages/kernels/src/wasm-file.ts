/**
 * The WebAssembly module of native/kernels.cc: a file that lies at the same place from `src`,
 * `dist` and a bundle. As text within the code it would be read by every program, twice by those
 * that use it, and that takes 8 ms.
 */
export function readWasm(): Uint8Array {
  const { readFileSync } = process.getBuiltinModule('node:fs');
  return readFileSync(new URL('../wasm/kernels.wasm', import.meta.url));
}
