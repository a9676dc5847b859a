/** Builds by one thread beside raw hnswlib, in turns of a second, so that both see one machine. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { buildSteps } from '../../packages/index/src/index.ts';
import type { Kernels } from '../../packages/kernels/src/index.ts';
import { note, type Figure } from '../bench.ts';
import type { BenchData, DataName } from '../index/data.ts';
import { hnswlib } from '../index/peers.ts';

/** Their time to ours, at least. */
const AT_LEAST: Readonly<Record<DataName, number>> = { digits: 3, made: 2.7, words: 2.1 };
/** Turns of theirs; ours take as long as they come. */
const TURNS = 60;
const TURN_MS = 1000;

function cpu(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

/** Their processor time to ours for the same rows. Nothing without the peer. */
export async function buildFigures(kernels: Kernels, data: BenchData): Promise<readonly Figure[]> {
  const { name, metric, column } = data;
  const folder = join(import.meta.dirname, '../peers/node_modules/hnswlib-node/src');
  if (!existsSync(folder)) {
    note('peers are missing: see bench/peers/README.md');
    return [];
  }
  const peer = hnswlib({ data, folder });
  const steps = buildSteps({ kernels, kind: 'HNSW', metric, column });
  const rows = Math.ceil(column.rowCount / TURNS);
  let [ours, theirs, added] = [0, 0, 0];
  for (let done = false; !done || added < column.rowCount; ) {
    const started = cpu();
    while (!done && cpu() - started < TURN_MS) done = steps.next().done === true;
    ours += cpu() - started;
    if (added >= column.rowCount) continue;
    theirs += (await peer.add?.(rows)) ?? 0;
    added += rows;
  }
  peer.close();
  return [
    { what: `${name}: build, one thread`, measured: ours / 1000, unit: 's' },
    {
      what: `${name}: build of hnswlib : ours, in turns`,
      measured: theirs / ours,
      unit: 'x',
      atLeast: AT_LEAST[name],
    },
  ];
}
