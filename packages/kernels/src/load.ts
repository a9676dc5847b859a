import type { KernelChoice, KernelIsa, Kernels } from './kernels.ts';
import { createNativeKernels, loadAddon } from './native.ts';
import { createWasmKernels } from './wasm.ts';

/** From fast to slow; the first that the machine has serves 'auto'. */
const PREFERENCE: readonly KernelIsa[] = ['avx512', 'avx2', 'neon', 'sse2', 'wasm'];

const loaded = new Map<KernelChoice, Kernels>();

/** The instruction sets that can be forced here, fast to slow; 'wasm' is always one. */
export function availableIsas(): readonly KernelIsa[] {
  const native = loadAddon()?.isas ?? [];
  return PREFERENCE.filter((isa) => isa === 'wasm' || native.includes(isa));
}

function load(choice: KernelChoice): Kernels {
  const isa = choice === 'auto' ? (availableIsas()[0] ?? 'wasm') : choice;
  if (isa === 'wasm') return createWasmKernels();
  const addon = loadAddon();
  if (addon === undefined) throw new RangeError(`kernels: no addon here, so no ${isa}; use 'auto'`);
  return createNativeKernels(addon, isa);
}

/**
 * The kernels of this thread, loaded once per choice. 'auto' = native when the addon loads, else
 * WebAssembly; equal results either way. The choice comes from the caller (runtime reads the
 * setting): this package reads no environment.
 *
 * @throws RangeError when a forced instruction set is not available
 */
export function loadKernels(choice: KernelChoice = 'auto'): Kernels {
  const known = loaded.get(choice);
  if (known !== undefined) return known;
  const kernels = load(choice);
  loaded.set(choice, kernels);
  return kernels;
}
