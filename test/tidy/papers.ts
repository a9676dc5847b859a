import type { Finding, Text } from './source.ts';

/** Half a page is read; more is not. */
const README_LINES_MAX = 60;

/** Machine paths and words of a workplace, in halves so that this file does not match itself. */
const PRIVATE_WORDS: readonly RegExp[] = [
  ['(^|[\\s"\'`(=:])/wo', 'rk/'],
  ['(^|[\\s"\'`(=:])/ro', 'ot/'],
  ['(^|[\\s"\'`(=:])/ho', 'me/[a-z]'],
  ['\\.lib', 'rary\\b'],
  ['\\bCLA', 'UDE\\b'],
  ['\\bsub-ag', 'ent'],
  ['\\bthis sess', 'ion\\b'],
].map((halves) => new RegExp(halves.join('')));

/** Nothing tells where or by whom it was written. */
export function noWorkplace({ path, text }: Text): Finding[] {
  return text.split('\n').flatMap((line, i) => {
    const found = PRIVATE_WORDS.map((word) => word.exec(line)?.[0]).find(Boolean);
    if (found === undefined) return [];
    return [{ path, line: i + 1, what: `\`${found.trim()}\` belongs to a machine, not here` }];
  });
}

/** Every package says what it is for, what it never does, and where to begin to read. */
export function packageReadme(path: string, text: string | undefined): Finding[] {
  if (text === undefined) return [{ path, line: 1, what: 'no README.md' }];
  const lines = text.trimEnd().split('\n').length;
  const findings: Finding[] = [];
  const missing = [
    { what: 'what it never does', sign: /\bnever\b/i },
    { what: 'which files to read first', sign: /read first/i },
  ].filter(({ sign }) => !sign.test(text));
  for (const { what } of missing) findings.push({ path, line: 1, what: `does not say ${what}` });
  if (lines > README_LINES_MAX) {
    findings.push({ path, line: 1, what: `${lines} lines, at most ${README_LINES_MAX}` });
  }
  return findings;
}

const LINK = /\[[^\]]*\]\(([^)\s]+)\)/g;

/** Links to files of the repository lead to files; `exists` takes a path from the root. */
export function linksLead({ path, text }: Text, exists: (path: string) => boolean): Finding[] {
  const folder = path.includes('/') ? path.slice(0, path.lastIndexOf('/') + 1) : '';
  return [...text.matchAll(LINK)].flatMap((match) => {
    const [target = ''] = (match[1] ?? '').split('#');
    if (target === '' || /^[a-z]+:/.test(target)) return [];
    if (exists(folder + target)) return [];
    const line = text.slice(0, match.index).split('\n').length;
    return [{ path, line, what: `\`${target}\` is not there` }];
  });
}

/** Words in backticks that look like files of `packages`: ARCHITECTURE.md walks by them. */
const FILE_NAME = /`([a-z0-9-]+(?:\/[a-z0-9-]+)*\.ts)`/g;

/** Files that a document names are there, in full or by the end of their path. */
export function namedFiles({ path, text }: Text, files: readonly string[]): Finding[] {
  return [...text.matchAll(FILE_NAME)].flatMap((match) => {
    const name = match[1] ?? '';
    const there = files.some((file) => {
      const short = file.replace(/^packages\//, '');
      return file === name || short === name || short.endsWith(`/${name}`);
    });
    if (there) return [];
    const line = text.slice(0, match.index).split('\n').length;
    return [{ path, line, what: `there is no \`${name}\`` }];
  });
}

/** What runs in the product stands in docs/dependencies.md, and nothing else does. */
export function listedDependencies(list: Text, dependencies: readonly string[]): Finding[] {
  const { path, text } = list;
  const rows = [...text.matchAll(/^\| `([^`]+)`/gm)].map((match) => match[1] ?? '');
  const unlisted = dependencies.filter((name) => !rows.includes(name));
  const gone = rows.filter((name) => !dependencies.includes(name));
  return [
    ...unlisted.map((name) => ({ path, line: 1, what: `${name} runs, and is not listed` })),
    ...gone.map((name) => ({ path, line: 1, what: `${name} is listed, and nobody depends on it` })),
  ];
}
