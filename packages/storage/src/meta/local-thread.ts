import { parentPort, workerData } from 'node:worker_threads';
import type { MetaTxn } from '@elanus/core';
import type { EngineOptions } from './local-engine.ts';
import { MetaEngine, engineFailure } from './local-engine.ts';

/** What the thread is asked. */
export type MetaCall =
  | { readonly kind: 'get'; readonly key: string }
  | { readonly kind: 'range'; readonly prefix: string }
  | { readonly kind: 'txn'; readonly txn: MetaTxn }
  | { readonly kind: 'endLease'; readonly leaseId: string }
  | { readonly kind: 'close' };

const options = workerData as EngineOptions;
const port = parentPort;

function answer(engine: MetaEngine, call: MetaCall): unknown {
  switch (call.kind) {
    case 'get':
      return engine.get(call.key);
    case 'range':
      return { entries: engine.range(call.prefix), revision: engine.revision };
    case 'txn':
      return engine.txn(call.txn);
    case 'endLease':
      return engine.endLease(call.leaseId);
    case 'close':
      return engine.close();
  }
}

/** Calls are answered in order, so an answer needs no number. */
function reply(work: () => unknown): void {
  try {
    port?.postMessage({ value: work() });
  } catch (error) {
    port?.postMessage({ error: engineFailure(error, options.path) });
  }
}

let engine: MetaEngine | undefined;
reply(() => {
  engine = new MetaEngine(options);
  return engine.revision;
});
port?.on('message', (call: MetaCall) => {
  const opened = engine;
  reply(() => (opened === undefined ? undefined : answer(opened, call)));
  if (call.kind === 'close') port.close();
});
