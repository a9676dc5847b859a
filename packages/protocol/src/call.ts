import { andThen } from '@elanus/core';
import type { Awaitable, Bus, BusCaller, BusMessage, CallOptions } from '@elanus/core';

import type { StandingSearch } from './standing.ts';

declare const types: unique symbol;

/**
 * One call between actors: its subject, and as types the headers of request and reply. Headers are
 * JSON; bulk data travels beside them as bodies.
 */
export interface Call<Request, Reply> {
  readonly subject: string;
  readonly [types]?: (request: Request) => Reply;
}

/** The header that a call is made with. */
export type RequestOf<C> = C extends Call<infer Request, unknown> ? Request : never;

/** The header that a call is answered with. */
export type ReplyOf<C> = C extends Call<never, infer Reply> ? Reply : never;

/** A header with its bodies. */
export interface Parcel<Header> {
  readonly header: Header;
  readonly bodies?: readonly ArrayBufferView[];
}

/** An answer: a header with its bodies, and what stays behind of the question. */
export interface Answer<Header> extends Parcel<Header> {
  /** Searches, in process: see standing.ts. */
  readonly standing?: StandingSearch | undefined;
}

const NONE: readonly ArrayBufferView[] = [];

/** Names a call: `<role>.<noun>.<verb>`, under the cluster's prefix. */
export function defineCall<Request, Reply>(subject: string): Call<Request, Reply> {
  return { subject: `elanus.local.${subject}` };
}

/**
 * Makes a call; answered in this turn where the bus does so, and then it throws what went wrong.
 *
 * @throws what the callee throws, `unavailable`, `deadline_exceeded`, `cancelled`
 */
export function invoke<Request, Reply>(
  bus: Bus,
  call: Call<Request, Reply>,
  request: Parcel<Request> & { readonly options?: CallOptions | undefined },
): Awaitable<Answered<Reply>> {
  const { header, bodies = NONE, options } = request;
  return andThen(bus.request(call.subject, { header, bodies }, options), answeredOf<Reply>);
}

/** Makes a call to be waited for later, or never: whatever goes wrong is the promise's. */
export async function sendCall<Request, Reply>(
  bus: Bus,
  call: Call<Request, Reply>,
  request: Parcel<Request> & { readonly options?: CallOptions | undefined },
): Promise<Answered<Reply>> {
  return invoke(bus, call, request);
}

function parcelOf<Header>(message: BusMessage): Required<Parcel<Header>> {
  const { header, bodies = NONE } = message;
  return { header: header as Header, bodies };
}

/** An answer as its caller has it. */
export type Answered<Header> = Answer<Header> & Required<Parcel<Header>>;

function answeredOf<Header>(message: BusMessage): Answered<Header> {
  const { header, bodies = NONE, standing } = message;
  return { header: header as Header, bodies, standing: standing as StandingSearch | undefined };
}

/** Answers a call until the returned function is called. */
export function serveCall<Request, Reply>(
  bus: Bus,
  call: Call<Request, Reply>,
  answer: (request: Required<Parcel<Request>>, caller: BusCaller) => Awaitable<Answer<Reply>>,
): () => void {
  // No step of its own: each would be one more promise on the way of every call.
  return bus.serve(call.subject, (message, caller) => answer(parcelOf(message), caller));
}
