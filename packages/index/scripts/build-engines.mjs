// Builds the optional engines of src/adapters, hnswlib and faiss, in packages/index/engines: their
// npm packages by a lockfile of their own and without their scripts, compiled here; faiss against
// Debian's libfaiss-dev, which is installed where that can be done (as root, with apt-get). What
// cannot be had is left out, in one line each. A second run is a no-op.
//
// node scripts/build-engines.mjs            builds
// node scripts/build-engines.mjs --test     and runs the tests of the adapters against them
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, realpathSync } from 'node:fs';
import { renameSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const home = dirname(dirname(fileURLToPath(import.meta.url)));
const root = join(home, '..', '..');
const engines = join(home, 'engines');
const compiler = process.env.CXX ?? 'g++';

const say = (text) => process.stdout.write(`engines: ${text}\n`);
const runs = (command, args = ['--version']) =>
  spawnSync(command, args, { stdio: 'ignore' }).status === 0;

function installPackages() {
  if (existsSync(join(engines, 'node_modules', 'faiss-node', 'package.json'))) return true;
  const flags = ['install', '--ignore-workspace', '--frozen-lockfile', '--ignore-scripts'];
  const pnpm = ['-y', 'pnpm@10.34.9', ...flags, '--reporter=silent'];
  return spawnSync('npx', pnpm, { cwd: engines, stdio: 'inherit' }).status === 0;
}

const FAISS_HEADER = '/usr/include/faiss/Index.h';
const OPENBLAS = '/usr/lib/x86_64-linux-gnu/libopenblas.so';

function installFaiss() {
  if (existsSync(FAISS_HEADER) && existsSync(OPENBLAS)) return true;
  if (process.getuid?.() !== 0 || !runs('apt-get')) return false;
  say('installing libfaiss-dev');
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  spawnSync('apt-get', ['update', '-qq'], { stdio: 'ignore', env });
  const packages = ['install', '-y', '-qq', 'libfaiss-dev', 'libopenblas-dev'];
  spawnSync('apt-get', packages, { stdio: 'ignore', env });
  return existsSync(FAISS_HEADER);
}

/** Node's headers: beside the running Node. */
function findHeaders() {
  const place = join(dirname(dirname(process.execPath)), 'include', 'node');
  return existsSync(join(place, 'node_api.h')) ? place : undefined;
}

/** faiss-node wants a name that faiss has from 1.7.4 on; Debian's is older. */
const OLDER_FAISS = `#pragma once
#include <faiss/Index.h>
#include <faiss/index_io.h>
namespace faiss { using idx_t = Index::idx_t; }
`;

/**
 * The source as it is compiled. faiss-node keeps its constructors once for all threads, so a second
 * thread that loads it would break the first; here each thread has its own, and the addon says so.
 */
function forThreads(source) {
  const [kept, ended] = ['inline static Napi::FunctionReference *constructor;', 'return exports;'];
  const at = source.lastIndexOf(ended);
  if (!source.includes(kept) || at < 0) throw new Error('faiss-node is not the one expected');
  const mark = 'exports.Set("manyThreads", Napi::Boolean::New(env, true));\n  ';
  const marked = `${source.slice(0, at)}${mark}${source.slice(at)}`;
  return marked.replace(kept, kept.replace('static', 'static thread_local'));
}

const ADDONS = [
  {
    name: 'hnswlib-node',
    output: 'addon.node',
    source: 'src/addon.cc',
    flags: () => ['-DNAPI_DISABLE_CPP_EXCEPTIONS'],
    libraries: [],
    change: (text) => text,
  },
  {
    name: 'faiss-node',
    output: 'faiss-node.node',
    source: 'src/faiss.cc',
    flags: (folder) => ['-DNAPI_VERSION=6', '-fopenmp', '-include', join(folder, 'older.h')],
    libraries: ['-lfaiss', '-lopenblas', '-lgomp'],
    change: forThreads,
    ready: installFaiss,
  },
];

/** True = the addon is there. */
function build(addon, headers) {
  const { name, output, source, flags, libraries, ready, change } = addon;
  const folder = realpathSync(join(engines, 'node_modules', name));
  const release = join(folder, 'build', 'Release');
  const target = join(release, output);
  if (existsSync(target)) return true;
  if (ready?.() === false) {
    say(`${name} is left out: libfaiss-dev is not to be had here`);
    return false;
  }
  mkdirSync(release, { recursive: true });
  writeFileSync(join(release, 'older.h'), OLDER_FAISS);
  const changed = join(release, basename(source));
  writeFileSync(changed, change(readFileSync(join(folder, source), 'utf8')));
  const api = realpathSync(join(engines, 'node_modules', 'node-addon-api'));
  const made = `${target}.${process.pid}`;
  const args = ['-std=c++17', '-O3', '-fPIC', '-shared', '-w', '-isystem', headers, '-I', api];
  args.push(...flags(release), '-I', dirname(join(folder, source)), changed);
  args.push('-o', made, ...libraries);
  const compiled = spawnSync(compiler, args, { encoding: 'utf8' });
  if (compiled.status === 0) renameSync(made, target);
  else say(`${name} is left out: ${compiled.stderr.trim().split('\n').slice(0, 3).join(' ')}`);
  return compiled.status === 0;
}

const headers = findHeaders();
if (process.platform !== 'linux' || headers === undefined || !runs(compiler)) {
  say('no Linux with a C++ compiler and headers of Node; none is built');
} else if (!installPackages()) say('their packages are not to be had; none is built');
else {
  const built = ADDONS.filter((addon) => build(addon, headers)).map(({ name }) => name);
  say(`${built.join(', ') || 'none'} built`);
}
if (process.argv.includes('--test')) {
  const script = join(root, 'scripts', 'test.mjs');
  const tests = spawnSync(process.execPath, [script, 'packages/index/src/adapters'], {
    cwd: root,
    stdio: 'inherit',
  });
  process.exitCode = tests.status ?? 1;
}
