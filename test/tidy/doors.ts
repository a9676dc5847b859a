import type { Finding, Node, Source } from './source.ts';
import { isTest, lineAt, packageOf } from './source.ts';

const DOOR_LINES_MAX = 80;

const isDoor = (path: string): boolean => /\/src\/(conformance\/)?index\.ts$/.test(path);

/** A package's door: short, and each name written out, so that what leaves is decided. */
export function doorShape({ path, text, tree }: Source): Finding[] {
  if (!isDoor(path)) return [];
  const lines = text.replace(/\n$/, '').split('\n').length;
  const long = lines > DOOR_LINES_MAX;
  const findings: Finding[] = long
    ? [{ path, line: DOOR_LINES_MAX + 1, what: `a door of ${lines} lines, at most 80` }]
    : [];
  for (const node of tree['body'] as readonly Node[]) {
    if (node.type === 'ExportNamedDeclaration' && node['source'] != null) continue;
    const line = lineAt(text, node.start);
    findings.push({ path, line, what: 'a door only names what it lets out' });
  }
  return findings;
}

/** `export *` hides what a file lets out; a default export has no name. */
export function namedExports({ path, text, tree }: Source): Finding[] {
  return (tree['body'] as readonly Node[]).flatMap((node) => {
    const line = lineAt(text, node.start);
    if (node.type === 'ExportAllDeclaration') return [{ path, line, what: '`export *`' }];
    const allowed = /(^|\/)[a-z]+\.config\.ts$/.test(path) || /\/threads\//.test(path);
    if (node.type === 'ExportDefaultDeclaration' && !allowed) {
      return [{ path, line, what: 'a default export' }];
    }
    return [];
  });
}

interface Exported {
  readonly name: string;
  readonly node: Node;
}

const nameOf = (node: Node | null | undefined): string =>
  typeof node?.['name'] === 'string' ? node['name'] : '';

/** What a file declares and exports, by name; overloads once. */
function exportedOf({ tree }: Source): Exported[] {
  const all: Exported[] = [];
  const declared = new Map<string, Node>();
  const body = tree['body'] as readonly Node[];
  for (const node of body) {
    for (const name of declaredNames(node)) if (!declared.has(name)) declared.set(name, node);
    if (node.type !== 'ExportNamedDeclaration' || node['source'] != null) continue;
    const declaration = node['declaration'] as Node | null;
    if (declaration !== null) {
      for (const name of declaredNames(declaration)) all.push({ name, node });
      continue;
    }
    for (const specifier of node['specifiers'] as readonly Node[]) {
      const name = nameOf(specifier['exported'] as Node);
      const at = declared.get(nameOf(specifier['local'] as Node));
      if (at !== undefined) all.push({ name, node: at });
    }
  }
  return all.filter(({ name }, i) => all.findIndex((one) => one.name === name) === i);
}

function declaredNames(node: Node): string[] {
  if (node.type === 'VariableDeclaration') {
    const names = (node['declarations'] as readonly Node[]).map((one) => nameOf(one['id'] as Node));
    return names.filter((name) => name !== '');
  }
  const name = nameOf(node['id'] as Node | null | undefined);
  return name === '' ? [] : [name];
}

/** True = a `/** … *` comment with words in it ends right before the node. */
function isDocumented(text: string, node: Node): boolean {
  const before = text.slice(0, node.start).trimEnd();
  if (!before.endsWith('*/')) return false;
  const comment = before.slice(before.lastIndexOf('/*'));
  return comment.startsWith('/**') && /[a-zA-Z]{2}/.test(comment);
}

/** Every exported symbol says what it is, and why. */
export function documentedExports(source: Source): Finding[] {
  const { path, text } = source;
  if (packageOf(path) === undefined || isTest(path)) return [];
  return exportedOf(source).flatMap(({ name, node }) =>
    isDocumented(text, node)
      ? []
      : [{ path, line: lineAt(text, node.start), what: `\`${name}\` has no doc sentence` }],
  );
}

const NO_LAST_WORD = /(Manager|Helper|Helpers|Handler|Impl|Base|Common|Util|Utils|Info|Data)$/;
const NO_FIRST_WORD = /^(process|manage|do|perform)(?=[A-Z]|$)/;
/** Words of other systems for what has a name here: the terms of ARCHITECTURE.md. */
const NO_WORD = /(t-?safe|epoch|watermark|heartbeat|topN|topology)/i;

/** One word, one thing; and no words that say nothing. */
export function exportedNames(source: Source): Finding[] {
  const { path, text } = source;
  if (packageOf(path) === undefined || isTest(path)) return [];
  return exportedOf(source).flatMap(({ name, node }) => {
    const bad = NO_LAST_WORD.exec(name) ?? NO_FIRST_WORD.exec(name) ?? NO_WORD.exec(name);
    if (bad === null) return [];
    const line = lineAt(text, node.start);
    return [{ path, line, what: `\`${name}\`: not \`${bad[1] ?? ''}\`` }];
  });
}
