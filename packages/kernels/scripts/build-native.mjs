// Builds the native kernels where a C++ compiler and Node's headers are; otherwise says in one
// line that WebAssembly serves, and succeeds. A second run with the same sources, compiler and
// target is a no-op. Node's N-API is stable, so one build serves every Node from 22 on.
//
// --arch=arm64        for another machine, with its compiler as CXX
//
// ELANUS_NO_NATIVE=1  build nothing and remove an earlier build: the WebAssembly path is used
// CXX                 the compiler to use
// ELANUS_SANITIZE=1   with sanitizers: scripts/sanitize.mjs
import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { CHECKSUM, findHeaders, ISAS, KERNEL_SOURCES, LANGUAGE } from './native-flags.mjs';

const SLOWER = 'exact searches about 1.2x slower, over 8-bit codes 1.6x, in batches 2x';
/** Set by scripts/sanitize.mjs: slower code that stops at the first misstep. */
const SANITIZED = process.env.ELANUS_SANITIZE === '1';
const SANITIZERS = ['-fsanitize=address,undefined', '-fno-sanitize-recover=all', '-g'];
const COMMON = [SANITIZED ? '-O1' : '-O3', ...LANGUAGE, ...(SANITIZED ? SANITIZERS : [])];
/** Another one than this machine's: `CXX` has to compile for it. */
const ARCH =
  process.argv.find((one) => one.startsWith('--arch='))?.slice('--arch='.length) ?? process.arch;

const home = dirname(dirname(fileURLToPath(import.meta.url)));
const native = join(home, 'native');
const build = join(home, 'build');
const name = `kernels-${process.platform}-${ARCH}`;
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

function findCompiler() {
  const candidates = process.env.CXX ? [process.env.CXX] : ['g++', 'clang++', 'c++'];
  return candidates.find((one) => spawnSync(one, ['--version'], { stdio: 'ignore' }).status === 0);
}

function hashOfSources() {
  const hash = createHash('sha256').update(`${name} ${process.env.CXX ?? ''}`);
  const doors = ['args.h', 'addon-graph.h', 'addon-rabitq.h', 'addon.cc'];
  const others = ['checksum.h', 'checksum.cc', ...doors];
  const files = [...KERNEL_SOURCES, ...others].map((file) => join(native, file));
  files.push(
    ...['build-native.mjs', 'native-flags.mjs'].map((file) => join(home, 'scripts', file)),
  );
  for (const file of files) hash.update(readFileSync(file));
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
const isas = ISAS[ARCH];
if (!isas) withoutNative(`no native kernels for ${ARCH}`);
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
    ...CHECKSUM[ARCH],
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
  if (process.platform === 'linux' && !SANITIZED) shared.push('-static-libgcc');
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
