/** Bugs that other databases have had, planted into the source as it is loaded. */
import type { RegisterHooksOptions } from 'node:module';

/** One bug: `from` must stand in the file once. */
interface Mutant {
  readonly what: string;
  readonly file: string;
  readonly from: string;
  readonly to: string;
}

/** By the ids of the design; those of the cluster follow with it. */
export const MUTANTS: Readonly<Record<string, Mutant>> = {
  m00: {
    what: 'canary: keys of a write are swapped',
    file: 'packages/streaming-node/src/shard/apply.ts',
    from: 'const at = { segmentId: segment.segmentId, row: first, step: 1 as const };',
    to: 'const at = { segmentId: segment.segmentId, row: first, step: 0 as const };',
  },
  m19: {
    what: 'the log is cut above what a shard needs',
    file: 'packages/streaming-node/src/streaming-node.ts',
    from: 'below = Math.min(below, shard.neededSeq ?? below);',
    to: 'below = Math.max(below, shard.neededSeq ?? below);',
  },
  m22: {
    what: 'files are committed before they are safe',
    file: 'packages/storage/src/object/files.ts',
    from: 'if (this.#sync) await handle.sync();',
    to: 'if (!this.#sync) await handle.sync();',
  },
  m24: {
    what: 'acknowledged before it is synced',
    file: 'packages/storage/src/log/local-stream.ts',
    from: "if (this.#options.durability === 'process') this.#acknowledge(group);",
    to: 'if (this.#failure === undefined) this.#acknowledge(group);',
  },
  m30: {
    what: 'a seal leaves segments behind that were opened before it',
    file: 'packages/streaming-node/src/shard/apply.ts',
    from: 'return sealAll(state, state.open.slice(0, last + 1));',
    to: 'return sealAll(state, state.open.slice(last, last + 1));',
  },
  m31: {
    what: 'a folder that is there is taken for safe',
    file: 'packages/storage/src/fs/folder.ts',
    from: '  if ((await fs.stat(path)) === undefined) await fs.mkdir(path);\n',
    to: '  if ((await fs.stat(path)) !== undefined) return;\n  await fs.mkdir(path);\n',
  },
};

/** Hooks that plant a bug. @throws Error for an id that is none, or a source that has changed */
export function mutate(id: string): RegisterHooksOptions {
  const mutant = MUTANTS[id];
  if (mutant === undefined) {
    const known = Object.keys(MUTANTS).join(', ');
    throw new Error(`no mutant ${id}; there are ${known}`);
  }
  return {
    load: (url, context, next) => {
      const loaded = next(url, context);
      if (!url.endsWith(`/${mutant.file}`)) return loaded;
      const source = String(loaded.source);
      if (source.split(mutant.from).length !== 2) throw new Error(`${id}: ${mutant.file} changed`);
      return { ...loaded, source: source.replace(mutant.from, mutant.to) };
    },
  };
}
