/**
 * What the command line writes where: results on stdout, everything else on stderr, so that pipes
 * carry results only. Works without a terminal: then there are no bars and no colours.
 */
import { styleText } from 'node:util';

/** Styles used, few on purpose. */
export type Style = 'bold' | 'dim' | 'green' | 'red' | 'cyan' | 'yellow';

/** The text in a style where stdout is a terminal that wants colours; else as it is. */
export function styled(
  style: Style,
  text: string,
  stream: NodeJS.WriteStream = process.stdout,
): string {
  return styleText(style, text, { stream, validateStream: true });
}

/** Writes one line of results. */
export function print(line = ''): void {
  process.stdout.write(`${line}\n`);
}

/** Writes one line beside the results. */
export function note(line: string): void {
  process.stderr.write(`${line}\n`);
}

/** Whole numbers with a comma for thousands. */
export function count(value: number): string {
  return Math.round(value).toLocaleString('en-US');
}

/** Bytes for people. */
export function bytes(value: number): string {
  if (value < 1024) return `${value} B`;
  const units = ['KB', 'MB', 'GB', 'TB'];
  let size = value / 1024;
  let unit = 0;
  while (size >= 1024 && unit + 1 < units.length) {
    size /= 1024;
    unit++;
  }
  return `${size.toFixed(size < 10 ? 1 : 0)} ${units[unit]}`;
}

/** Milliseconds for people. */
export function duration(ms: number): string {
  if (ms < 1) return `${ms.toFixed(2)} ms`;
  if (ms < 1000) return `${ms.toFixed(ms < 10 ? 1 : 0)} ms`;
  return `${(ms / 1000).toFixed(1)} s`;
}

/** A bar that fills up; on anything but a terminal it is silent. */
export interface Progress {
  /** `done` of the total, with a few words behind the bar. */
  update(done: number, words?: string): void;
  /** Removes the bar. */
  clear(): void;
}

const BAR_CELLS = 28;
const EIGHTHS = ['', '▏', '▎', '▍', '▌', '▋', '▊', '▉'];
const REDRAW_MS = 50;

/** A progress bar on stderr; without a known total it counts. */
export function progress(label: string, total: number | undefined): Progress {
  const stream = process.stderr;
  if (!stream.isTTY) return { update: () => undefined, clear: () => undefined };
  let drawnMs = Number.NEGATIVE_INFINITY;
  return {
    update: (done, words = '') => {
      const nowMs = performance.now();
      if (nowMs - drawnMs < REDRAW_MS && done !== total) return;
      drawnMs = nowMs;
      const share = total === undefined ? '' : ` ${bar(done / total)}`;
      const line = `${label}${share} ${count(done)}${words === '' ? '' : `  ${words}`}`;
      stream.write(`\r${line.slice(0, (stream.columns ?? 80) - 1)}\x1b[K`);
    },
    clear: () => {
      if (Number.isFinite(drawnMs)) stream.write('\r\x1b[K');
    },
  };
}

function bar(share: number): string {
  const eighths = Math.round(Math.min(Math.max(share, 0), 1) * BAR_CELLS * 8);
  const whole = Math.floor(eighths / 8);
  const text = '█'.repeat(whole) + (EIGHTHS[eighths % 8] ?? '');
  return text.padEnd(BAR_CELLS, '·');
}
