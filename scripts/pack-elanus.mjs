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

/** `import { a, type B } from '@elanus/x'`; imports of nothing but types name no code. */
const FROM_DOOR = /^import \{([^}]*)\} from '(@elanus\/[^']+)';$/gm;

/** The source that a door's name means. */
function sourceOf(specifier, from) {
  if (specifier.startsWith('.')) return join(dirname(from), specifier);
  const [, name, door = ''] = /^@elanus\/([^/]+)(\/.+)?$/.exec(specifier);
  const folder = join(root, 'packages', name);
  const { exports } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
  return join(folder, exports[`.${door}`]['elanus:source']);
}

/**
 * Names are imported from the files that declare them. Through a package's door each would bring
 * all of the package: what loads later, by `import()`, would be in the first bundle after all.
 */
const pastDoors = {
  name: 'past-doors',
  setup({ onLoad }) {
    onLoad({ filter: /[\\/]src[\\/].*\.ts$/ }, ({ path }) => {
      const text = readFileSync(path, 'utf8');
      const contents = text.replace(FROM_DOOR, (whole, list, specifier) => {
        const lines = namesIn(list.replace(/\btype \w+( as \w+)?/g, '')).map(({ inner, outer }) => {
          const { file, name } = originOf(sourceOf(specifier, path), inner, sourceOf);
          return `import { ${name} as ${outer} } from ${JSON.stringify(file)};`;
        });
        // As many lines as before, so that source maps stay true.
        return lines.join(' ') + '\n'.repeat(whole.split('\n').length - 1);
      });
      return { contents, loader: 'ts' };
    });
  },
};

const shared = {
  bundle: true,
  format: 'esm',
  conditions: ['elanus:source'],
  legalComments: 'none',
  logLevel: 'warning',
};

/**
 * The library, the command line and the threads each are a bundle of their own: chunks shared by
 * them would be many and small.
 */
async function bundleNode() {
  const doors = { index: join(source, 'src/index.ts'), router: join(source, 'src/router.ts') };
  await joinFirst(await bundlePart(doors));
  await bundlePart({ 'cli/main': join(source, 'src/cli/main.ts') });
  const threads = threadEntries();
  // One that has them all, so that whatever they are made of is shared, and lies at the top.
  const all = Object.values(threads).map(
    (path, i) => `export * as thread${i} from ${JSON.stringify(path)};\n`,
  );
  await bundlePart(threads, { contents: all.join(''), resolveDir: root });
  for (const name of ['stdin.js', 'stdin.js.map']) rmSync(join(target, 'dist', name));
}

async function bundlePart(entryPoints, stdin) {
  const { metafile } = await build({
    ...shared,
    entryPoints,
    stdin,
    outdir: join(target, 'dist'),
    splitting: true,
    plugins: [pastDoors],
    chunkNames: 'chunk-[hash]',
    platform: 'node',
    target: 'node22.18',
    external: ['piscina'],
    // What is shorter is parsed sooner; `node --enable-source-maps` shows the names and lines.
    minify: true,
    sourcemap: 'linked',
    sourcesContent: false,
    metafile: true,
  });
  checkPlaces(metafile.outputs);
  return metafile.outputs;
}

/**
 * Puts all that `index.js` imports at once into one file: each file costs the first import a
 * millisecond. The chunks stay, as doors to it, for code that loads later.
 */
async function joinFirst(outputs) {
  const path = (name) => join(process.cwd(), name);
  const index = Object.keys(outputs).find((name) => basename(name) === 'index.js');
  const first = [index];
  for (const name of first) {
    for (const { kind, path: next, external } of outputs[name].imports) {
      if (kind === 'import-statement' && !external && !first.includes(next)) first.push(next);
    }
  }
  const doors = first.map((name, i) => ({
    file: path(name),
    names: outputs[name].exports.map((inner) => ({ inner, outer: `c${i}_${inner}` })),
  }));
  const list = (names, from, to) => names.map((n) => `${n[from]} as ${n[to]}`).join(', ');
  const { outputFiles } = await build({
    ...shared,
    stdin: {
      contents: doors
        .map(({ file, names }) => {
          return `export { ${list(names, 'inner', 'outer')} } from ${JSON.stringify(file)};`;
        })
        .join('\n'),
      resolveDir: root,
    },
    outfile: join(target, 'dist', 'core.js'),
    platform: 'node',
    target: 'node22.18',
    minify: true,
    sourcemap: 'linked',
    sourcesContent: false,
    write: false,
    // Of `sideEffects`: what a chunk does when it is loaded is wanted here.
    ignoreAnnotations: true,
    plugins: [laterOnly],
  });
  for (const { path: file, contents } of outputFiles) writeFileSync(file, contents);
  for (const { file, names } of doors) {
    rmSync(`${file}.map`);
    writeFileSync(file, `export { ${list(names, 'outer', 'inner')} } from './core.js';\n`);
  }
}

/** What is imported by `import()` stays outside, and where it is. */
const laterOnly = {
  name: 'later-only',
  setup({ onResolve }) {
    onResolve({ filter: /./ }, ({ kind, path }) => {
      return kind === 'dynamic-import' ? { path, external: true } : undefined;
    });
  },
};

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

/** `import type { A, B as C } from 'x'`, and the same with `export`. */
const NAMED = /\b(import|export)( type)? \{([^}]*)\} from (['"])([^'"]+)\4;/g;
/** `import("x").A` inside of a type. */
const INLINE = /\bimport\((['"])([^'"]+)\1\)/g;

/** The file of declarations that an import means; undefined = outside of this workspace. */
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

/** `A as B` is `{ inner: 'A', outer: 'B' }`. */
function namesIn(list) {
  const items = list.split(',').map((item) => item.trim().replace(/^type /, ''));
  return items
    .filter((item) => item !== '')
    .map((item) => {
      const [inner, outer = inner] = item.split(' as ');
      return { inner, outer };
    });
}

/** Where a name that a file exports is declared: behind doors there are more doors. */
function originOf(file, name, resolve = declarationOf) {
  for (const [, kind, , list, , specifier] of readFileSync(file, 'utf8').matchAll(NAMED)) {
    const found = kind === 'export' && namesIn(list).find(({ outer }) => outer === name);
    const next = found ? resolve(specifier, file) : undefined;
    if (next !== undefined) return originOf(next, found.inner, resolve);
  }
  return { file, name };
}

/** `packages/api/dist/router.d.ts` is `types/api/router.d.ts` in the package. */
function placeOf(declaration) {
  const path = relative(root, declaration).replaceAll('\\', '/');
  const [, name, rest] = /^packages\/([^/]+)\/dist\/(.+)$/.exec(path) ?? [];
  if (name === undefined) throw new Error(`${path} is no declaration of a package`);
  return join(target, 'types', name, rest);
}

/**
 * Copies the declarations that the doors reach, and no others: a name is imported from the file
 * that declares it, so that what nobody names is not dragged in with its dependencies.
 */
function rollTypes(doors) {
  const seen = new Set();
  const queue = [...doors];
  const pathTo = (file, from) => {
    queue.push(file);
    const path = relative(dirname(placeOf(from)), placeOf(file)).replaceAll('\\', '/');
    return (path.startsWith('.') ? path : `./${path}`).replace(/\.d\.ts$/, '.js');
  };
  for (let file = queue.pop(); file !== undefined; file = queue.pop()) {
    if (seen.has(file)) continue;
    seen.add(file);
    const text = readFileSync(file, 'utf8')
      .replace(/^\/\/# sourceMappingURL=.*$/m, '')
      .replace(NAMED, (whole, ...parts) => {
        const [kind, type = '', list, , specifier] = parts;
        const door = declarationOf(specifier, file);
        if (door === undefined) return whole;
        const lines = namesIn(list).map(({ inner, outer }) => {
          const origin = originOf(door, inner);
          const name = origin.name === outer ? outer : `${origin.name} as ${outer}`;
          return `${kind}${type} { ${name} } from '${pathTo(origin.file, file)}';`;
        });
        return lines.join('\n');
      })
      .replace(INLINE, (whole, _quote, specifier) => {
        const found = declarationOf(specifier, file);
        return found === undefined ? whole : `import('${pathTo(found, file)}')`;
      });
    mkdirSync(dirname(placeOf(file)), { recursive: true });
    writeFileSync(placeOf(file), text);
  }
}

/** Machines whose addon is published (packages/kernels/scripts/pack-native.mjs). */
const ADDONS = ['linux-x64-gnu', 'linux-arm64-gnu'];

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
      './router': { types: './types/elanus/router.d.ts', default: './dist/router.js' },
      './package.json': './package.json',
    },
    dependencies: { piscina: dependencies.piscina },
    optionalDependencies: Object.fromEntries(
      ADDONS.map((machine) => [`@elanus/kernels-${machine}`, version]),
    ),
    peerDependencies: { '@trpc/server': '^11.0.0' },
    peerDependenciesMeta: { '@trpc/server': { optional: true } },
  };
  writeFileSync(join(target, 'package.json'), `${JSON.stringify(manifest, null, 2)}\n`);
}

rmSync(target, { recursive: true, force: true });
mkdirSync(target, { recursive: true });
await bundleNode();
await bundleClient();
rollTypes(['index', 'client', 'router'].map((door) => join(source, 'dist', `${door}.d.ts`)));
for (const name of ['README.md', 'LICENSE', 'examples']) {
  if (existsSync(join(root, name)))
    cpSync(join(root, name), join(target, name), { recursive: true });
}
cpSync(join(source, 'bin'), join(target, 'bin'), { recursive: true });
cpSync(join(root, 'packages/kernels/wasm'), join(target, 'wasm'), { recursive: true });
writeManifest();
process.stdout.write(`${relative(root, target)} is ready\n`);
