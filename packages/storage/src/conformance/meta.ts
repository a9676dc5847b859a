/**
 * Goal: what every MetaStore must do, so that commits above it are proven once. Method: each case
 * opens a fresh, empty store; nothing here knows which store it is.
 */
import type { MetaStore } from '@elanus/core';
import { afterEach, beforeEach, describe } from 'vitest';
import { compareCases } from './meta-compare.ts';
import { leaseCases } from './meta-lease.ts';
import { valueCases } from './meta-value.ts';
import { watchCases } from './meta-watch.ts';

/** A store under test. */
export interface MetaHarness {
  /** Opens the store, again on the same data each time. */
  open(): Promise<MetaStore>;
  /** Makes the next transaction's answer get lost, applied or not. Only with `faults`. */
  failNext?(fate: 'applied' | 'lost'): void;
  /** Frees everything. */
  dispose(): Promise<void>;
}

/** What a store needs of its cases. */
export interface MetaSuiteOptions {
  /** The shortest lease worth testing. */
  readonly leaseMs: number;
  /** The harness has `failNext`. */
  readonly faults?: boolean;
}

/** What the cases work with; filled anew for each. */
export interface MetaBench {
  harness: MetaHarness;
  store: MetaStore;
  leaseMs: number;
}

/** Runs all cases against one store. */
export function describeMetaStore(
  title: string,
  make: () => Promise<MetaHarness>,
  options: MetaSuiteOptions,
): void {
  describe(`MetaStore conformance: ${title}`, () => {
    const bench = { leaseMs: options.leaseMs } as MetaBench;
    beforeEach(async () => {
      bench.harness = await make();
      bench.store = await bench.harness.open();
    });
    afterEach(async () => {
      await bench.store.close();
      await bench.harness.dispose();
    });
    valueCases(bench);
    compareCases(bench, options.faults === true);
    watchCases(bench);
    leaseCases(bench);
  });
}
