/**
 * The thread entries of this package. They run as TypeScript from source and as JavaScript from
 * dist; a bundle has to carry each of them under the same path relative to itself.
 */
const fromSource = import.meta.url.endsWith('.ts');

/** Runs the tasks of a pool. */
export const POOL_THREAD = new URL(
  fromSource ? './pool/piscina-thread.ts' : './pool/piscina-thread.js',
  import.meta.url,
).href;

/** Under source a thread resolves our packages to their source too. */
export const THREAD_EXEC_ARGV: readonly string[] = fromSource ? ['--conditions=elanus:source'] : [];
