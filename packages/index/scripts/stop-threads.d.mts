/** What ending threads in the middle of searches has shown. */
export function stopThreads(count: number): Promise<{
  readonly ended: number;
  readonly slowest: number;
  readonly wrong: readonly unknown[];
}>;
