// Compiles native/kernels.cc for WebAssembly SIMD and writes wasm/kernels.wasm, which is committed:
// a machine without a compiler uses it as it is. Needs clang and wasm-ld (packages clang and lld of
// a Linux distribution). `--check` only says whether the committed file is of these sources: it
// carries their hash, and the compiler's version, in sections of its own.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { KERNEL_SOURCES } from './native-flags.mjs';

const FLAGS = ['--target=wasm32', '-std=c++17', '-O3', '-ffreestanding', '-nostdlib']
  .concat('-msimd128', '-mbulk-memory', '-matomics', '-mmutable-globals', '-mnontrapping-fptoint')
  .concat(
    '-ffp-contract=off',
    '-fno-math-errno',
    '-fno-trapping-math',
    '-fno-exceptions',
    '-fno-rtti',
  )
  .concat('-Wall', '-Wextra', '-Werror');
const LINK = ['--no-entry', '--import-memory', '--shared-memory', '--max-memory=4294967296']
  .concat('--initial-memory=131072', '-zstack-size=4096', '--strip-all')
  .concat('--export=__stack_pointer', '--export-dynamic')
  .map((flag) => `-Wl,${flag.replace(/^-z/, '-z,')}`);

const DATA_SECTION = 11;
const home = dirname(dirname(fileURLToPath(import.meta.url)));
const native = join(home, 'native');
const target = join(home, 'wasm', 'kernels.wasm');
const hash = createHash('sha256').update([...FLAGS, ...LINK].join(' '));
for (const file of KERNEL_SOURCES) hash.update(readFileSync(join(native, file)));
const sources = hash.digest('hex');

/** Whether a module has a section of data. */
function holdsData(binary) {
  for (let at = 8; at < binary.length; ) {
    if (binary[at++] === DATA_SECTION) return true;
    let length = 0;
    for (let shift = 0; ; shift += 7) {
      const byte = binary[at++];
      length += (byte & 127) * 2 ** shift;
      if (byte < 128) break;
    }
    at += length;
  }
  return false;
}

/** A section that engines skip: its name, then text; both are shorter than 128 bytes. */
function noteSection(name, text) {
  const content = Buffer.concat([Buffer.from([name.length]), Buffer.from(name + text)]);
  if (content.length > 127) throw new RangeError(`${name}: a note of ${content.length} bytes`);
  return Buffer.concat([Buffer.from([0, content.length]), content]);
}

if (process.argv.includes('--check')) {
  const module = new WebAssembly.Module(readFileSync(target));
  const [section] = WebAssembly.Module.customSections(module, 'sources');
  const fresh = section !== undefined && Buffer.from(section).toString() === sources;
  process.stdout.write(`kernels: kernels.wasm is ${fresh ? 'up to date' : 'stale'}\n`);
  process.exit(fresh ? 0 : 1);
}

const folder = mkdtempSync(join(tmpdir(), 'kernels-'));
const output = join(folder, 'kernels.wasm');
const made = spawnSync(
  'clang',
  [...FLAGS, ...LINK, '-x', 'c++', join(native, 'kernels.cc'), '-o', output],
  { encoding: 'utf8' },
);
if (made.status !== 0) {
  process.stderr.write(`kernels: clang failed\n${made.stderr ?? made.error}\n`);
  process.exit(1);
}
const binary = readFileSync(output);
// A table in the sources would lie where the locks of a memory are (src/wasm-instance.ts).
if (holdsData(binary)) {
  process.stderr.write('kernels: the module must not hold data; compute it, or pass it\n');
  process.exit(1);
}
rmSync(folder, { recursive: true });
const version = spawnSync('clang', ['--version'], { encoding: 'utf8' })
  .stdout.split('\n')[0]
  .trim();
mkdirSync(dirname(target), { recursive: true });
writeFileSync(
  target,
  Buffer.concat([binary, noteSection('compiler', version), noteSection('sources', sources)]),
);
process.stdout.write(`kernels: ${binary.length} bytes of WebAssembly written\n`);
