/** How two vectors of numbers are compared. */
export type FloatMetric = 'l2' | 'ip' | 'cosine';

/** How two vectors of bits are compared. */
export type BinaryMetric = 'hamming' | 'jaccard' | 'tanimoto';

/** How two vectors are compared. Scores follow Milvus: see `isBetter`. */
export type Metric = FloatMetric | BinaryMetric;

/** The metrics a field of numbers can have, in the order shown to people. */
export const METRICS: readonly FloatMetric[] = ['l2', 'ip', 'cosine'];

/** The metrics a field of bits can have, in the order shown to people. */
export const BINARY_METRICS: readonly BinaryMetric[] = ['hamming', 'jaccard', 'tanimoto'];

/** Whether larger scores are nearer: IP and COSINE are similarities, all others are distances. */
export function largerIsBetter(metric: Metric): boolean {
  return metric === 'ip' || metric === 'cosine';
}

/** Whether score `a` is strictly nearer than `b` under the metric. */
export function isBetter(metric: Metric, a: number, b: number): boolean {
  return largerIsBetter(metric) ? a > b : a < b;
}
