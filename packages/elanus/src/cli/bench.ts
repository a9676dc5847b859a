import { defineCommand } from 'citty';
import type { SelfCheck } from '../bench/self-check.ts';
import { usageError } from './failure.ts';
import { jsonLine } from './json-value.ts';
import { kernelsNote } from './kernels-note.ts';
import { bytes, count, duration, print, progress } from './terminal.ts';

/** `elanus bench`: what this machine makes of it, in half a minute. */
export const bench = defineCommand({
  meta: { name: 'bench', description: 'A short self-check: recall, searches a second, memory' },
  args: {
    rows: { type: 'string', description: 'Made rows, in clusters', default: '30000' },
    dim: { type: 'string', description: 'Numbers of a vector', default: '256' },
    seconds: { type: 'string', description: 'Of each way of searching', default: '2' },
    seed: { type: 'string', description: 'The same seed makes the same rows', default: '1' },
    json: { type: 'boolean', description: 'Print JSON', default: false },
  },
  run: async ({ args }) => {
    const rows = whole('rows', args.rows, 1_000_000);
    const dim = whole('dim', args.dim, 4_096);
    const seed = whole('seed', args.seed, 2 ** 31);
    const seconds = Number(args.seconds);
    if (!(seconds > 0 && seconds <= 60)) {
      throw usageError('`--seconds` is a number above 0, at most 60.');
    }
    const { selfCheck } = await import('../bench/self-check.ts');
    let shown: { readonly step: string; readonly bar: ReturnType<typeof progress> } | undefined;
    const onProgress = (step: string, done: number, total: number): void => {
      if (shown?.step !== step) {
        shown?.bar.clear();
        shown = { step, bar: progress(step, total) };
      }
      shown.bar.update(done);
    };
    const result = await selfCheck({ rows, dim, seed, seconds, onProgress });
    shown?.bar.clear();
    if (args.json) return print(jsonLine(result));
    kernelsNote();
    for (const line of linesOf(result)) print(line);
  },
});

/** @throws usage */
function whole(option: string, text: string, max: number): number {
  const value = Number(text);
  if (Number.isInteger(value) && value >= 1 && value <= max) return value;
  throw usageError(`\`--${option}\` is a whole number from 1 to ${count(max)}.`);
}

function linesOf(result: SelfCheck): readonly string[] {
  const { machine, data, insert, index, memory } = result;
  const rate = ({ rate: perSecond, medianMs }: SelfCheck['oneClient']): string =>
    `${count(perSecond)} searches/s, half of them within ${duration(medianMs)}`;
  const indexed =
    index.rows === 0
      ? 'no index: so few rows are scanned'
      : `${index.kind} over ${count(index.rows)} rows ${duration(index.ms)} after the last`;
  const rest = data.rows - index.rows;
  const scanned = index.rows > 0 && rest > 0 ? `; ${count(rest)} are scanned` : '';
  return [
    `machine        ${machine.cpu}, ${machine.cores} cores, Node ${machine.node}`,
    `kernels        ${machine.kernels}`,
    `data           ${count(data.rows)} x ${data.dim}, cosine, in clusters, seed ${data.seed}`,
    `insert         ${duration(insert.ms)}: ${count(insert.rowsPerSecond)} rows/s, in memory`,
    `index          ${indexed}${scanned}`,
    `recall@10      ${result.recallAt10.toFixed(3)}`,
    `one client     ${rate(result.oneClient)}`,
    `8 in flight    ${rate(result.eightInFlight)}`,
    `memory         rows ${bytes(memory.rowBytes)}, index ${bytes(index.bytes)}`,
    `process        ${bytes(memory.processBytes)}`,
  ];
}
