import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { note, type Bench, type Figure } from './bench.ts';

const LINE = /^ {2}(l2|ip|cosine) .*?(\d+) % of the read/;

/** Exact search beside a plain read in C of the same bytes; see `bench/kernels/scan.ts`. */
export const bench: Bench = {
  what: 'exact search of 60,000 x 784 on one thread, as a share of a plain C read',
  seconds: 30,
  run: async () => {
    const script = join(import.meta.dirname, 'kernels', 'scan.ts');
    const made = spawnSync(process.execPath, ['--conditions=elanus:source', script], {
      encoding: 'utf8',
    });
    if (made.status !== 0) throw new Error(made.stderr);
    note(made.stdout);
    const figures: Figure[] = [];
    let isa = '';
    for (const line of made.stdout.split('\n')) {
      if (/^\w/.test(line)) isa = line.trim();
      const [, metric, share] = LINE.exec(line) ?? [];
      if (metric === undefined) continue;
      // The fastest instruction set is the one in use, and stands first.
      const atLeast = figures.length < 3 ? 80 : undefined;
      const what = `${metric} with ${isa}`;
      figures.push({ what, measured: Number(share), unit: '% of the read', atLeast });
    }
    return Promise.resolve(figures);
  },
};
