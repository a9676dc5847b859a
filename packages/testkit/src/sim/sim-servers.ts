/** Stores that several processes share, as one of them reaches them: over its link. */
import type {
  LogEntry,
  LogStore,
  LogStream,
  MetaLease,
  MetaStore,
  ObjectStore,
} from '@elanus/core';
import type { SimLink } from './sim-link.ts';
import type { SimProcess } from './sim-process.ts';

/** A log broker. */
export function linkedLogs(store: LogStore, link: SimLink): LogStore {
  const streamOf = (stream: LogStream): LogStream => ({
    name: stream.name,
    append: (append) => link.append(stream, append),
    async *scan(range) {
      yield* await link.call('log', 'scan', async () => {
        const entries: LogEntry[] = [];
        for await (const entry of stream.scan(range)) entries.push(entry);
        return entries;
      });
    },
    span: () => link.call('log', 'span', () => stream.span()),
    truncate: (belowSeq) => link.call('log', 'truncate', () => stream.truncate(belowSeq)),
    // What is on its way stays so: the broker does not know who still lives.
    close: () => Promise.resolve(),
  });
  return {
    recordBytesMax: store.recordBytesMax,
    open: async (name) => streamOf(await link.call('log', 'open', () => store.open(name))),
    list: () => link.call('log', 'list', () => store.list()),
    remove: (name) => link.call('log', 'remove', () => store.remove(name)),
    close: () => Promise.resolve(),
  };
}

/** A metadata server. */
export function linkedMeta(store: MetaStore, link: SimLink, process: SimProcess): MetaStore {
  const leaseOf = (lease: MetaLease): MetaLease => ({
    id: lease.id,
    keepAlive: () => link.call('meta', 'keep-alive', () => lease.keepAlive()),
    revoke: () => link.call('meta', 'revoke', () => lease.revoke()),
  });
  return {
    get: (key) => link.call('meta', 'get', () => store.get(key)),
    range: (prefix) => link.call('meta', 'range', () => store.range(prefix)),
    txn: (txn) => link.settle('meta', 'txn', () => store.txn(txn)),
    async *watch(prefix, options) {
      for await (const update of store.watch(prefix, options)) {
        await process.awake();
        yield update;
      }
    },
    grant: async (ttlMs) => leaseOf(await link.call('meta', 'grant', () => store.grant(ttlMs))),
    compact: (revision) => link.call('meta', 'compact', () => store.compact(revision)),
    close: () => Promise.resolve(),
  };
}

/** An object server. */
export function linkedObjects(store: ObjectStore, link: SimLink): ObjectStore {
  const call = <T>(what: string, work: () => Promise<T>): Promise<T> =>
    link.call('objects', what, work);
  return {
    put: (name, parts) => call('put', () => store.put(name, parts)),
    get: (name) => call('get', () => store.get(name)),
    readInto: (name, offset, target) => call('read', () => store.readInto(name, offset, target)),
    stat: (name) => call('stat', () => store.stat(name)),
    verify: (name) => call('verify', () => store.verify(name)),
    async *list(prefix) {
      yield* await call('list', async () => {
        const listed = [];
        for await (const one of store.list(prefix)) listed.push(one);
        return listed;
      });
    },
    remove: (name) => call('remove', () => store.remove(name)),
    close: () => Promise.resolve(),
  };
}
