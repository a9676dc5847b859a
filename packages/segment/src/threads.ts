const ext = import.meta.url.endsWith('.ts') ? '.ts' : '.js';

/** URLs of this package's thread entries: TypeScript from source, JavaScript from dist. */
export const segmentThreads = {
  read: new URL(`./threads/read${ext}`, import.meta.url).href,
  flush: new URL(`./threads/flush${ext}`, import.meta.url).href,
} as const;
