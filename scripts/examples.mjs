// Runs what the documentation shows: every code block of README.md that is `js` or `ts`, and every
// file in examples/, each in an empty folder of its own, with the built package, as a user has it.
// Ends with `N passed, N failed`.
//
// A block marked `ts continued` runs behind the blocks it continues, as one program; one marked
// `ts ignore` is an excerpt and does not run.
import { spawn } from 'node:child_process';
import { copyFileSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, extname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const TIMEOUT_MS = 60_000;
const root = dirname(dirname(fileURLToPath(import.meta.url)));

/** The programs in a Markdown text: `{ name, source, extension }`. */
export function programsOf(markdown) {
  const programs = [];
  for (const [, info, body] of markdown.matchAll(/^```([^\n]*)\n([\s\S]*?)^```$/gm)) {
    const [language, ...marks] = info.trim().split(/\s+/);
    const extension = { ts: '.ts', typescript: '.ts', js: '.mjs', mjs: '.mjs', javascript: '.mjs' }[
      language
    ];
    if (extension === undefined || marks.includes('ignore')) continue;
    const before = marks.includes('continued') ? programs.at(-1) : undefined;
    const source = `${before?.source ?? ''}${body}`;
    programs.push({ name: `README.md block ${programs.length + 1}`, source, extension });
  }
  return programs;
}

function filesOf(folder) {
  if (!existsSync(folder)) return [];
  return readdirSync(folder)
    .filter((file) => ['.ts', '.mjs', '.js'].includes(extname(file)))
    .sort()
    .map((file) => join(folder, file));
}

/** Runs a program to its end in an empty folder; undefined = it went well, else what it said. */
function run(place) {
  const folder = mkdtempSync(join(tmpdir(), 'elanus-example-'));
  symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'), 'junction');
  writeFileSync(join(folder, 'package.json'), '{ "type": "module" }\n');
  const file = place(folder);
  return new Promise((resolve) => {
    const child = spawn(process.execPath, [file], {
      cwd: folder,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let output = '';
    for (const stream of [child.stdout, child.stderr]) {
      stream.on('data', (chunk) => (output += chunk));
    }
    const timer = setTimeout(() => {
      output += `\nstopped after ${TIMEOUT_MS} ms`;
      child.kill('SIGKILL');
    }, TIMEOUT_MS);
    child.on('close', (code) => {
      clearTimeout(timer);
      rmSync(folder, { recursive: true, force: true });
      resolve(code === 0 ? undefined : output);
    });
  });
}

const readme = join(root, 'README.md');
const blocks = existsSync(readme) ? programsOf(readFileSync(readme, 'utf8')) : [];
const all = [
  ...blocks.map(({ name, source, extension }) => ({
    name,
    place: (folder) => {
      const file = join(folder, `block${extension}`);
      writeFileSync(file, source);
      return file;
    },
  })),
  ...filesOf(join(root, 'examples')).map((path) => ({
    name: `examples/${basename(path)}`,
    place: (folder) => {
      const file = join(folder, basename(path));
      copyFileSync(path, file);
      return file;
    },
  })),
];
let failed = 0;
for (const { name, place } of all) {
  const complaint = await run(place);
  if (complaint !== undefined) failed++;
  process.stdout.write(
    complaint === undefined ? `ok  ${name}\n` : `FAILED  ${name}\n${complaint}\n`,
  );
}
process.stdout.write(`\n${all.length - failed} passed, ${failed} failed\n`);
process.exitCode = failed === 0 ? 0 : 1;
