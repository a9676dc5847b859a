import { spawnSync } from 'node:child_process';
import { join } from 'node:path';

/**
 * Runs a script of this folder in a fresh process; its last line is JSON. `v8` are flags that it
 * cannot do without: with any of V8's, Node compiles its own modules anew, in each thread.
 */
export function inChild<T>(
  script: string,
  args: readonly string[] = [],
  v8: readonly string[] = [],
): T {
  const flags = [...process.execArgv.filter((flag) => flag.startsWith('--conditions=')), ...v8];
  const path = join(import.meta.dirname, script);
  const made = spawnSync(process.execPath, [...flags, path, ...args], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const line = made.stdout.trim().split('\n').at(-1) ?? '';
  if (made.status !== 0) throw new Error(`${script} ended with ${made.status}`);
  return JSON.parse(line) as T;
}
