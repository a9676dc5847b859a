import { ElanusError } from '@elanus/core';
import type { MetaTxn } from '@elanus/core';

/** etcd's own limits: a transaction that passes here passes there. */
export const TXN_OPERATIONS_MAX = 128;
const TXN_BYTES_MAX = 1024 * 1024;
const KEY = /^[\x21-\x7e]{1,512}$/;

/** Refuses keys that stores would sort differently. */
export function checkKey(key: string): void {
  if (KEY.test(key)) return;
  throw new ElanusError('invalid_argument', {
    argument: 'key',
    expected: '1 to 512 printable ASCII characters without space',
    got: key.slice(0, 80),
  });
}

/** The key of an operation. */
export function opKey(op: MetaTxn['then'][number]): string {
  return 'put' in op ? op.put : op.delete;
}

/** Refuses what etcd would refuse, alike everywhere. */
export function checkTxn(txn: MetaTxn): void {
  const operations = Math.max(txn.compare.length, txn.then.length);
  if (operations > TXN_OPERATIONS_MAX) {
    throw new ElanusError('txn_too_large', { operations, operationsMax: TXN_OPERATIONS_MAX });
  }
  let bytes = 0;
  const seen = new Set<string>();
  for (const { key } of txn.compare) checkKey(key);
  for (const op of txn.then) {
    const key = opKey(op);
    checkKey(key);
    if (seen.has(key)) throw new ElanusError('txn_duplicate_key', { key });
    seen.add(key);
    bytes += key.length + ('put' in op ? op.value.byteLength : 0);
  }
  if (bytes > TXN_BYTES_MAX) {
    throw new ElanusError('request_too_large', { bytes, bytesMax: TXN_BYTES_MAX });
  }
}
