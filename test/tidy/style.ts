import type { Finding, Node, Source, Text } from './source.ts';
import { childrenOf, commentsOf, isTest, lineAt, packageOf, walk } from './source.ts';

/** The numbers of STYLE.md. */
const FILE_LINES_MAX = 600;
const TEST_FILE_LINES_MAX = 1000;
const FUNCTION_LINES_MAX = 70;
const COLUMNS_MAX = 100;
const PARAMS_MAX = 3;

/** Services, the command line and its demo: what stands outside of the database. */
const OUTSIDE = /^(services\/|packages\/elanus\/src\/(bench|cli|demo|doctor)\/)/;

const SUITES: ReadonlySet<unknown> = new Set(['test', 'it', 'describe', 'suite', 'bench']);

const FUNCTIONS: ReadonlySet<string> = new Set([
  'FunctionDeclaration',
  'FunctionExpression',
  'ArrowFunctionExpression',
]);

const linesOf = (text: string): number => text.replace(/\n$/, '').split('\n').length;

/** Files end before a reader loses the thread. */
export function fileLength({ path, text }: Text): Finding[] {
  const max = isTest(path) ? TEST_FILE_LINES_MAX : FILE_LINES_MAX;
  const lines = linesOf(text);
  return lines > max ? [{ path, line: max + 1, what: `${lines} lines, at most ${max}` }] : [];
}

/** Two files side by side fit on a screen. */
export function lineLength({ path, text }: Text): Finding[] {
  return text.split('\n').flatMap((line, i) => {
    const columns = Array.from(line).length;
    if (columns <= COLUMNS_MAX) return [];
    return [{ path, line: i + 1, what: `${columns} columns, at most ${COLUMNS_MAX}` }];
  });
}

/** A group of tests is a list, not a function: its length says nothing. */
function isSuite(node: Node): boolean {
  const body = node['body'] as Node | null | undefined;
  if (body?.type !== 'BlockStatement') return false;
  return (body['body'] as readonly Node[]).some((statement) => {
    let callee = statement['expression'] as Node | undefined;
    while (callee?.type === 'CallExpression' || callee?.type === 'MemberExpression') {
      callee = (callee['callee'] ?? callee['object']) as Node;
    }
    return statement.type === 'ExpressionStatement' && SUITES.has(callee?.['name']);
  });
}

/** Lines of a function; in a test, functions inside count for themselves. */
function ownLines({ path, text }: Source, node: Node): number {
  let lines = linesOf(text.slice(node.start, node.end));
  if (!isTest(path)) return lines;
  const below = childrenOf(node);
  for (let next = below.pop(); next !== undefined; next = below.pop()) {
    if (FUNCTIONS.has(next.type)) lines -= linesOf(text.slice(next.start, next.end)) - 1;
    else below.push(...childrenOf(next));
  }
  return lines;
}

/** A function fits on one screen. */
export function functionLength(source: Source): Finding[] {
  const { path, text, tree } = source;
  const findings: Finding[] = [];
  walk(tree, (node) => {
    if (!FUNCTIONS.has(node.type) || (isTest(path) && isSuite(node))) return;
    const lines = ownLines(source, node);
    if (lines <= FUNCTION_LINES_MAX) return;
    const line = lineAt(text, node.start);
    findings.push({
      path,
      line,
      what: `function of ${lines} lines, at most ${FUNCTION_LINES_MAX}`,
    });
  });
  return findings;
}

/** More than three are an options object: at the call each has its name. */
export function parameterCount({ path, text, tree }: Source): Finding[] {
  const findings: Finding[] = [];
  walk(tree, (node) => {
    const params = FUNCTIONS.has(node.type) ? (node['params'] as readonly Node[]) : [];
    if (params.length <= PARAMS_MAX) return;
    const line = lineAt(text, node.start);
    findings.push({ path, line, what: `${params.length} parameters, at most ${PARAMS_MAX}` });
  });
  return findings;
}

const NO_NAMES = /^(utils?|helpers?|common|managers?|base|types?|interfaces?|misc|shared|lib)$/;

/** Files and folders are named after what they hold, in kebab-case. */
export function pathNames({ path }: Text): Finding[] {
  const parts = path.split('/');
  const words = parts.map((part) => part.split('.')[0] ?? '');
  const empty = words.find((word) => NO_NAMES.test(word));
  if (empty !== undefined) {
    return [{ path, line: 1, what: `\`${empty}\` says nothing: name what it holds` }];
  }
  const file = parts.at(-1) ?? '';
  if (/\.(ts|mjs|cc|h)$/.test(file) && !/^[a-z0-9]+(-[a-z0-9]+)*(\.[a-z]+)+$/.test(file)) {
    return [{ path, line: 1, what: 'file names are kebab-case' }];
  }
  return [];
}

/** `src/` has at most two levels of folders: deeper means another package, or fewer folders. */
export function folderDepth({ path }: Text): Finding[] {
  const below = /^(?:packages|services)\/[^/]+\/src\/(.*)$/.exec(path)?.[1] ?? '';
  const depth = below.split('/').length - 1;
  return depth > 2 ? [{ path, line: 1, what: `${depth} folders below src, at most 2` }] : [];
}

/** Nothing is inherited; the one error class is the exception. */
export function noInheritance({ path, text, tree }: Source): Finding[] {
  const findings: Finding[] = [];
  if (path === 'packages/core/src/errors.ts') return findings;
  walk(tree, (node) => {
    if (node.type !== 'ClassDeclaration' && node.type !== 'ClassExpression') return;
    if (node['superClass'] == null) return;
    findings.push({ path, line: lineAt(text, node.start), what: 'a class that extends another' });
  });
  return findings;
}

const LEFT_OVER = /\b(TODO|FIXME|XXX|HACK)\b/;
const SWITCHED_OFF = /@ts-(ignore|nocheck)|\b(eslint|oxlint)-disable|\bbiome-ignore/;
/** One rule, for one line, with its reason. */
const EXCUSED = /^\/\/ oxlint-disable-next-line [a-z]+\/[a-z-]+ -- \w/;
const STATEMENT = /^\/\/\s*(const|let|var|import|export|await|return) [^.]*[;{]$/;
const BLOCK = /^\/\/\s*(\} else|(if|for|while) \(.*\)) .*[;{]$/;

/** No notes to oneself, no check switched off, no code in comments. */
export function cleanComments(source: Source): Finding[] {
  const { path, text } = source;
  return commentsOf(source).flatMap((comment) => {
    const line = lineAt(text, comment.start);
    const off = EXCUSED.test(comment.text) ? null : SWITCHED_OFF.exec(comment.text);
    const left = LEFT_OVER.exec(comment.text) ?? off;
    if (left !== null) return [{ path, line, what: `\`${left[0]}\` in a comment` }];
    if (STATEMENT.test(comment.text) || BLOCK.test(comment.text)) {
      return [{ path, line, what: 'code in a comment' }];
    }
    return [];
  });
}

/** `runIf` stays: a test may need what a machine lacks, and is then counted as skipped. */
const CHECK_OFF: ReadonlySet<string> = new Set(['skip', 'only', 'todo', 'fails']);

/** No test is left out, and none runs alone. */
export function noSkippedTests({ path, text, tree }: Source): Finding[] {
  const findings: Finding[] = [];
  walk(tree, (node) => {
    if (node.type !== 'MemberExpression') return;
    const object = node['object'] as Node;
    const property = node['property'] as Node;
    const name = String(property['name'] ?? property['value']);
    if (!SUITES.has(object['name']) || !CHECK_OFF.has(name)) return;
    const line = lineAt(text, node.start);
    findings.push({ path, line, what: `${String(object['name'])}.${name}: no test is left out` });
  });
  return findings;
}

/** `as any` is a lie to the compiler; the linter sees `any` of every other kind. */
export function noAsAny({ path, text, tree }: Source): Finding[] {
  const findings: Finding[] = [];
  walk(tree, (node) => {
    if (node.type !== 'TSAsExpression') return;
    if ((node['typeAnnotation'] as Node).type !== 'TSAnyKeyword') return;
    findings.push({ path, line: lineAt(text, node.start), what: '`as any`' });
  });
  return findings;
}

/** `new Date()` reads the clock; `new Date(ms)` only shows a time as a date. */
export function noClockReads({ path, text, tree }: Source): Finding[] {
  const findings: Finding[] = [];
  if (packageOf(path) === undefined || isTest(path) || OUTSIDE.test(path)) return findings;
  walk(tree, (node) => {
    const called = node.type === 'NewExpression' || node.type === 'CallExpression';
    if (!called || (node['callee'] as Node)['name'] !== 'Date') return;
    if (node.type === 'NewExpression' && (node['arguments'] as Node[]).length > 0) return;
    const line = lineAt(text, node.start);
    findings.push({ path, line, what: 'reads the clock: time comes from the Clock port' });
  });
  return findings;
}
