const ext = import.meta.url.endsWith('.ts') ? '.ts' : '.js';

/** URLs of this package's thread entries: TypeScript from source, JavaScript from dist. */
export const dataThreads = {
  merge: new URL(`./threads/merge${ext}`, import.meta.url).href,
} as const;
