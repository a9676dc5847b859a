import { ElanusError, isElanusError } from '@elanus/core';
import { never, type SimProcess } from './sim-process.ts';

/** A call of a port: which, of what. */
export interface PortCall {
  readonly port: 'fs' | 'meta' | 'log' | 'objects' | 'pool' | 'timer';
  readonly call: string;
  /** The path, name or key it is about; of a transaction, all keys it puts or deletes. */
  readonly at: string;
}

/**
 * What becomes of a call: `fails`, nothing happens; `applied`, it happens and its answer is a
 * failure all the same; `late`, it takes seconds.
 */
export type Strike = 'fails' | 'applied' | 'late' | undefined;

/** Eyes on every call of every port, and a hand that spoils some. */
export interface PortHooks {
  /** Asked at each call, in the turn it is made. It may end the process. */
  readonly strike?: (call: PortCall) => Strike;
  /** Told what a process that lives was answered: `ok`, a code, or the kind of an outcome. */
  readonly answered?: (call: PortCall, outcome: string) => void;
}

const LATE_MS = 5_000;

/** Leads the calls of one process's ports past the hooks. */
export class PortTap {
  readonly process: SimProcess;
  readonly #hooks: PortHooks;

  constructor(process: SimProcess, hooks: PortHooks) {
    this.process = process;
    this.#hooks = hooks;
  }

  /** What is to become of a call. */
  strike(call: PortCall): Strike {
    return this.#hooks.strike?.(call);
  }

  /** Notes what a call was answered. */
  answered(call: PortCall, outcome: string): void {
    if (this.process.alive) this.#hooks.answered?.(call, outcome);
  }

  /** A call that is answered or throws. @throws io_error, or what the port throws */
  async run<T>(call: PortCall, work: () => Promise<T>): Promise<T> {
    const strike = this.strike(call);
    if (!this.process.alive) return never();
    try {
      if (strike === 'late') await this.process.pause(LATE_MS, 'late');
      if (strike === 'fails') throw struck(call);
      const value = await work();
      if (strike === 'applied') throw struck(call);
      this.answered(call, 'ok');
      return value;
    } catch (error) {
      if (!this.process.alive) return never();
      this.answered(call, isElanusError(error) ? error.code : 'error');
      throw error;
    }
  }

  /** A call whose answer says by itself when it is not known what happened. */
  async settle<T extends { readonly kind: string }>(
    call: PortCall,
    work: () => Promise<T>,
  ): Promise<T | { readonly kind: 'unknown'; readonly cause: unknown }> {
    const strike = this.strike(call);
    if (!this.process.alive) return never();
    // Made in the turn of the call: the order of calls is the order of appends.
    const done = strike === 'fails' ? undefined : work();
    if (strike === 'late') await this.process.pause(LATE_MS, 'late');
    const outcome = await done;
    if (!this.process.alive) return never();
    const spoilt = outcome === undefined || strike === 'applied';
    this.answered(call, spoilt ? `unknown ${strike}` : outcome.kind);
    return spoilt ? { kind: 'unknown', cause: struck(call) } : outcome;
  }

  /** A listing, struck when it begins. */
  async *each<T>(call: PortCall, items: AsyncIterable<T>): AsyncGenerator<T> {
    const strike = this.strike(call);
    if (strike === 'late') await this.process.pause(LATE_MS, 'late');
    if (strike === 'fails' || strike === 'applied') {
      this.answered(call, 'io_error');
      throw struck(call);
    }
    for await (const item of items) {
      this.answered(call, 'item');
      yield item;
    }
  }
}

function struck({ port, call, at }: PortCall): ElanusError {
  const why = `injected: ${call}`;
  if (port === 'meta') return new ElanusError('unavailable', { what: 'metadata', hint: why });
  if (port === 'pool') return new ElanusError('unavailable', { what: 'a thread', hint: why });
  return new ElanusError('io_error', { path: at, why });
}
