import { availableIsas } from '@elanus/kernels';
import { cpus, totalmem } from 'node:os';

/** One measured number beside what it has to be. */
export interface Figure {
  readonly what: string;
  readonly measured: number;
  readonly unit: string;
  /** What it has to reach, or stay under; absent: for information. */
  readonly atLeast?: number | undefined;
  readonly atMost?: number | undefined;
}

/** Whether a figure is as it has to be. */
export function holds({ measured, atLeast, atMost }: Figure): boolean {
  return measured >= (atLeast ?? -Infinity) && measured <= (atMost ?? Infinity);
}

/** A row of what has to be shown, measured by one command. */
export interface Bench {
  readonly what: string;
  /** About how long it takes on two cores. */
  readonly seconds: number;
  /** Measures; runs in a process of its own. */
  readonly run: () => Promise<readonly Figure[]>;
}

/** Where it was measured. */
export interface Machine {
  readonly cpu: string;
  readonly cores: number;
  readonly memoryGiB: number;
  readonly node: string;
  readonly isa: string;
  readonly platform: string;
}

/** The machine this runs on. */
export function machine(): Machine {
  const all = cpus();
  return {
    cpu: all[0]?.model.trim() ?? 'unknown',
    cores: all.length,
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    node: process.version,
    isa: availableIsas()[0] ?? 'none',
    platform: `${process.platform} ${process.arch}`,
  };
}

/** The middle of some numbers. */
export function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1] ?? Number.NaN;
}

/** The value that `share` of the numbers do not exceed. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.ceil(sorted.length * share) - 1)] ?? Number.NaN;
}

/** Says what is going on, on stderr: stdout carries results. */
export function note(text: string): void {
  process.stderr.write(`${text}\n`);
}
