// Reads the native sources with clang-tidy, each as every instruction set compiles it: the checks
// are in `.clang-tidy`. Installs it where that can be done (as root, with apt-get); elsewhere says
// so and fails nothing. Ends with `N passed, N failed`, one for each pass.
//
// CLANG_TIDY   the program to use
import { spawn, spawnSync } from 'node:child_process';
import { availableParallelism } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { CHECKSUM, findHeaders, ISAS, LANGUAGE } from './native-flags.mjs';

const home = dirname(dirname(fileURLToPath(import.meta.url)));
const native = join(home, 'native');
const program = process.env.CLANG_TIDY ?? 'clang-tidy';
const runs = (command) => spawnSync(command, ['--version'], { stdio: 'ignore' }).status === 0;

function install() {
  if (process.getuid?.() !== 0 || !runs('apt-get')) return;
  process.stdout.write('clang-tidy: installing it\n');
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  spawnSync('apt-get', ['update', '-qq'], { stdio: 'ignore', env });
  const packages = ['install', '-y', '-qq', '--no-install-recommends', 'clang-tidy'];
  spawnSync('apt-get', packages, { stdio: 'ignore', env });
}

/** Sources with the flags that they are compiled with on this machine. */
function passes(headers) {
  const isas = Object.entries(ISAS[process.arch] ?? {}).map(([isa, flags]) => ({
    name: `kernels.cc, ${isa}`,
    source: 'kernels.cc',
    flags: [...flags, `-DELANUS_TABLE=elanus_kernels_${isa}`],
  }));
  return [
    ...isas,
    { name: 'checksum.cc', source: 'checksum.cc', flags: CHECKSUM[process.arch] ?? [] },
    { name: 'addon.cc', source: 'addon.cc', flags: ['-isystem', headers] },
  ];
}

/** True = nothing found. What was found is printed. */
function check({ name, source, flags }) {
  const ofClang = flags.filter((flag) => flag !== '-Wno-maybe-uninitialized');
  return new Promise((resolve) => {
    const args = ['--quiet', join(native, source), '--', ...LANGUAGE, '-O1', ...ofClang];
    const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'] });
    let text = '';
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (part) => (text += part));
    child.on('close', (code) => {
      process.stdout.write(code === 0 ? `ok      ${name}\n` : `${text}\nFAILED  ${name}\n`);
      resolve(code === 0);
    });
  });
}

if (!runs(program)) install();
const headers = findHeaders();
if (!runs(program) || headers === undefined) {
  process.stdout.write(`clang-tidy: ${headers ? 'not' : "no headers of Node's"} to be had here; `);
  process.stdout.write('nothing was checked\n0 passed, 0 failed\n');
  process.exit(0);
}
const waiting = passes(headers);
const results = [];
const worker = async () => {
  for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
    results.push(await check(next));
  }
};
await Promise.all(Array.from({ length: Math.min(4, availableParallelism()) }, worker));
const failed = results.filter((ok) => !ok).length;
process.stdout.write(`${results.length - failed} passed, ${failed} failed\n`);
process.exit(failed === 0 ? 0 : 1);
