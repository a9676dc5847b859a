/** Bugs that other databases have had, planted into the source as it is loaded. */
import type { RegisterHooksOptions } from 'node:module';

/** A text that must stand in its file once, and what takes its place. */
export interface Edit {
  readonly file: string;
  readonly from: string;
  readonly to: string;
}

/** One bug. */
interface Mutant extends Edit {
  readonly what: string;
  /** Where it takes more than one place. */
  readonly also?: Edit;
}

/** By the ids of the design; those of the cluster follow with it. */
export const MUTANTS: Readonly<Record<string, Mutant>> = {
  m00: {
    what: 'canary: keys of a write are swapped',
    file: 'packages/streaming-node/src/shard/apply.ts',
    from: 'const at = { segmentId: segment.segmentId, row: first, step: 1 as const };',
    to: 'const at = { segmentId: segment.segmentId, row: first, step: 0 as const };',
  },
  m01: {
    what: 'commits do not compare the term, nor who leads',
    file: 'packages/coordinator/src/segments.ts',
    from: 'if (held !== undefined && held.record.term === owner.term) return unchanged(held);',
    to: 'if (held !== undefined) return unchanged(held);',
    also: {
      file: 'packages/coordinator/src/meta-access.ts',
      from: 'const fenced = this.#fence === undefined ? compare : [...compare, this.#fence];',
      to: 'const fenced = compare;',
    },
  },
  m02: {
    what: 'a build is taken over beside flushes, and its inputs are not compared',
    file: 'packages/streaming-node/src/shard/adopt.ts',
    from: 'await this.#context.flusher.exclusive(async () => {',
    to: 'await (async (work: () => Promise<void>) => work())(async () => {',
    also: {
      file: 'packages/coordinator/src/segments.ts',
      from: 'compare.push(unchanged(held));\n      if (held.key',
      to: 'if (held.key',
    },
  },
  m03: {
    what: 'an owner does not say that it begins',
    file: 'packages/streaming-node/src/streaming-node.ts',
    from: "const outcome = await stream.append({ subject: 'term', parts: [bytes] });",
    to:
      'const last = (await stream.span()).lastSeq;\n    const outcome = last > 0 ? ' +
      "{ kind: 'ok' as const, seq: last } : " +
      "await stream.append({ subject: 'term', parts: [bytes] });",
  },
  m04: {
    what: 'an append expects the last record of its subject, not of the log',
    file: 'packages/storage/src/log/memory.ts',
    from: 'if (expected !== undefined && expected !== this.#lastSeq) return',
    to:
      'const { firstSeq: base, entries: all } = this.#data;\n    if (expected !== undefined && ' +
      'base + all.findLastIndex((one) => one.subject === append.subject) > expected) return',
    also: {
      file: 'packages/streaming-node/src/wal/wal.ts',
      from: "if (outcome.kind === 'ok' && outcome.seq === record.seq) {",
      to: "if (outcome.kind === 'ok') {",
    },
  },
  m05: {
    what: 'what was not answered is taken for not stored',
    file: 'packages/streaming-node/src/wal/wal.ts',
    from: 'if (ours === undefined || crc32(head) !== ours.hash) continue;',
    to: 'if (ours === undefined || head.length > 0) continue;',
  },
  m06: {
    what: 'idempotency keys are forgotten',
    file: 'packages/streaming-node/src/shard/apply.ts',
    from: 'remember(state, { header, batch, count: done.count });',
    to: 'void batch;',
  },
  m07: {
    what: 'recovery begins at the last record',
    file: 'packages/streaming-node/src/streaming-node.ts',
    from: 'Math.min(termSeq, ...needed)',
    to: 'Math.min(termSeq, termSeq, ...needed.slice(0, 0))',
  },
  m08: {
    what: 'the clock begins at zero, whatever was promised',
    file: 'packages/streaming-node/src/streaming-node.ts',
    from: 'last: timestampFromMs(savedUntilMs),',
    to: 'last: timestampFromMs(savedUntilMs * 0),',
  },
  m09: {
    what: 'timestamps are allowed to whoever asks',
    file: 'packages/coordinator/src/meta-access.ts',
    from: 'const fenced = this.#fence === undefined ? compare : [...compare, this.#fence];',
    to: 'const fenced = compare;',
  },
  m10: {
    what: 'deletes of merged segments are not in order',
    file: 'packages/streaming-node/src/shard/delete-fold.ts',
    from: 'head.next < first.next',
    to: 'head.next > first.next',
  },
  m11: {
    what: 'the checkpoint jumps over rows that are not flushed',
    file: 'packages/streaming-node/src/shard/flush.ts',
    from: 'const from = next === undefined ? behind :',
    to: 'const from = behind !== undefined ? behind :',
  },
  m12: {
    what: 'deletes that come while a merge moves their rows are lost',
    file: 'packages/streaming-node/src/shard/apply.ts',
    from: 'if (moving !== undefined && location.segmentId === moving.outputId) {',
    to: 'if (moving === undefined && location.segmentId === -1) {',
  },
  m13: {
    what: 'a merge forgets deletes',
    file: 'packages/streaming-node/src/shard/adopt.ts',
    from: 'deletes.load(all.rows, all.timestamps);',
    to: 'deletes.load(all.rows.subarray(0, 0), all.timestamps.subarray(0, 0));',
  },
  m14: {
    what: 'deletes that come while a flushed segment is loaded are lost',
    file: 'packages/streaming-node/src/shard/flush.ts',
    from: 'await this.load(record, segment.deletes, segment.deletes.countAt(commit.at));',
    to:
      'const { rows, timestamps } = segment.deletes.snapshot();\n      ' +
      'const early = new (segment.deletes.constructor as ' +
      'new () => OpenSegment["deletes"])();\n      ' +
      'early.load(rows.slice(), timestamps.slice());\n      ' +
      'await this.load(record, early, early.countAt(commit.at));',
  },
  m15: {
    what: 'the row an upsert replaces is gone one instant late',
    file: 'packages/streaming-node/src/shard/apply.ts',
    from: 'hide(state, { segmentId, row }, header.timestamp);',
    to: 'hide(state, { segmentId, row }, header.timestamp + 1n);',
  },
  m16: {
    what: 'what grew is not dropped when it is flushed',
    file: 'packages/streaming-node/src/shard/flush.ts',
    from: "const flushed = { state: 'flushed' as const,",
    to:
      'const grown = state.segments.get(segmentId);\n    ' +
      "if (grown?.state === 'sealed') state.segments.set(segmentId + 1e9, grown);\n    " +
      "const flushed = { state: 'flushed' as const,",
  },
  m17: {
    what: 'garbage is what is old, named or not',
    file: 'packages/coordinator/src/sweep.ts',
    from: 'if (named.has(stat.name)) continue;',
    to: '',
  },
  m19: {
    what: 'the log is cut above what a shard needs',
    file: 'packages/streaming-node/src/streaming-node.ts',
    from: 'if (neededSeq === undefined || neededSeq >= below) continue;',
    to: 'if (neededSeq === undefined || neededSeq <= below) continue;',
  },
  m21: {
    what: 'an owner answers strong reads because it believes in itself',
    file: 'packages/streaming-node/src/wal/wal.ts',
    from: 'if (!this.#exclusive) await (this.#barrier ??= this.#sendBarrier());',
    to: 'if (this.#stopped !== undefined) throw this.#stopped;',
  },
  m22: {
    what: 'files are committed before they are safe',
    file: 'packages/storage/src/object/files.ts',
    from: 'if (this.#sync) await handle.sync();',
    to: 'if (!this.#sync) await handle.sync();',
  },
  m23: {
    what: 'the name of an object is not made safe',
    file: 'packages/storage/src/object/files.ts',
    from: 'if (this.#sync) await this.#fs.syncFolder(parent);',
    to: 'if (!this.#sync) await this.#fs.syncFolder(parent);',
  },
  m24: {
    what: 'acknowledged before it is synced',
    file: 'packages/storage/src/log/local-stream.ts',
    from: "if (this.#options.durability === 'process') this.#acknowledge(group);",
    to: 'if (this.#failure === undefined) this.#acknowledge(group);',
  },
  m26: {
    what: 'acknowledged because another one was',
    file: 'packages/streaming-node/src/wal/wal.ts',
    from: "for (let i = 0; this.#published[i]?.state === 'ok'; i++) {",
    to: 'for (let i = 0; this.#published[i] !== undefined; i++) {',
  },
  m27: {
    what: 'readers keep strays',
    file: 'packages/streaming-node/src/wal/replay.ts',
    from: 'if (term < this.#term) return true;',
    to: 'if (term < this.#term) return false;',
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
  m32: {
    what: 'a new schema does not seal what grows by the old one',
    file: 'packages/streaming-node/src/shard/apply.ts',
    from: 'return { count: 0, sealed: sealGrowing(state) };',
    to: 'return { count: 0, sealed: false };',
  },
  m33: {
    what: 'a flush that is tried again is another one (fault-at-n sees it)',
    file: 'packages/streaming-node/src/shard/flush.ts',
    from: 'if (pending?.segmentId !== segmentId) pending',
    to: 'if (pending?.segmentId !== -1) pending',
  },
  m35: {
    what: 'what was stored ahead of its predecessor counts',
    file: 'packages/streaming-node/src/wal/wal.ts',
    from: "      record.state = 'failed';\n    }\n    this.#lastSeq = next;",
    to: '    }\n    this.#lastSeq = next;',
  },
  m37: {
    what: 'what a successor left out is answered as written',
    file: 'packages/streaming-node/src/wal/wal.ts',
    from: 'if (header.term > this.#term) return header.term;',
    to: 'if (header.term < 0) return header.term;',
  },
  m38: {
    what: 'nobody notes that owners know of a drop: its records are kept for good',
    file: 'packages/coordinator/src/drops.ts',
    from: 'this.#known.add(collectionId);',
    to: 'void collectionId;',
  },
  m39: {
    what: 'a write goes to whatever collection has the name now',
    file: 'packages/proxy/src/writes.ts',
    from: 'if ((request.collectionId ?? schema.collectionId) !== schema.collectionId) {',
    to: 'if (request.collectionId === -1) {',
  },
  m34: {
    what: 'a collection that could not be opened stays so (fault-at-n sees it)',
    file: 'packages/coordinator/src/catalog.ts',
    from: 'if ((this.#open.get(collectionId) ?? 0) >= version) return schema;\n',
    to:
      'if ((this.#open.get(collectionId) ?? 0) >= version) return schema;\n' +
      '    this.#open.set(collectionId, version);\n',
  },
};

/** What a bug changes. @throws Error for an id that is none */
export function editsOf(id: string): readonly Edit[] {
  const mutant = MUTANTS[id];
  if (mutant === undefined) {
    const known = Object.keys(MUTANTS).join(', ');
    throw new Error(`no mutant ${id}; there are ${known}`);
  }
  return mutant.also === undefined ? [mutant] : [mutant, mutant.also];
}

/** Hooks that plant a bug. @throws Error for an id that is none, or a source that has changed */
export function mutate(id: string): RegisterHooksOptions {
  const edits = editsOf(id);
  return {
    load: (url, context, next) => {
      const loaded = next(url, context);
      const edit = edits.find(({ file }) => url.endsWith(`/${file}`));
      if (edit === undefined) return loaded;
      const source = String(loaded.source);
      if (source.split(edit.from).length !== 2) throw new Error(`${id}: ${edit.file} changed`);
      return { ...loaded, source: source.replace(edit.from, () => edit.to) };
    },
  };
}
