/** The stores of a machine as one process sees them: each call is led past the tap. */
import type { LogStore, LogStream, MetaStore, ObjectStore, Pool } from '@elanus/core';
import type { PortCall, PortTap } from './port-tap.ts';
import { never } from './sim-process.ts';

/** A log that may not answer. */
export function simLogs(store: LogStore, tap: PortTap): LogStore {
  const call = (name: string, at: string): PortCall => ({ port: 'log', call: name, at });
  const streamOf = (stream: LogStream): LogStream => ({
    name: stream.name,
    append: (append) => {
      return tap.settle(call('append', append.subject), () => stream.append(append));
    },
    scan: (range) => tap.each(call('scan', stream.name), stream.scan(range)),
    span: () => tap.run(call('span', stream.name), () => stream.span()),
    truncate: (belowSeq) => {
      return tap.run(call('truncate', stream.name), () => stream.truncate(belowSeq));
    },
    close: () => stream.close(),
  });
  return {
    recordBytesMax: store.recordBytesMax,
    open: async (name) => streamOf(await tap.run(call('open', name), () => store.open(name))),
    list: () => store.list(),
    remove: (name) => tap.run(call('remove', name), () => store.remove(name)),
    close: () => store.close(),
  };
}

/** Objects that may fail, or be stored and fail all the same. */
export function simObjects(store: ObjectStore, tap: PortTap): ObjectStore {
  const run = <T>(call: string, at: string, work: () => Promise<T>): Promise<T> =>
    tap.run({ port: 'objects', call, at }, work);
  return {
    put: (name, parts) => run('put', name, () => store.put(name, parts)),
    get: (name) => run('get', name, () => store.get(name)),
    readInto: (name, offset, target) => {
      return run('read', name, () => store.readInto(name, offset, target));
    },
    stat: (name) => run('stat', name, () => store.stat(name)),
    verify: (name) => run('verify', name, () => store.verify(name)),
    list: (prefix) => tap.each({ port: 'objects', call: 'list', at: prefix }, store.list(prefix)),
    remove: (name) => run('remove', name, () => store.remove(name)),
    close: () => store.close(),
  };
}

/** Metadata whose calls take about `callMs` and die with their process; 0: as long as they do. */
export function simMeta(store: MetaStore, tap: PortTap, callMs: number): MetaStore {
  const { process } = tap;
  const timed = async <T>(what: string, work: () => Promise<T>): Promise<T> => {
    if (callMs === 0) return work();
    await process.pause(process.rng.share() * callMs, `meta ${what}`);
    const value = await work();
    await process.pause(process.rng.share() * callMs, `meta ${what} done`);
    return process.alive ? value : never();
  };
  const run = <T>(call: string, at: string, work: () => Promise<T>): Promise<T> =>
    tap.run({ port: 'meta', call, at }, () => timed(call, work));
  return {
    get: (key) => run('get', key, () => store.get(key)),
    range: (prefix) => run('range', prefix, () => store.range(prefix)),
    txn: (txn) => {
      const at = txn.then.map((op) => ('put' in op ? op.put : op.delete)).join(' ');
      return tap.settle({ port: 'meta', call: 'txn', at }, () => {
        return timed('txn', () => store.txn(txn));
      });
    },
    watch: (prefix, options) => store.watch(prefix, options),
    grant: (ttlMs) => run('grant', '', () => store.grant(ttlMs)),
    compact: (revision) => run('compact', '', () => store.compact(revision)),
    close: () => store.close(),
  };
}

/** Threads that may be lost with what they run. */
export function simPool(pool: Pool, tap: PortTap): Pool {
  return {
    run: (task, options) => {
      const at = task.name;
      return tap.run({ port: 'pool', call: 'run', at }, () => pool.run(task, options));
    },
    get pending() {
      return pool.pending;
    },
    threads: pool.threads,
    close: () => pool.close(),
  };
}
