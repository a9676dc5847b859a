// Installs the peers that `pnpm bench engine` measures against, into this folder only: npm packages
// by their own lockfile, qdrant-edge-py by pip where Python is. Nothing of it is a dependency of
// Elanus.
//
// node bench/peers/install.mjs
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';

const here = import.meta.dirname;
const QDRANT = 'qdrant-edge-py==0.9.0';

function run(command, args) {
  process.stdout.write(`peers: ${command} ${args.join(' ')}\n`);
  return spawnSync(command, args, { cwd: here, stdio: 'inherit' }).status === 0;
}

const pnpm = ['-y', 'pnpm@10.34.9', 'install', '--ignore-workspace', '--frozen-lockfile'];
const packages = run('npx', pnpm);
const target = ['--target', join(here, 'python'), '--no-deps', '--quiet'];
const python = run('python3', ['-m', 'pip', 'install', '--upgrade', ...target, QDRANT]);
if (!python) process.stdout.write('peers: no Python to be had; qdrant-edge is left out\n');
process.exitCode = packages ? 0 : 1;
