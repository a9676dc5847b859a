// Fuzzes the addon for a while: see src/fuzz-door.ts. Says the seed, so that a run can be repeated.
//
// node --conditions=elanus:source scripts/fuzz.mjs [--seconds 30] [--seed 1]
import { fuzzDoor } from '../src/fuzz-door.ts';
import { loadAddon } from '../src/native.ts';

const option = (name, usual) => {
  const at = process.argv.indexOf(`--${name}`);
  return at < 0 ? usual : Number(process.argv[at + 1]);
};

const addon = loadAddon();
if (addon === undefined) {
  process.stdout.write('fuzz: no addon here\n');
  process.exit(1);
}
const seed = option('seed', 1);
const end = performance.now() + option('seconds', 30) * 1000;
process.stdout.write(`fuzz: seed ${seed}\n`);
const until = (calls) => calls % 256 === 0 && performance.now() > end;
const { calls, taken, strange } = fuzzDoor(addon, { seed, until });
for (const one of strange.slice(0, 20)) process.stdout.write(`${one}\n`);
process.stdout.write(`fuzz: ${calls} calls, ${taken} taken, ${strange.length} strange\n`);
process.exit(strange.length === 0 ? 0 : 1);
