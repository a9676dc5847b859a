/** How two vectors are compared. Scores follow Milvus: see `isBetter`. */
export type Metric = 'l2' | 'ip' | 'cosine';

/** The metrics a float32 field can have, in the order shown to people. */
export const METRICS: readonly Metric[] = ['l2', 'ip', 'cosine'];

/** Whether larger scores are nearer: L2 is a squared distance, IP and COSINE are similarities. */
export function largerIsBetter(metric: Metric): boolean {
  return metric !== 'l2';
}

/** Whether score `a` is strictly nearer than `b` under the metric. */
export function isBetter(metric: Metric, a: number, b: number): boolean {
  return metric === 'l2' ? a < b : a > b;
}
