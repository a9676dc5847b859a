import type { Curtain } from './stage.ts';
export async function wordsDemo(_a: string, _b: Curtain): Promise<void> {}
