/**
 * Draws what `pnpm bench engine` measured: searches a second over recall, a picture of our kinds of
 * index and one with peers for each set of data, as SVG in `docs/plots`. Reads
 * `bench/results/curves-*.json`; `--measure` makes them anew first, which takes half an hour.
 *
 *     node --conditions=elanus:source bench/plots.ts [--measure]
 */
import { spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Machine } from './bench.ts';
import type { Curve } from './engine/sweep.ts';

interface Result {
  readonly data: string;
  readonly what: 'kinds' | 'peers';
  readonly machine: Machine;
  readonly queries: number;
  readonly curves: readonly Curve[];
}

const WIDTH = 720;
const HEIGHT = 420;
const LEFT = 70;
const RIGHT = 170;
const TOP = 40;
const BOTTOM = 50;
const COLORS = ['#0b6e4f', '#c1666b', '#4281a4', '#b8860b', '#6b4e9b', '#555555', '#d1495b'];
const RECALLS = [0.7, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995, 1];

/** Recall by how much is missed: what matters lies between 0.9 and 1. */
const stretched = (recall: number): number => -Math.log10(1.002 - Math.min(recall, 1));

function scale(from: readonly [number, number], to: readonly [number, number]) {
  return (value: number): number =>
    to[0] + ((value - from[0]) / (from[1] - from[0])) * (to[1] - to[0]);
}

type Place = readonly [x: number, y: number];

const text = ([x, y]: Place, what: string, more = ''): string =>
  `<text x="${x.toFixed(1)}" y="${y.toFixed(1)}" ${more}>${what}</text>`;

const line = ([x1, y1]: Place, [x2, y2]: Place): string =>
  `<path d="M${x1.toFixed(1)} ${y1.toFixed(1)}L${x2.toFixed(1)} ${y2.toFixed(1)}" ` +
  'stroke="#d8d8d8"/>';

function ticksOf(low: number, high: number): number[] {
  const ticks: number[] = [];
  for (let power = 10 ** Math.floor(Math.log10(low)); power <= high; power *= 10) {
    for (const step of [1, 2, 5]) {
      if (power * step >= low && power * step <= high) ticks.push(power * step);
    }
  }
  return ticks;
}

function draw({ data, machine, queries, curves }: Result): string {
  const speeds = curves.flatMap(({ points }) => points.map(({ ms }) => (queries * 1000) / ms));
  const [low, high] = [Math.min(...speeds) * 0.8, Math.max(...speeds) * 1.25];
  const x = scale([stretched(0.7), stretched(1)], [LEFT, WIDTH - RIGHT]);
  const y = scale([Math.log10(low), Math.log10(high)], [HEIGHT - BOTTOM, TOP]);
  const parts = [
    text([LEFT, 22], `${data}: searches a second, one thread`, 'font-weight="bold"'),
    ...RECALLS.flatMap((recall) => [
      line([x(stretched(recall)), TOP], [x(stretched(recall)), HEIGHT - BOTTOM]),
      text([x(stretched(recall)), HEIGHT - BOTTOM + 18], String(recall), 'text-anchor="middle"'),
    ]),
    ...ticksOf(low, high).flatMap((tick) => [
      line([LEFT, y(Math.log10(tick))], [WIDTH - RIGHT, y(Math.log10(tick))]),
      text([LEFT - 8, y(Math.log10(tick)) + 4], tick.toLocaleString('en'), 'text-anchor="end"'),
    ]),
    text([(LEFT + WIDTH - RIGHT) / 2, HEIGHT - 12], 'recall@10', 'text-anchor="middle"'),
  ];
  curves.forEach(({ name, points }, i) => {
    const color = COLORS[i % COLORS.length] ?? '#000';
    const shown = points.filter(({ recall }) => recall >= 0.7);
    const at = shown.map(({ recall, ms }) => {
      return [x(stretched(recall)), y(Math.log10((queries * 1000) / ms))] as const;
    });
    const path = at.map(([px, py]) => `${px.toFixed(1)},${py.toFixed(1)}`).join(' ');
    parts.push(`<polyline points="${path}" fill="none" stroke="${color}" stroke-width="2"/>`);
    for (const [px, py] of at) {
      parts.push(`<circle cx="${px.toFixed(1)}" cy="${py.toFixed(1)}" r="3" fill="${color}"/>`);
    }
    const legend = TOP + 12 + i * 20;
    parts.push(`<circle cx="${WIDTH - RIGHT + 18}" cy="${legend - 4}" r="5" fill="${color}"/>`);
    parts.push(text([WIDTH - RIGHT + 30, legend], name));
  });
  const on = `${machine.cpu}, ${machine.isa}, Node ${machine.node}`;
  parts.push(text([WIDTH - 8, HEIGHT - 12], on, 'text-anchor="end" font-size="10" fill="#777"'));
  const head = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" `;
  const font = 'font-family="sans-serif" font-size="12"';
  const paper = '<rect width="100%" height="100%" fill="#fff"/>';
  return `${[`${head}${font}>`, paper, ...parts, '</svg>'].join('\n')}\n`;
}

function measure(): void {
  const env = { ELANUS_BENCH_PARTS: 'indexes,kinds', ELANUS_BENCH_DATA: 'digits,made,words' };
  spawnSync(process.execPath, ['--conditions=elanus:source', 'bench/run.ts', 'engine'], {
    cwd: join(import.meta.dirname, '..'),
    env: { ...process.env, ...env },
    stdio: 'inherit',
  });
}

if (process.argv.includes('--measure')) measure();
const results = join(import.meta.dirname, 'results');
const pictures = join(import.meta.dirname, '..', 'docs', 'plots');
mkdirSync(pictures, { recursive: true });
for (const file of readdirSync(results).filter((name) => name.startsWith('curves-'))) {
  const result = JSON.parse(readFileSync(join(results, file), 'utf8')) as Result;
  const picture = join(pictures, `${result.data}-${result.what}.svg`);
  writeFileSync(picture, draw(result));
  process.stdout.write(`${picture}\n`);
}
