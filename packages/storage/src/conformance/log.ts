/**
 * Goal: what every LogStore must do, so that the Wal above is proven once. Method: each case opens
 * a fresh stream of the store under test; nothing here knows which store it is.
 */
import type { LogStore, LogStream } from '@elanus/core';
import { afterEach, beforeEach, describe } from 'vitest';
import { appendCases } from './log-append.ts';
import { faultCases } from './log-faults.ts';
import { scanCases } from './log-scan.ts';
import { storeCases } from './log-store.ts';
import { truncateCases } from './log-truncate.ts';

/** A store under test. */
export interface LogHarness {
  /** Opens the store, again on the same data each time. */
  open(): Promise<LogStore>;
  /** Makes the next append's answer get lost, applied or not. Only with `faults`. */
  failNext?(fate: 'applied' | 'lost'): void;
  /** Frees everything. */
  dispose(): Promise<void>;
}

/** Which cases a store can run. */
export interface LogSuiteOptions {
  /** The harness has `failNext`. */
  readonly faults?: boolean;
}

/** What the cases work with; filled anew for each. */
export interface LogBench {
  harness: LogHarness;
  store: LogStore;
  stream: LogStream;
}

/** Runs all cases against one store. */
export function describeLogStore(
  title: string,
  make: () => Promise<LogHarness>,
  options: LogSuiteOptions = {},
): void {
  describe(`LogStore conformance: ${title}`, () => {
    const bench = {} as LogBench;
    beforeEach(async () => {
      bench.harness = await make();
      bench.store = await bench.harness.open();
      bench.stream = await bench.store.open('p0');
    });
    afterEach(async () => {
      await bench.store.close();
      await bench.harness.dispose();
    });
    appendCases(bench);
    scanCases(bench);
    truncateCases(bench);
    storeCases(bench);
    if (options.faults === true) faultCases(bench);
  });
}
