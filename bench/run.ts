/**
 * What has to be shown, by command:
 *
 *     pnpm bench              the list
 *     pnpm bench insert       one of them, or several
 *     pnpm bench all          all of them
 *
 * Each runs in a process of its own, from `dist` when that is as new as the source (what users
 * run), else from the source. Results are kept as JSON in `bench/results/`.
 */
import { spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { holds, machine, type Bench, type Figure } from './bench.ts';

const here = import.meta.dirname;

/** Names and their modules, in the order of the list. */
const BENCHES: Readonly<Record<string, () => Promise<{ readonly bench: Bench }>>> = {
  insert: () => import('./insert.ts'),
  scan: () => import('./scan.ts'),
  'first-hit': () => import('./first-hit.ts'),
  reopen: () => import('./reopen.ts'),
  load: () => import('./load.ts'),
  kills: () => import('./kills.ts'),
  log: () => import('./log.ts'),
  recovery: () => import('./recovery.ts'),
  compaction: () => import('./compaction.ts'),
  'power-cuts': () => import('./power-cuts.ts'),
  damage: () => import('./damage.ts'),
  engine: () => import('./engine.ts'),
  filters: () => import('./filters.ts'),
  'scalar-index': () => import('./scalar-index.ts'),
};

/** Whether every package was built since its source last changed. */
function distIsFresh(): boolean {
  const packages = join(here, '..', 'packages');
  try {
    return readdirSync(packages).every((name) => {
      const folder = join(packages, name);
      const built = statSync(join(folder, 'dist', '.tsbuildinfo')).mtimeMs;
      return readdirSync(join(folder, 'src'), { recursive: true, encoding: 'utf8' })
        .filter((file) => file.endsWith('.ts') && !file.endsWith('.test.ts'))
        .every((file) => statSync(join(folder, 'src', file)).mtimeMs <= built);
    });
  } catch {
    return false;
  }
}

const number = (value: number): string =>
  value.toLocaleString('en', { maximumFractionDigits: Math.abs(value) < 100 ? 2 : 0 });

function target({ atLeast, atMost }: Figure): string {
  if (atLeast !== undefined) return `>= ${number(atLeast)}`;
  return atMost === undefined ? '' : `<= ${number(atMost)}`;
}

function print(figures: readonly Figure[]): void {
  const rows = figures.map((figure) => [
    figure.what,
    `${number(figure.measured)} ${figure.unit}`.trim(),
    target(figure),
    target(figure) === '' ? '' : holds(figure) ? 'ok' : 'MISSED',
  ]);
  rows.unshift(['figure', 'measured', 'target', '']);
  const widths = [0, 1, 2, 3].map((at) => Math.max(...rows.map((row) => row[at]?.length ?? 0)));
  for (const row of rows) {
    console.log(`  ${row.map((cell, at) => cell.padEnd(widths[at] ?? 0)).join('  ')}`.trimEnd());
  }
}

/** Measures, in this process. */
async function inside(name: string): Promise<void> {
  const load = BENCHES[name];
  if (load === undefined) throw new Error(`no bench ${name}`);
  const { bench } = await load();
  const built = process.execArgv.some((arg) => arg.includes('elanus:source')) ? 'source' : 'dist';
  const on = machine();
  console.log(`${name}: ${bench.what}`);
  console.log(
    `  ${on.cpu}, ${on.cores} cores, ${on.memoryGiB} GiB, ${on.platform}, Node ${on.node}, ` +
      `${on.isa}, from ${built}`,
  );
  const figures = await bench.run();
  print(figures);
  mkdirSync(join(here, 'results'), { recursive: true });
  const result = { name, what: bench.what, date: new Date().toISOString(), machine: on, built };
  const path = join(here, 'results', `${name}.json`);
  writeFileSync(path, `${JSON.stringify({ ...result, figures }, null, 2)}\n`);
  process.exitCode = figures.every(holds) ? 0 : 1;
}

async function list(): Promise<void> {
  console.log('pnpm bench <name ...> | all\n');
  for (const [name, load] of Object.entries(BENCHES)) {
    const { bench } = await load();
    console.log(`  ${name.padEnd(10)} ${bench.what} (${bench.seconds} s)`);
  }
  console.log('\nOf single parts: bench/kernels, bench/index, bench/storage, bench/expr.');
}

/** Runs each in a process of its own; true when all figures hold. */
function runAll(names: readonly string[]): boolean {
  const flags = distIsFresh() ? [] : ['--conditions=elanus:source'];
  let fine = true;
  for (const name of names) {
    const script = [...flags, '--expose-gc', join(here, 'run.ts'), '--inside', name];
    const { status } = spawnSync(process.execPath, script, { stdio: 'inherit' });
    fine &&= status === 0;
  }
  return fine;
}

const [first = '', ...rest] = process.argv.slice(2);
if (first === '--inside') await inside(rest[0] ?? '');
else if (first === '') await list();
else {
  const names = first === 'all' ? Object.keys(BENCHES) : [first, ...rest];
  const unknown = names.find((name) => !Object.hasOwn(BENCHES, name));
  if (unknown === undefined) process.exitCode = runAll(names) ? 0 : 1;
  else {
    console.error(`no bench ${unknown}; there are: ${Object.keys(BENCHES).join(', ')}`);
    process.exitCode = 2;
  }
}
