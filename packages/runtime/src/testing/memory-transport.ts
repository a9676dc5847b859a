import type { Clock } from '@elanus/core';
import type { Receive, Transport } from '../bus/transport.ts';

/** Carries messages within this process, in a later turn, to each listener in its turn. */
export function memoryTransport(clock: Clock): Transport {
  const listening = new Map<string, Receive[]>();
  let sent = 0;
  return {
    messageBytesMax: 1024 * 1024,
    send: (subject, bytes, nobody) => {
      const taken = bytes.slice();
      void clock.turn().then(() => {
        const all = listening.get(subject) ?? [];
        const receive = all[sent++ % Math.max(1, all.length)];
        if (receive === undefined) nobody();
        else receive(taken);
      });
    },
    listen: (subject, receive) => {
      listening.set(subject, [...(listening.get(subject) ?? []), receive]);
      return () => {
        const left = (listening.get(subject) ?? []).filter((one) => one !== receive);
        listening.set(subject, left);
      };
    },
  };
}
