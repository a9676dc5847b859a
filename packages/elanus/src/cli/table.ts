import { jsonValue } from './json-value.ts';
import { styled } from './terminal.ts';

const CELL_MAX = 48;

/** Rows as an aligned table, one line each; long cells are cut. */
export function table(rows: readonly object[]): string[] {
  const names = [...new Set(rows.flatMap((row) => Object.keys(row)))];
  const cells = rows.map((row) =>
    names.map((name) => cell((row as Record<string, unknown>)[name])),
  );
  const widths = names.map((name, i) =>
    Math.max(name.length, ...cells.map((row) => (row[i] ?? '').length)),
  );
  const line = (texts: readonly string[]): string =>
    texts
      .map((text, i) => text.padEnd(widths[i] ?? 0))
      .join('  ')
      .trimEnd();
  return [styled('dim', line(names)), ...cells.map(line)];
}

function cell(value: unknown): string {
  const plain = jsonValue(value);
  if (plain === undefined) return '';
  const text = typeof plain === 'string' ? plain : JSON.stringify(plain);
  const clean = text.replace(/\p{Cc}/gu, ' ');
  return clean.length > CELL_MAX ? `${clean.slice(0, CELL_MAX - 1)}…` : clean;
}
