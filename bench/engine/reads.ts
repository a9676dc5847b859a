/** What the memory of this machine allows two threads: random reads of codes in plain C++. */
import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { note } from '../bench.ts';

/** Threads without Node that read rows of codes in no order. */
export interface Reads {
  /** Milliseconds by the clock that passes of so many threads at once take. */
  pass(threads: number): Promise<number>;
  close(): void;
}

/** Starts the program; undefined without a compiler. */
export function randomReads(codes: {
  readonly rowCount: number;
  readonly stride: number;
}): Reads | undefined {
  const folder = mkdtempSync(join(tmpdir(), 'elanus-reads-'));
  const program = join(folder, 'reads');
  const source = join(import.meta.dirname, 'reads.cc');
  const flags = ['-std=c++17', '-O3', '-pthread', source, '-o', program];
  const made = spawnSync(process.env['CXX'] ?? 'g++', flags);
  if (made.status !== 0) {
    note('no compiler: what the machine allows two threads is not measured');
    rmSync(folder, { recursive: true });
    return undefined;
  }
  const child = spawn(program, [String(codes.rowCount), String(codes.stride)]);
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  return {
    pass: async (threads) => {
      child.stdin.write(`${threads}\n`);
      const { value } = await lines.next();
      return Number(String(value).split(' ')[0]);
    },
    close: () => {
      child.stdin.end();
      rmSync(folder, { recursive: true });
    },
  };
}
