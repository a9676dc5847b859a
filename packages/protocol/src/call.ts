import type { Bus, BusMessage, CallOptions } from '@elanus/core';

declare const types: unique symbol;

/**
 * One call between actors: its subject, and as types the headers of request and reply. Headers are
 * JSON; bulk data travels beside them as bodies.
 */
export interface Call<Request, Reply> {
  readonly subject: string;
  readonly [types]?: (request: Request) => Reply;
}

/** A header with its bodies. */
export interface Parcel<Header> {
  readonly header: Header;
  readonly bodies?: readonly ArrayBufferView[];
}

const NONE: readonly ArrayBufferView[] = [];

/** Names a call: `<role>.<noun>.<verb>`, under the cluster's prefix. */
export function defineCall<Request, Reply>(subject: string): Call<Request, Reply> {
  return { subject: `elanus.local.${subject}` };
}

/** Makes a call. @throws what the callee throws, `unavailable`, `deadline_exceeded`, `cancelled` */
export async function invoke<Request, Reply>(
  bus: Bus,
  call: Call<Request, Reply>,
  request: Parcel<Request> & { readonly options?: CallOptions | undefined },
): Promise<Required<Parcel<Reply>>> {
  const { header, bodies = NONE, options } = request;
  const reply = await bus.request(call.subject, { header, bodies }, options);
  return { header: reply.header as Reply, bodies: reply.bodies ?? NONE };
}

/** Answers a call until the returned function is called. */
export function serveCall<Request, Reply>(
  bus: Bus,
  call: Call<Request, Reply>,
  answer: (request: Required<Parcel<Request>>, signal: AbortSignal) => Promise<Parcel<Reply>>,
): () => void {
  // No step of its own: each would be one more promise on the way of every call.
  return bus.serve(call.subject, (message: BusMessage, signal) =>
    answer({ header: message.header as Request, bodies: message.bodies ?? NONE }, signal),
  );
}
