#!/usr/bin/env node
/**
 * The command line. Commands are loaded when they are used, so that `elanus --help` loads nothing.
 * Exit codes: 0 done, 1 it failed, 2 the command line cannot be used.
 */
import { stripVTControlCharacters } from 'node:util';
import { defineCommand, renderUsage, runCommand, type CommandDef } from 'citty';
import { VERSION } from '../version.ts';
import { report, usageError } from './failure.ts';
import { print } from './terminal.ts';

type Load = () => Promise<CommandDef>;

const erase = (load: () => Promise<unknown>): Load => load as Load;

const COMMANDS: Readonly<Record<string, Load>> = {
  serve: erase(async () => (await import('./serve.ts')).serve),
  demo: erase(async () => (await import('./demo.ts')).demo),
  'demo-writer': erase(async () => (await import('./demo-writer.ts')).demoWriter),
  'demo-parser': erase(async () => (await import('./demo-parser.ts')).demoParser),
  collections: erase(async () => (await import('./collections.ts')).collections),
  describe: erase(async () => (await import('./describe.ts')).describe),
  insert: erase(async () => (await import('./insert.ts')).insert),
  search: erase(async () => (await import('./search.ts')).search),
  query: erase(async () => (await import('./query.ts')).query),
  export: erase(async () => (await import('./export.ts')).exportRows),
  compact: erase(async () => (await import('./compact.ts')).compact),
  bench: erase(async () => (await import('./bench.ts')).bench),
  doctor: erase(async () => (await import('./doctor.ts')).doctor),
};

const HELP = [
  'Elanus: a vector database that starts as one import.',
  '',
  '  elanus demo                     see it work on 70,000 handwritten digits',
  '  elanus serve ./data             serve a folder on this machine (:memory: keeps nothing)',
  '  elanus collections              what a database holds',
  '  elanus describe <name>          its fields, rows and index',
  '  elanus insert <name> rows.jsonl rows from JSON lines, or stdin',
  '  elanus search <name> --id 7     rows nearest to a vector or a stored row',
  "  elanus query <name> --filter 'year >= 2020'",
  '  elanus export <name>            all rows as JSON lines',
  '  elanus compact <name>           merge its segments, remove deleted rows',
  '  elanus bench                    recall, searches a second and memory on this machine',
  '  elanus doctor ./data            check every byte at rest (--repair: mend what can be)',
  '',
  'Commands on collections take --db <folder or URL> and --json; all take --help.',
];

async function run(argv: readonly string[]): Promise<void> {
  const [name, ...rest] = argv;
  if (name === undefined || name === '--help' || name === '-h' || name === 'help') {
    for (const line of HELP) print(line);
    return;
  }
  if (name === '--version' || name === '-v') return print(VERSION);
  const load = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
  if (load === undefined) throw usageError(`There is no command \`${name}\`.`);
  const command = await load();
  const wantsHelp = rest.includes('--help') || rest.includes('-h');
  if (wantsHelp) return print(await usageOf(command));
  await checkOptions(command, rest);
  await runCommand(command, { rawArgs: [...rest] });
}

async function usageOf(command: CommandDef): Promise<string> {
  const parent = defineCommand({ meta: { name: 'elanus' } });
  const text = await renderUsage(command, parent);
  const coloured = process.stdout.isTTY === true && process.stdout.hasColors();
  const shown = coloured ? text : stripVTControlCharacters(text);
  return shown.replace(/ +$/gm, '').trimEnd();
}

interface ArgShape {
  readonly type?: string;
}

/** citty takes any option; a misspelt one must not be dropped in silence. @throws usage */
async function checkOptions(command: CommandDef, argv: readonly string[]): Promise<void> {
  const args = (await command.args) as Readonly<Record<string, ArgShape>> | undefined;
  const known = new Map(Object.entries(args ?? {}).filter(([, arg]) => arg.type !== 'positional'));
  let positions = Object.keys(args ?? {}).length - known.size;
  for (let i = 0; i < argv.length; i++) {
    const word = argv[i] ?? '';
    if (!word.startsWith('--')) {
      if (--positions < 0) throw usageError(`\`${word}\` is one word too many.`);
      continue;
    }
    const [option = '', value] = word.slice(2).split(/=(.*)/s);
    const arg = known.get(option) ?? known.get(option.replace(/^no-/, ''));
    if (arg === undefined) throw usageError(`There is no option \`--${option}\` here.`);
    if (arg.type === 'boolean' || value !== undefined) continue;
    if (argv[++i] === undefined) throw usageError(`\`--${option}\` needs a value.`);
  }
}

/** A reader that has seen enough (`| head`) is no failure. */
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  process.exit(error.code === 'EPIPE' ? 0 : 1);
});

const argv = process.argv.slice(2);
try {
  await run(argv);
} catch (error) {
  const command = Object.hasOwn(COMMANDS, argv[0] ?? '') ? `${argv[0]} ` : '';
  process.exitCode = report(error, command);
}
