import { availableIsas } from '@elanus/kernels';
import { note } from './terminal.ts';

/** Says in one line when no native kernels are there; silent otherwise. */
export function kernelsNote(): void {
  if (availableIsas()[0] !== 'wasm') return;
  note('No native kernels here: WebAssembly serves, with the same results, 1.5 to 4 times slower.');
}
