/**
 * Goal: what README.md and examples/ show compiles as it stands; that it runs is another lane's.
 */
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';

const here = dirname(fileURLToPath(import.meta.url));
const root = join(here, '../..');
const run = promisify(execFile);

/** What the compiler says about a project; nothing when all is well. */
async function complaints(project: string): Promise<string> {
  const tsc = join(root, 'node_modules/typescript/bin/tsc');
  const done = run(process.execPath, [tsc, '-p', project]);
  return done.then(
    () => '',
    (failed: { readonly stdout: string }) => failed.stdout.slice(0, 2_000),
  );
}

/** Programs in a Markdown text. */
function blocksOf(markdown: string): string[] {
  return [...markdown.matchAll(/^```ts\n([\s\S]*?)^```$/gm)].map(([, body]) => body ?? '');
}

test('the examples compile', async () => {
  expect(await complaints(join(here, 'tsconfig.json'))).toBe('');
});

/** What the compiler says about programs, each a module of its own. */
async function complaintsAbout(blocks: readonly string[]): Promise<string> {
  const folder = await mkdtemp(join(here, 'made-'));
  try {
    const names = blocks.map((_, i) => `block-${i + 1}.ts`);
    const config = { extends: '../tsconfig.json', files: names, include: [] };
    await writeFile(join(folder, 'tsconfig.json'), JSON.stringify(config));
    for (const [i, source] of blocks.entries()) {
      await writeFile(join(folder, names[i] ?? ''), `${source}\nexport {};\n`);
    }
    return await complaints(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

test('the blocks of the README compile', async () => {
  const blocks = blocksOf(await readFile(join(root, 'README.md'), 'utf8'));
  expect(blocks.length).toBeGreaterThanOrEqual(2);
  expect(await complaintsAbout(blocks)).toBe('');
});

/** What the pages take for granted. */
const BEFORE = `
import { collection, t, type Db, type SparseInput } from 'elanus';
declare const db: Db;
`;

test.each(['indexes', 'vectors'])('the blocks of docs/%s.md compile', async (page) => {
  const blocks = blocksOf(await readFile(join(root, 'docs', `${page}.md`), 'utf8'));
  expect(blocks.length).toBeGreaterThanOrEqual(1);
  expect(await complaintsAbout(blocks.map((block) => BEFORE + block))).toBe('');
});
