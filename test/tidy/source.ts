import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseAst } from 'vitest/node';

/** The root of the repository. */
export const ROOT = join(dirname(fileURLToPath(import.meta.url)), '..', '..');

/** Folders that hold nothing a person wrote. */
const NOT_OURS: ReadonlySet<string> = new Set([
  'node_modules',
  'dist',
  'build',
  'coverage',
  '.git',
  '.servers',
  'data',
  'elanus-demo',
]);

/** A rule that was broken, and where. */
export interface Finding {
  readonly path: string;
  readonly line: number;
  readonly what: string;
}

/** A node of the syntax tree, as far as the rules look into it. */
export interface Node {
  readonly type: string;
  readonly start: number;
  readonly end: number;
  readonly [key: string]: unknown;
}

/** A file with its syntax tree; paths have `/` and begin at the root. */
export interface Source {
  readonly path: string;
  readonly text: string;
  readonly tree: Node;
}

/** A file as text. */
export interface Text {
  readonly path: string;
  readonly text: string;
}

/** Parses TypeScript or JavaScript. @throws when it has a syntax error */
export function parse(path: string, text: string): Source {
  const code = text.startsWith('#!') ? `//${text.slice(2)}` : text;
  return { path, text, tree: parseAst(code, { lang: 'ts' }) as unknown as Node };
}

/** Every file below a folder, sorted; folders of build output left out. */
export function listFiles(folder: string): string[] {
  return readdirSync(join(ROOT, folder), { withFileTypes: true })
    .filter((entry) => !NOT_OURS.has(entry.name))
    .flatMap((entry) => {
      const path = join(folder, entry.name).split(sep).join('/');
      if (entry.isDirectory()) return listFiles(path);
      return entry.isFile() ? [path] : [];
    })
    .sort();
}

/** Reads files of the repository. */
export function readTexts(paths: readonly string[]): Text[] {
  return paths.map((path) => ({ path, text: readFileSync(join(ROOT, path), 'utf8') }));
}

/** All code of the repository, parsed; generated files left out. */
export function readSources(): Source[] {
  const folders = ['packages', 'services', 'test', 'bench', 'scripts'];
  const paths = folders.flatMap((folder) => listFiles(folder));
  const code = paths.filter((path) => /\.(ts|mjs)$/.test(path));
  return readTexts(code).map(({ path, text }) => parse(path, text));
}

/** True = the file only proves things: no product code imports it. */
export function isTest(path: string): boolean {
  return (
    path.endsWith('.test.ts') ||
    /^(test|bench|scripts)\//.test(path) ||
    /\/src\/(testing|conformance)\//.test(path) ||
    /^packages\/[^/]+\/scripts\//.test(path) ||
    path === 'vitest.config.ts'
  );
}

/** The package a path lies in, or undefined outside of packages and services. */
export function packageOf(path: string): string | undefined {
  return /^((?:packages|services)\/[^/]+)\//.exec(path)?.[1];
}

/** The line of a position, from 1. */
export function lineAt(text: string, position: number): number {
  let line = 1;
  for (let i = text.indexOf('\n'); i !== -1 && i < position; i = text.indexOf('\n', i + 1)) line++;
  return line;
}

const isNode = (value: unknown): value is Node =>
  typeof value === 'object' &&
  value !== null &&
  typeof (value as { type?: unknown }).type === 'string';

/** The nodes directly below a node, in the order of the text. */
export function childrenOf(node: Node): Node[] {
  return Object.entries(node)
    .filter(([key]) => key !== 'parent')
    .flatMap(([, value]) => (Array.isArray(value) ? (value as unknown[]) : [value]))
    .filter(isNode);
}

/** Visits a node and all below it, parents first, each with its parent. */
export function walk(node: Node, visit: (node: Node, parent?: Node) => void): void {
  const stack: [Node, Node | undefined][] = [[node, undefined]];
  for (let next = stack.pop(); next !== undefined; next = stack.pop()) {
    const [current, parent] = next;
    visit(current, parent);
    for (const child of childrenOf(current).reverse()) stack.push([child, current]);
  }
}

/** A comment with its position. */
export interface Comment {
  readonly start: number;
  readonly text: string;
}

/** All comments: what looks like one outside of every text, template and pattern. */
export function commentsOf({ text, tree }: Source): Comment[] {
  const literals = new Map<number, number>();
  walk(tree, (node) => {
    if (node.type === 'Literal' || node.type === 'TemplateElement')
      literals.set(node.start, node.end);
  });
  const comments: Comment[] = [];
  for (let i = 0; i < text.length; i++) {
    const end = literals.get(i);
    if (end !== undefined && end > i) {
      i = end - 1;
      continue;
    }
    const two = text.slice(i, i + 2);
    if (two !== '//' && two !== '/*') continue;
    const close = two === '//' ? text.indexOf('\n', i) : text.indexOf('*/', i) + 2;
    const stop = close === -1 || close === 1 ? text.length : close;
    comments.push({ start: i, text: text.slice(i, stop) });
    i = stop - 1;
  }
  return comments;
}

/** Findings as lines a person can click on. */
export function print(findings: readonly Finding[]): string[] {
  return findings.map(({ path, line, what }) => `${relative('.', path)}:${line} ${what}`);
}
