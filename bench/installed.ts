/** The library as its users have it: the package that ships, with the addon of this platform. */
import { cpSync, existsSync, mkdirSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';

const ELANUS = join(import.meta.dirname, '../packages/elanus');
/** What `scripts/pack-elanus.mjs` makes. */
const PACKAGE = join(ELANUS, 'build/package');
const ADDON = `kernels-${process.platform}-${process.arch}.node`;
const BUILT = join(import.meta.dirname, '../packages/kernels/build', ADDON);

/** Installs the package into a folder; its entry, or undefined where it has not been made. */
export function installPackage(folder: string): string | undefined {
  if (!existsSync(join(PACKAGE, 'dist/index.js'))) return undefined;
  const place = join(folder, 'node_modules/elanus');
  cpSync(PACKAGE, place, { recursive: true });
  mkdirSync(join(place, 'build'), { recursive: true });
  if (existsSync(BUILT)) cpSync(BUILT, join(place, 'build', ADDON));
  symlinkSync(
    join(ELANUS, 'node_modules/piscina'),
    join(folder, 'node_modules/piscina'),
    'junction',
  );
  return join(place, 'dist/index.js');
}
