import type { Timestamp } from './timestamp.ts';

/**
 * What a read demands to see. `strong`: everything acknowledged before it began. `session`: all
 * this client has seen. `bounded`: nothing older than BOUNDED_STALENESS_MS. `eventual`: any
 * consistent prefix. `{ at }`: the instant given, within the retention.
 */
export type Consistency =
  | 'strong'
  | 'session'
  | 'bounded'
  | 'eventual'
  | { readonly at: Timestamp };

/** How far behind a `bounded` read may be. Milvus' gracefulTime. */
export const BOUNDED_STALENESS_MS = 5_000;
