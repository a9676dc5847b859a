// READMEs, documents and what must never be written anywhere, held against the repository.
import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { importsOf } from './layers.ts';
import { linksLead, listedDependencies, namedFiles, noWorkplace, packageReadme } from './papers.ts';
import { isTest, listFiles, print, readSources, readTexts, ROOT } from './source.ts';

const exists = (path: string): boolean => existsSync(join(ROOT, path));
const folders = ['packages', 'services'].flatMap((parent) =>
  exists(parent) ? readdirSync(join(ROOT, parent)).map((name) => `${parent}/${name}`) : [],
);

/** What git tracks, or everything where there is no git. */
function trackedFiles(): string[] {
  try {
    const args = ['ls-files', '-z', '--cached', '--others', '--exclude-standard'];
    const names = execFileSync('git', args, { cwd: ROOT, encoding: 'utf8' }).split('\0');
    return names.filter((name) => name !== '' && exists(name));
  } catch {
    return listFiles('');
  }
}

/** Packages of others that product code imports: bundled into what is published, or installed. */
function runTimeDependencies(): string[] {
  const product = readSources().filter(({ path }) => path.includes('/src/') && !isTest(path));
  const imports = product.flatMap(importsOf).map(({ from }) => from);
  const others = imports.filter((from) => !/^(\.|node:|elanus$|@elanus\/)/.test(from));
  const names = others.map((from) => {
    return from
      .split('/')
      .slice(0, from.startsWith('@') ? 2 : 1)
      .join('/');
  });
  return [...new Set(names)].sort();
}

const tracked = trackedFiles();
const isText = /(\.(ts|mjs|md|json|yaml|yml|cc|h|txt|sh)|\/run|^[^.]*)$/;
const documents = readTexts(tracked.filter((path) => path.endsWith('.md')));

describe('the papers', () => {
  test('tell nothing of where they were written', () => {
    const texts = readTexts(tracked.filter((path) => isText.test(path)));
    expect(texts.length).toBeGreaterThan(300);
    expect(print(texts.flatMap(noWorkplace)).join('\n')).toBe('');
  });

  test('every package has half a page', () => {
    const findings = folders.flatMap((folder) => {
      const path = `${folder}/README.md`;
      return packageReadme(path, exists(path) ? readTexts([path])[0]?.text : undefined);
    });
    expect(print(findings).join('\n')).toBe('');
  });

  test('links lead somewhere', () => {
    const findings = documents.flatMap((text) => linksLead(text, exists));
    expect(print(findings).join('\n')).toBe('');
  });

  test('files that are named are there', () => {
    const code = tracked.filter((path) => path.endsWith('.ts'));
    const walks = documents.filter(({ path }) => path === 'ARCHITECTURE.md');
    expect(walks).toHaveLength(1);
    expect(print(walks.flatMap((text) => namedFiles(text, code))).join('\n')).toBe('');
  });

  test('what runs in the product is listed with its reason', () => {
    const [list] = readTexts(['docs/dependencies.md']);
    if (list === undefined) throw new Error('fixture');
    const running = runTimeDependencies();
    expect(running).toContain('piscina');
    expect(print(listedDependencies(list, running)).join('\n')).toBe('');
  });
});

describe('a planted violation is seen', () => {
  const text = (content: string) => ({ path: 'docs/x.md', text: content });

  test.each([
    ['a machine path', ['see /wo', 'rk/main']],
    ['a home', ["cd '/ho", "me/jane'"]],
    ['a note to oneself', ['as decided in this sess', 'ion']],
  ])('%s', (_name, halves) => {
    expect(noWorkplace(text(`fine\n${halves.join('')}`))).toMatchObject([{ line: 2 }]);
    expect(
      noWorkplace(text(['the network of a frame', 'work', 'shop; the session token'].join('/'))),
    ).toEqual([]);
  });

  test('a README that is missing, silent or long', () => {
    const good = '# x\n\nIt never sleeps.\n\nRead first: `a.ts`.\n';
    expect(packageReadme('packages/x/README.md', good)).toEqual([]);
    expect(packageReadme('packages/x/README.md', undefined)).toHaveLength(1);
    expect(packageReadme('packages/x/README.md', '# x\n')).toHaveLength(2);
    expect(packageReadme('packages/x/README.md', good + '\n'.repeat(80) + 'end')).toHaveLength(1);
  });

  test('a link into nothing', () => {
    const there = (path: string): boolean => path === 'docs/a.md';
    const links = '[a](a.md#top) [b](b.md)\n[web](https://example.org) [here](#here)';
    expect(linksLead(text(links), there)).toMatchObject([{ line: 1, what: '`b.md` is not there' }]);
  });

  test('a file that was renamed', () => {
    const files = ['packages/core/src/errors.ts'];
    const names = '`core/src/errors.ts` `src/errors.ts` `errors.ts`\n`error.ts`';
    expect(namedFiles(text(names), files)).toMatchObject([{ line: 2 }]);
  });

  test('a dependency without a reason, and a reason without a dependency', () => {
    const list = text('| package | why |\n| `zod` | checks |\n');
    expect(listedDependencies(list, ['zod'])).toEqual([]);
    expect(listedDependencies(list, ['zod', 'left-pad'])).toHaveLength(1);
    expect(listedDependencies(list, [])).toHaveLength(1);
  });
});
