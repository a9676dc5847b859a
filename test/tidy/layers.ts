import type { Finding, Node, Source } from './source.ts';
import { isTest, lineAt, packageOf, walk } from './source.ts';

/** What a package may import at run time. */
export interface Layer {
  /** Packages of ours, by folder. */
  readonly ours: readonly string[];
  /** Packages of others, without sub-path. */
  readonly others: readonly string[];
  /** Built-in modules, without `node:`; `*` = any. */
  readonly node: readonly string[];
}

const ENGINES = ['kernels', 'expr', 'format', 'index', 'segment'];
const ROLES = ['proxy', 'coordinator', 'streaming-node', 'query-node', 'data-node'];
const WORKER = ['core', 'protocol', 'format', 'expr', 'kernels', 'runtime', 'storage'];

function layer(
  ours: readonly string[],
  others: readonly string[] = [],
  node: readonly string[] = [],
) {
  return { ours, others, node };
}

/**
 * The floor plan: docs/decisions/0001, amended by 0003. Dependencies point one way; engines see
 * bytes and columns only; roles never import roles.
 */
export const LAYERS: Readonly<Record<string, Layer>> = {
  core: layer([]),
  api: layer(['core'], ['@trpc/server', 'zod']),
  protocol: layer(['core'], ['zod']),
  kernels: layer(['core'], [], ['module', 'zlib']),
  expr: layer(['core']),
  format: layer(['core', 'kernels'], ['apache-arrow']),
  index: layer(['core', 'kernels']),
  segment: layer(['core', 'kernels', 'expr', 'format', 'index']),
  storage: layer(['core', 'kernels'], [], ['fs', 'path', 'sqlite', 'worker_threads']),
  runtime: layer(['core', 'storage'], ['piscina', 'zod'], ['*']),
  proxy: layer(
    ['core', 'api', 'protocol', 'expr', 'format', 'runtime'],
    ['@trpc/server'],
    ['crypto', 'http', 'net'],
  ),
  coordinator: layer(['core', 'protocol', 'format', 'runtime', 'storage']),
  'streaming-node': layer([...WORKER, 'index', 'segment']),
  'query-node': layer([...WORKER, 'index', 'segment']),
  'data-node': layer([...WORKER, 'index']),
  client: layer(['core', 'api'], ['@trpc/client']),
  elanus: layer(
    [
      'core',
      'api',
      'protocol',
      'client',
      'runtime',
      'storage',
      'kernels',
      'format',
      'index',
    ].concat(ROLES),
    ['citty', 'piscina'],
    ['*'],
  ),
  testkit: layer(['core', 'runtime', 'storage'], [], ['crypto']),
  'services/standalone': layer(['elanus'], [], ['*']),
};

/** The path of a package by its key in the matrix. */
export function homeOf(folder: string): string {
  return folder.startsWith('services/') ? folder : `packages/${folder}`;
}

/** Only tests import these. */
const TEST_ONLY: ReadonlySet<string> = new Set([
  'vitest',
  'fast-check',
  '@elanus/testkit',
  'esbuild',
]);

/** An import as written, of whatever form. */
export interface Import {
  readonly from: string;
  readonly line: number;
}

/** Every import of a file: static, re-exported, dynamic, of a type. */
export function importsOf({ text, tree }: Source): Import[] {
  const imports: Import[] = [];
  walk(tree, (node) => {
    const source = node['source'] as Node | null | undefined;
    if (source?.type !== 'Literal' || typeof source['value'] !== 'string') return;
    imports.push({ from: source['value'], line: lineAt(text, node.start) });
  });
  return imports;
}

/** `@a/b/c` → [`@a/b`, `c`]; `a/c` → [`a`, `c`]. */
function splitName(from: string): [string, string] {
  const parts = from.split('/');
  const count = from.startsWith('@') ? 2 : 1;
  return [parts.slice(0, count).join('/'), parts.slice(count).join('/')];
}

/** The key in the matrix of a package of ours, or undefined. */
function ourFolder(name: string): string | undefined {
  return name === 'elanus' ? 'elanus' : /^@elanus\/(.+)$/.exec(name)?.[1];
}

function join(folder: string, relative: string): string {
  const parts = folder.split('/');
  for (const part of relative.split('/')) {
    if (part === '..') parts.pop();
    else if (part !== '.') parts.push(part);
  }
  return parts.join('/');
}

function judgeRelative(path: string, from: string): string | undefined {
  const home = packageOf(path);
  const target = join(path.slice(0, path.lastIndexOf('/')), from);
  if (home !== undefined && target === `${home}/src/index.ts` && !isTest(path)) {
    return 'a package does not import its own door';
  }
  if (home === undefined || target.startsWith(`${home}/`)) return undefined;
  return isTest(path) && target.startsWith('test/') ? undefined : `\`${from}\` leaves the package`;
}

function judgeName(path: string, from: string): string | undefined {
  const folder = packageOf(path)?.replace('packages/', '') ?? '';
  const rules = LAYERS[folder];
  if (rules === undefined) return `the floor plan has no package ${folder}`;
  if (from.startsWith('node:')) {
    const module = splitName(from.slice('node:'.length))[0];
    const may = rules.node.includes('*') || rules.node.includes(module);
    return may ? undefined : `${folder} may not import \`${from}\``;
  }
  const [name] = splitName(from);
  if (TEST_ONLY.has(name)) return `only tests import \`${name}\``;
  const ours = ourFolder(name);
  const may = ours === undefined ? rules.others.includes(name) : rules.ours.includes(ours);
  return may ? undefined : `${folder} may not import \`${from}\``;
}

/** What a file imports is what the floor plan lets its package import. */
export function layerImports(source: Source): Finding[] {
  const { path } = source;
  return importsOf(source).flatMap(({ from, line }) => {
    const relative = from.startsWith('.');
    if (!relative && (isTest(path) || packageOf(path) === undefined)) return [];
    const what = relative ? judgeRelative(path, from) : judgeName(path, from);
    return what === undefined ? [] : [{ path, line, what }];
  });
}

/** What of package.json and tsconfig.json the rules read. */
export interface Manifest {
  /** Its key in the matrix. */
  readonly folder: string;
  readonly name: string;
  readonly dependencies: readonly string[];
  /** Of these, what is left outside of a published bundle. */
  readonly external: readonly string[];
  /** Sub-paths that `exports` opens: `.`, `./router`. */
  readonly doors: readonly string[];
  /** Folders that tsconfig.json refers to. */
  readonly references: readonly string[];
}

/** An import of one of our packages goes through a door that its `exports` names. */
export function doorsOnly(source: Source, manifests: readonly Manifest[]): Finding[] {
  return importsOf(source).flatMap(({ from, line }) => {
    const [name, sub] = splitName(from);
    if (ourFolder(name) === undefined) return [];
    const door = sub === '' ? '.' : `./${sub}`;
    const target = manifests.find((one) => one.name === name);
    if (target?.doors.includes(door) === true) return [];
    return [{ path: source.path, line, what: `\`${from}\` is no door of ${name}` }];
  });
}

/** package.json and tsconfig.json say what the floor plan says, and the same as each other. */
export function layerManifest(manifest: Manifest): Finding[] {
  const { folder, dependencies, references } = manifest;
  const path = `${homeOf(folder)}/package.json`;
  const rules = LAYERS[folder];
  if (rules === undefined) return [{ path, line: 1, what: `the floor plan has no ${folder}` }];
  const findings: Finding[] = [];
  const ours = dependencies.flatMap((name) => ourFolder(name) ?? []);
  for (const name of dependencies) {
    const target = ourFolder(name);
    const may = target === undefined ? rules.others.includes(name) : rules.ours.includes(target);
    if (!may) findings.push({ path, line: 1, what: `${folder} may not depend on ${name}` });
  }
  for (const target of ours.filter((one) => !references.includes(one))) {
    findings.push({ path, line: 1, what: `tsconfig.json has no reference to ${target}` });
  }
  for (const target of references.filter((one) => !ours.includes(one))) {
    findings.push({
      path,
      line: 1,
      what: `tsconfig.json refers to ${target}, package.json does not`,
    });
  }
  return findings;
}

/**
 * What a package imports, its package.json declares; nothing is declared that is not imported. Of
 * the published one, `dependencies` are what its bundle leaves outside: inner packages import it.
 */
export function declaredImports(manifest: Manifest, sources: readonly Source[]): Finding[] {
  const home = `${homeOf(manifest.folder)}/`;
  const used = new Set<string>();
  const findings: Finding[] = [];
  for (const source of sources) {
    if (!source.path.startsWith(`${home}src/`) || isTest(source.path)) continue;
    for (const { from, line } of importsOf(source)) {
      const name = splitName(from)[0];
      if (from.startsWith('.') || from.startsWith('node:')) continue;
      used.add(name);
      if (manifest.dependencies.includes(name)) continue;
      findings.push({ path: source.path, line, what: `package.json does not declare ${name}` });
    }
  }
  const own = manifest.dependencies.filter((one) => !manifest.external.includes(one));
  for (const name of own.filter((one) => !used.has(one))) {
    findings.push({
      path: `${home}package.json`,
      line: 1,
      what: `${name} is declared, not imported`,
    });
  }
  return findings;
}

/**
 * The matrix itself: no role sees a role, no engine sees the platform, and no two see each other.
 */
export function matrixFaults(layers: Readonly<Record<string, Layer>>): string[] {
  const faults: string[] = [];
  const outside = ['runtime', 'storage', 'protocol', 'api', ...ROLES];
  for (const [name, { ours }] of Object.entries(layers)) {
    const banned = ENGINES.includes(name) ? outside : ROLES.includes(name) ? ROLES : [];
    for (const other of ours) {
      if (banned.includes(other)) faults.push(`${name} sees ${other}`);
      if (layers[other] === undefined) faults.push(`${name} sees ${other}, which is nowhere`);
      if (layers[other]?.ours.includes(name) === true)
        faults.push(`${name} and ${other}: a circle`);
    }
  }
  return faults;
}
