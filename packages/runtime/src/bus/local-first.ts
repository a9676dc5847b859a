import type { Bus } from '@elanus/core';

/**
 * A bus on which some subjects are the process's own: they are asked and served by reference, the
 * others by the bus between processes.
 */
export function localFirst(local: Bus, others: Bus, isLocal: (subject: string) => boolean): Bus {
  const busOf = (subject: string): Bus => (isLocal(subject) ? local : others);
  return {
    request: (subject, message, options) => busOf(subject).request(subject, message, options),
    serve: (subject, handler) => busOf(subject).serve(subject, handler),
  };
}
