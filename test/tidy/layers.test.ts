// The floor plan, held against every import, every package.json and every tsconfig.json.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import {
  declaredImports,
  doorsOnly,
  homeOf,
  LAYERS,
  layerImports,
  layerManifest,
  matrixFaults,
} from './layers.ts';
import type { Manifest } from './layers.ts';
import { parse, print, readSources, ROOT } from './source.ts';

interface PackageJson {
  readonly name: string;
  readonly private: boolean;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly devDependencies?: Readonly<Record<string, string>>;
  readonly exports?: Readonly<Record<string, unknown>>;
}
interface TsConfig {
  readonly references?: readonly { readonly path: string }[];
}

const readJson = <T>(...path: string[]): T =>
  JSON.parse(readFileSync(join(ROOT, ...path), 'utf8')) as T;

function readManifest(folder: string): Manifest {
  const json = readJson<PackageJson>(homeOf(folder), 'package.json');
  const config = readJson<TsConfig>(homeOf(folder), 'tsconfig.json');
  return {
    folder,
    name: json.name,
    // Bundled into what is published, hence devDependencies of it; of the others, dependencies.
    dependencies: Object.keys({ ...json.dependencies, ...json.devDependencies }),
    external: json.private ? [] : Object.keys(json.dependencies ?? {}),
    doors: Object.keys(json.exports ?? {}),
    references: (config.references ?? []).map(({ path }) =>
      path.replace(/^(\.\.\/)+(packages\/)?/, ''),
    ),
  };
}

const folders = readdirSync(join(ROOT, 'packages')).concat(
  readdirSync(join(ROOT, 'services')).map((name) => `services/${name}`),
);
const manifests = folders.map(readManifest);
const sources = readSources();

describe('the house', () => {
  test('has the packages of the floor plan', () => {
    expect(folders.filter((folder) => LAYERS[folder] === undefined)).toEqual([]);
    expect(matrixFaults(LAYERS)).toEqual([]);
  });

  test('builds every package', () => {
    const built = readJson<TsConfig>('tsconfig.json').references ?? [];
    expect(built.map(({ path }) => path).sort()).toEqual(folders.map(homeOf).sort());
  });

  test('imports only downwards', () => {
    expect(print(sources.flatMap(layerImports)).join('\n')).toBe('');
  });

  test('goes through doors', () => {
    const findings = sources.flatMap((source) => doorsOnly(source, manifests));
    expect(print(findings).join('\n')).toBe('');
  });

  test('declares what it imports, in both files', () => {
    const findings = manifests.flatMap((one) => [
      ...layerManifest(one),
      ...declaredImports(one, sources),
    ]);
    expect(print(findings).join('\n')).toBe('');
  });
});

describe('a planted violation is seen', () => {
  const code = (path: string, text: string) => parse(path, text);
  const manifest = (more: Partial<Manifest>): Manifest => ({
    folder: 'index',
    name: '@elanus/index',
    dependencies: ['@elanus/core', '@elanus/kernels'],
    external: [],
    doors: ['.'],
    references: ['core', 'kernels'],
    ...more,
  });

  test.each([
    ['an engine reads files', 'segment', "import { readFileSync } from 'node:fs';"],
    ['core reads bytes', 'core', "export { crc32 } from 'node:zlib';"],
    ['an engine sees the platform', 'index', "import { x } from '@elanus/storage';"],
    ['a role sees a role', 'proxy', "import type { X } from '@elanus/coordinator';"],
    ['a role sees it at run time', 'query-node', "await import('@elanus/streaming-node');"],
    ['only in a type', 'proxy', "export type A = import('@elanus/segment').Segment;"],
    ['data-node reads segments', 'data-node', "import { x } from '@elanus/segment';"],
    ['a library from elsewhere', 'expr', "import { z } from 'zod';"],
    ['a test library', 'runtime', "import fc from 'fast-check';"],
    ['a folder next door', 'expr', "import { assert } from '../../core/src/assert.ts';"],
    ['its own door', 'expr', "import { parse } from './index.ts';"],
    ['a package without a place', 'cellar', "import { x } from '@elanus/core';"],
  ])('%s', (_name, folder, text) => {
    expect(layerImports(code(`packages/${folder}/src/x.ts`, text))).toHaveLength(1);
  });

  test('what is allowed is not', () => {
    const text = "import { readFileSync } from 'node:fs'; import { LIMITS } from '@elanus/core';";
    expect(layerImports(code('packages/storage/src/log/x.ts', text))).toEqual([]);
    const own = "import { x } from '../index.ts';";
    expect(layerImports(code('packages/storage/src/log/x.test.ts', own))).toEqual([]);
    const reach = "import { x } from '../../core/src/assert.ts';";
    expect(layerImports(code('packages/expr/src/x.test.ts', reach))).toHaveLength(1);
  });

  test('past the doors', () => {
    const text = "import { x } from '@elanus/index/src/flat.ts';";
    const source = code('packages/segment/src/x.ts', text);
    expect(doorsOnly(source, [manifest({})])).toHaveLength(1);
    const good = code('packages/segment/src/x.ts', "import { x } from '@elanus/index';");
    expect(doorsOnly(good, [manifest({})])).toEqual([]);
  });

  test('files that disagree', () => {
    expect(layerManifest(manifest({}))).toEqual([]);
    expect(layerManifest(manifest({ references: ['core'] }))).toHaveLength(1);
    expect(layerManifest(manifest({ references: ['core', 'kernels', 'expr'] }))).toHaveLength(1);
    const more = manifest({ dependencies: ['@elanus/core', '@elanus/kernels', 'zod'] });
    expect(layerManifest(more)).toHaveLength(1);
  });

  test('undeclared, and declared for nothing', () => {
    const core = "import { LIMITS } from '@elanus/core';";
    const both = code('packages/index/src/x.ts', `${core} import { k } from '@elanus/kernels';`);
    expect(declaredImports(manifest({}), [both])).toEqual([]);
    const only = code('packages/index/src/x.ts', core);
    expect(declaredImports(manifest({}), [only])).toHaveLength(1);
    const zod = code('packages/index/src/y.ts', "import { z } from 'zod';");
    expect(declaredImports(manifest({}), [both, zod])).toHaveLength(1);
  });

  test('a matrix with a circle, a role in a role, an engine in the platform', () => {
    const layer = (ours: readonly string[]) => ({ ours, others: [], node: [] });
    expect(matrixFaults({ core: layer(['api']), api: layer(['core']) })).toHaveLength(2);
    const roles = { proxy: layer(['coordinator']), coordinator: layer([]) };
    expect(matrixFaults(roles)).toHaveLength(1);
    expect(matrixFaults({ expr: layer(['storage']), storage: layer([]) })).toHaveLength(1);
    expect(matrixFaults({ expr: layer(['nothing']) })).toHaveLength(1);
  });
});
