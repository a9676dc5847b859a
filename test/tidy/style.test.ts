import { expect, test } from 'vitest';
import { documentedExports, doorShape, exportedNames, namedExports } from './doors.ts';
import type { Finding, Source } from './source.ts';
import { print, readSources } from './source.ts';
import * as style from './style.ts';

const sources = readSources();

const RULES: Readonly<Record<string, (source: Source) => Finding[]>> = {
  ...style,
  doorShape,
  namedExports,
  documentedExports,
  exportedNames,
};

test.each(Object.entries(RULES))('%s', (_name, rule) => {
  expect(print(sources.flatMap(rule)).join('\n')).toBe('');
});
