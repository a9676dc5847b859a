// Each rule of style and doors against a violation and against its nearest innocent.
import { describe, expect, test } from 'vitest';
import { documentedExports, doorShape, exportedNames, namedExports } from './doors.ts';
import type { Finding, Source } from './source.ts';
import { parse } from './source.ts';
import {
  cleanComments,
  fileLength,
  folderDepth,
  functionLength,
  lineLength,
  noAsAny,
  noClockReads,
  noInheritance,
  noSkippedTests,
  parameterCount,
  pathNames,
} from './style.ts';

const PATH = 'packages/core/src/x.ts';
const lines = (count: number): string => 'a();\n'.repeat(count);
const found = (rule: (source: Source) => Finding[], text: string, path = PATH): number =>
  rule(parse(path, text)).length;

describe('numbers', () => {
  test('a long file; tests may be longer', () => {
    expect(found(fileLength, lines(600))).toBe(0);
    expect(found(fileLength, lines(601))).toBe(1);
    expect(found(fileLength, lines(1000), 'packages/core/src/x.test.ts')).toBe(0);
    expect(found(fileLength, lines(1001), 'packages/core/src/x.test.ts')).toBe(1);
  });

  test('a long line', () => {
    expect(found(lineLength, `a('${'é'.repeat(94)}');`)).toBe(0);
    expect(found(lineLength, `a();\nb('${'é'.repeat(95)}');`)).toBe(1);
  });

  test('a long function, of every form', () => {
    for (const form of ['function f() {\n@}', 'const f = () => {\n@};', 'class F { f() {\n@} }']) {
      expect(found(functionLength, form.replace('@', lines(68)))).toBe(0);
      expect(found(functionLength, form.replace('@', lines(69)))).toBe(1);
    }
  });

  test('a list of tests is no function, a test is one', () => {
    const list = `describe('x', () => {\n${"test('y', z);\n".repeat(90)}});`;
    expect(found(functionLength, list, 'test/a/x.test.ts')).toBe(0);
    expect(found(functionLength, list)).toBe(1);
    const one = `test('x', () => {\n${lines(90)}});`;
    expect(found(functionLength, one, 'test/a/x.test.ts')).toBe(1);
  });

  test('four parameters', () => {
    expect(found(parameterCount, 'const f = (a, b, c) => a;')).toBe(0);
    expect(found(parameterCount, 'const f = (a, b, c, d) => a;')).toBe(1);
    expect(found(parameterCount, 'class F { constructor(a, b, c, d) { a(); } }')).toBe(1);
  });

  test('folders below folders', () => {
    const at = (path: string): number => folderDepth({ path, text: '' }).length;
    expect(at('packages/a/src/b/c/d.ts')).toBe(0);
    expect(at('packages/a/src/b/c/d/e.ts')).toBe(1);
  });
});

describe('names', () => {
  const at = (path: string): number => pathNames({ path, text: '' }).length;

  test.each(['utils', 'helper', 'common', 'manager', 'base', 'types', 'interfaces', 'misc'])(
    'a file %s',
    (name) => {
      expect(at(`packages/core/src/${name}.ts`)).toBe(1);
      expect(at(`packages/core/src/${name}/x.ts`)).toBe(1);
    },
  );

  test('files that are called something', () => {
    expect(at('packages/core/src/key-hash.prop.test.ts')).toBe(0);
    expect(at('packages/core/src/keyHash.ts')).toBe(1);
    expect(at('packages/core/src/database.ts')).toBe(0);
  });

  test.each(['SegmentManager', 'KeyHelper', 'RowUtils', 'StoreImpl', 'processRows', 'doWrite'])(
    'an export %s',
    (name) => expect(found(exportedNames, `export function ${name}() {}`)).toBe(1),
  );

  test('words of other systems, and words that only look like it', () => {
    expect(found(exportedNames, 'export const epoch = 1;')).toBe(1);
    expect(found(exportedNames, 'export const topology = 1;')).toBe(1);
    expect(found(exportedNames, 'export const doors = 1, processor = 2, Manageable = 3;')).toBe(0);
    expect(found(exportedNames, 'const processRows = 1;')).toBe(0);
  });
});

describe('doors', () => {
  const door = 'packages/core/src/index.ts';

  test('code in a door, and a long one', () => {
    expect(found(doorShape, "export { a } from './a.ts';", door)).toBe(0);
    expect(found(doorShape, 'export const a = 1;', door)).toBe(1);
    expect(found(doorShape, "import './a.ts';", door)).toBe(1);
    const long = "export { a } from './a.ts';\n".repeat(81);
    expect(found(doorShape, long, door)).toBe(1);
  });

  test('everything let out, and nothing named', () => {
    expect(found(namedExports, "export * from './a.ts';")).toBe(1);
    expect(found(namedExports, "export * as a from './a.ts';")).toBe(1);
    expect(found(namedExports, 'export default 1;')).toBe(1);
    expect(found(namedExports, 'export default {};', 'vitest.config.ts')).toBe(0);
  });

  test('an export without a sentence', () => {
    const bare = [
      'export const a = 1;',
      'export function a() {}',
      'export class A {}',
      'export interface A {}',
      'export type A = 1;',
      'const a = 1; export { a };',
      '/* a block */ export const a = 1;',
      '/** */ export const a = 1;',
      '/** Of b. */ const b = 1; export const a = 1;',
    ];
    for (const text of bare) expect([text, found(documentedExports, text)]).toEqual([text, 1]);
    expect(found(documentedExports, '/** What it is. */ export const a = 1;')).toBe(0);
    expect(found(documentedExports, '/** What it is. */ const a = 1; export { a };')).toBe(0);
    expect(found(documentedExports, "export { a } from './a.ts';")).toBe(0);
  });
});

describe('what is left behind', () => {
  const at = (...halves: string[]): number => found(cleanComments, halves.join(''));

  test('notes to oneself and checks switched off', () => {
    expect(at('// TO', 'DO: later')).toBe(1);
    expect(at('/* FIX', 'ME */ a();')).toBe(1);
    expect(at('// @ts-ig', 'nore')).toBe(1);
    expect(at('/** Says what a mastodon is. */ a();')).toBe(0);
    expect(at('const a = "// TO', 'DO";')).toBe(0);
  });

  test('code in a comment', () => {
    expect(at('// const a = 1;')).toBe(1);
    expect(at('// return to the caller what it gave.')).toBe(0);
  });

  test('a test that does not run, or runs alone', () => {
    for (const name of ['test.skip', 'test.only', 'describe.skip', 'it.todo', 'describe.only']) {
      expect(found(noSkippedTests, `${name}('x', () => {});`)).toBe(1);
    }
    expect(found(noSkippedTests, "test.each([1])('x', () => {}); stream.skip(1);")).toBe(0);
  });

  test('a lie to the compiler', () => {
    expect(found(noAsAny, 'const a = b as any;')).toBe(1);
    expect(found(noAsAny, 'const a = b as unknown as string;')).toBe(0);
  });

  test('a look at the clock; dates of given instants are fine', () => {
    expect(found(noClockReads, 'const a = new Date();')).toBe(1);
    expect(found(noClockReads, 'const a = Date();')).toBe(1);
    expect(found(noClockReads, 'const a = new Date(0);')).toBe(0);
    expect(found(noClockReads, 'const a = new Date();', 'test/a/x.ts')).toBe(0);
  });

  test('a class on a class', () => {
    expect(found(noInheritance, 'class A extends B {}')).toBe(1);
    expect(found(noInheritance, 'class A implements B {}')).toBe(0);
    expect(found(noInheritance, 'class A extends Error {}', 'packages/core/src/errors.ts')).toBe(0);
  });
});
