// Makes the npm package of one platform's addon in build/packages/<name>, ready for `npm pack`: the
// addon and nothing that runs. npm installs those that fit the machine (os, cpu, libc).
//
// node scripts/pack-native.mjs [--arch=arm64]      after build-native.mjs with the same argument
import { copyFileSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

const home = dirname(dirname(fileURLToPath(import.meta.url)));
const arch =
  process.argv.find((one) => one.startsWith('--arch='))?.slice('--arch='.length) ?? process.arch;
const os = process.platform;

/** Which C library an addon was built for: the one that the build machine runs on. */
function findLibc() {
  if (os !== 'linux') return undefined;
  const glibc = process.report.getReport().header.glibcVersionRuntime;
  return glibc === undefined ? 'musl' : 'glibc';
}

const libc = findLibc();
const suffix = { glibc: '-gnu', musl: '-musl' }[libc] ?? '';
const short = `kernels-${os}-${arch}${suffix}`;
const addon = join(home, 'build', `kernels-${os}-${arch}.node`);
if (!existsSync(addon)) {
  process.stderr.write(`kernels: ${relative(process.cwd(), addon)} is not built\n`);
  process.exit(1);
}

const { version, license } = JSON.parse(readFileSync(join(home, 'package.json'), 'utf8'));
const target = join(home, 'build', 'packages', short);
const manifest = {
  name: `@elanus/${short}`,
  version,
  description: `The native kernels of elanus for ${os} on ${arch}${libc ? ` with ${libc}` : ''}.`,
  license,
  main: './kernels.node',
  files: ['kernels.node'],
  os: [os],
  cpu: [arch],
  ...(libc === undefined ? {} : { libc: [libc] }),
  engines: { node: '>=22.18' },
};
const readme = `# @elanus/${short}

The native kernels of [elanus](https://www.npmjs.com/package/elanus) for one kind of machine. elanus
finds it by itself; without it, WebAssembly serves. Nothing runs when it is installed.
`;

rmSync(target, { recursive: true, force: true });
mkdirSync(target, { recursive: true });
copyFileSync(addon, join(target, 'kernels.node'));
copyFileSync(join(home, '..', '..', 'LICENSE'), join(target, 'LICENSE'));
writeFileSync(join(target, 'README.md'), readme);
writeFileSync(join(target, 'package.json'), `${JSON.stringify(manifest, null, 2)}\n`);
process.stdout.write(`${relative(process.cwd(), target)} is ready\n`);
