// Goal: every header survives its bytes, and damaged or newer records are refused by name.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { decodeMessage, encodeHeader, type MessageHeader } from './message.ts';

const u32 = fc.nat(0xffffffff);
const u64 = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n });
const headers: fc.Arbitrary<MessageHeader> = fc.record({
  kind: fc.constantFrom(
    'term',
    'barrier',
    'create',
    'insert',
    'upsert',
    'delete',
    'seal',
    'alter',
    'drop',
  ),
  part: fc.nat(0xffff),
  parts: fc.nat(0xffff),
  term: u32,
  n: u32,
  timestamp: u64,
  asOf: u64,
  previousHash: u32,
  payloadHash: u32,
  bodyHash: u32,
  collectionId: u32,
  shard: u32,
  schemaVersion: u32,
  segmentId: fc.nat(2 ** 40),
  rowCount: u32,
  idempotencyKey: fc.string({ maxLength: 32 }).filter((s) => s.isWellFormed()),
}) as fc.Arbitrary<MessageHeader>;

test('a header survives, the body stands behind it at a multiple of 8', () => {
  fc.assert(
    fc.property(headers, fc.uint8Array({ maxLength: 64 }), (header, body) => {
      const head = encodeHeader(header);
      const record = new Uint8Array(head.length + body.length);
      record.set(head);
      record.set(body, head.length);
      const back = decodeMessage(record, 1);
      expect(back.header).toEqual(header);
      expect(back.body).toEqual(body);
      expect(back.body.byteOffset % 8).toBe(0);
    }),
  );
});

test('short, unknown and newer records are refused', () => {
  expect(() => decodeMessage(new Uint8Array(10), 7)).toThrow(/seq 7/);
  const bytes = new Uint8Array(72);
  bytes[0] = 1;
  bytes[1] = 200;
  expect(() => decodeMessage(bytes, 7)).toThrow(/unknown record kind/);
  bytes[0] = 9;
  expect(() => decodeMessage(bytes, 7)).toThrow(/newer Elanus/);
});
