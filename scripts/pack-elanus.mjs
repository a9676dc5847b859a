// Makes the npm package `elanus` in packages/elanus/build/package, ready for `npm pack` or `npm
// publish`: one bundle with the inner packages, tRPC, zod and Arrow in it, thread entries beside
// it, and the public types without a trace of the inner packages.
//
// node scripts/pack-elanus.mjs           needs `tsc -b` before it: the types come from dist
import {
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { basename, dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const source = join(root, 'packages', 'elanus');
const target = join(source, 'build', 'package');
const own = JSON.parse(readFileSync(join(source, 'package.json'), 'utf8'));

/** Thread entries by their path in the bundle: the same as in their package. */
function threadEntries() {
  const entries = {};
  for (const name of readdirSync(join(root, 'packages'))) {
    const src = join(root, 'packages', name, 'src');
    for (const folder of ['threads', 'pool', 'meta']) {
      if (!existsSync(join(src, folder))) continue;
      for (const file of readdirSync(join(src, folder))) {
        const isThread = folder === 'threads' || file.endsWith('-thread.ts');
        if (!isThread || !file.endsWith('.ts') || /\.(test|prop|model)\./.test(file)) continue;
        const entry = `${folder}/${basename(file, '.ts')}`;
        if (entry in entries) throw new Error(`two thread entries are called ${entry}`);
        entries[entry] = join(src, folder, file);
      }
    }
  }
  return entries;
}

const shared = {
  bundle: true,
  format: 'esm',
  conditions: ['elanus:source'],
  legalComments: 'none',
  logLevel: 'warning',
};

/** The library, the command line and the threads: they share chunks, so nothing is there twice. */
async function bundleNode() {
  const { metafile } = await build({
    ...shared,
    entryPoints: {
      index: join(source, 'src/index.ts'),
      'cli/main': join(source, 'src/cli/main.ts'),
      ...threadEntries(),
    },
    outdir: join(target, 'dist'),
    splitting: true,
    chunkNames: 'chunk-[hash]',
    platform: 'node',
    target: 'node22.18',
    external: ['piscina'],
    minifySyntax: true,
    minifyWhitespace: true,
    metafile: true,
  });
  checkPlaces(metafile.outputs);
}

/** Files look for others beside themselves: that works at the top of the bundle only. */
function checkPlaces(outputs) {
  for (const path of Object.keys(outputs)) {
    const place = relative(join(target, 'dist'), join(process.cwd(), path));
    if (!place.includes('/') && !place.includes('\\')) continue;
    if (!readFileSync(join(process.cwd(), path), 'utf8').includes('import.meta.url')) continue;
    throw new Error(`${place} asks where it is, but code moves when it is bundled`);
  }
}

/** The client for browsers: one file, nothing of Node. */
async function bundleClient() {
  await build({
    ...shared,
    entryPoints: { client: join(source, 'src/client.ts') },
    outdir: join(target, 'dist'),
    platform: 'browser',
    target: 'es2022',
    minify: true,
  });
}

const IMPORT = /(from\s+|import\s*\(\s*|import\s+)(['"])([^'"]+)\2/g;

/** Where the declarations of an import lie; undefined = outside of this workspace. */
function declarationOf(specifier, from) {
  if (specifier.startsWith('.')) {
    return join(dirname(from), specifier).replace(/\.(ts|js)$/, '.d.ts');
  }
  const [, name, door] = /^@elanus\/([^/]+)(?:\/(.+))?$/.exec(specifier) ?? [];
  if (name === undefined) return undefined;
  const folder = join(root, 'packages', name);
  const { exports } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
  return join(folder, exports[door === undefined ? '.' : `./${door}`].types);
}

/** `packages/api/dist/router.d.ts` is `types/api/router.d.ts` in the package. */
function placeOf(declaration) {
  const [, name = '', path = ''] =
    /^packages\/([^/]+)\/dist\/(.+)$/.exec(relative(root, declaration).replaceAll('\\', '/')) ?? [];
  return join(target, 'types', name, path);
}

/** Copies the declarations that the doors reach; inner packages become relative paths. */
function rollTypes(doors) {
  const seen = new Set();
  const queue = [...doors];
  while (queue.length > 0) {
    const file = queue.pop();
    if (seen.has(file)) continue;
    seen.add(file);
    const text = readFileSync(file, 'utf8').replace(/^\/\/# sourceMappingURL=.*$/m, '');
    const place = placeOf(file);
    const rewritten = text.replace(IMPORT, (whole, lead, quote, specifier) => {
      const found = declarationOf(specifier, file);
      if (found === undefined) return whole;
      queue.push(found);
      const path = relative(dirname(place), placeOf(found)).replaceAll('\\', '/');
      const dotted = path.startsWith('.') ? path : `./${path}`;
      return `${lead}${quote}${dotted.replace(/\.d\.ts$/, '.js')}${quote}`;
    });
    mkdirSync(dirname(place), { recursive: true });
    writeFileSync(place, rewritten);
  }
}

function writeManifest() {
  const { name, version, license, dependencies } = own;
  const manifest = {
    name,
    version,
    description: 'A vector database in TypeScript: one import to start, one cluster to grow into.',
    keywords: ['vector', 'database', 'similarity', 'search', 'embeddings', 'milvus', 'typescript'],
    license,
    type: 'module',
    engines: { node: '>=22.18' },
    sideEffects: false,
    bin: { elanus: './bin/elanus.mjs' },
    exports: {
      '.': { types: './types/elanus/index.d.ts', default: './dist/index.js' },
      './client': { types: './types/elanus/client.d.ts', default: './dist/client.js' },
      './package.json': './package.json',
    },
    dependencies: { piscina: dependencies.piscina },
    peerDependencies: { '@trpc/server': '^11.0.0' },
    peerDependenciesMeta: { '@trpc/server': { optional: true } },
  };
  writeFileSync(join(target, 'package.json'), `${JSON.stringify(manifest, null, 2)}\n`);
}

rmSync(target, { recursive: true, force: true });
mkdirSync(target, { recursive: true });
await bundleNode();
await bundleClient();
rollTypes([join(source, 'dist/index.d.ts'), join(source, 'dist/client.d.ts')]);
for (const name of ['README.md', 'LICENSE', 'examples']) {
  if (existsSync(join(root, name)))
    cpSync(join(root, name), join(target, name), { recursive: true });
}
cpSync(join(source, 'bin'), join(target, 'bin'), { recursive: true });
writeManifest();
process.stdout.write(`${relative(root, target)} is ready\n`);
