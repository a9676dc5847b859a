import { assert } from '@elanus/core';
import type { GraphView } from '@elanus/kernels';

import type { IndexPlan } from './build.ts';
import { calibrationWork } from './calibration.ts';
import { floatMetric, numberColumn } from './column.ts';
import { codedRows, encodePiece, normsOf, readFacts, truthWork } from './coded-rows.ts';
import type { CodedRows } from './coded-rows.ts';
import type { Work } from './crew.ts';
import { workOf } from './graph-build.ts';
import { graphShape } from './hnsw-build.ts';
import type { IndexHeader } from './index-file.ts';
import { graphOf, hnswSource, NO_CODES, scanSource } from './open.ts';
import { walkWork } from './recall-measure.ts';
import type { HnswSource } from './hnsw-search.ts';
import type { ScanSource } from './sq8-search.ts';

/**
 * What a thread that helps a build does. It sees the same memory as the leader; what the leader
 * finds out first comes with each stage (how many rows the graph links) or as facts
 * (coded-rows.ts).
 */
export function helperWork(plan: IndexPlan): Work {
  const { kernels, kind, metric, column, file, crew } = plan;
  assert(file !== undefined && crew !== undefined, 'a task that is shared');
  const shape = graphShape(plan.params, column.rowCount);
  const { dim, rowCount } = column;
  const numbers = numberColumn(column);
  const known = new Map<number, Work>();
  const workFor = (nodes: number): Work => {
    const header = { kind, metric, dim, rowCount, ...NO_CODES, graph: { ...shape, nodes } };
    const graph: GraphView | undefined = graphOf(file, header, numbers);
    assert(graph !== undefined, 'a stage of a graph');
    return workOf({ kernels, graph, efConstruction: shape.efConstruction, crew });
  };
  const flat = { kernels, metric: floatMetric(metric), column: numbers };
  /** Made when it is needed: the leader measures what it says before that. */
  const measured = (nodes = shape.nodes): IndexHeader => {
    return { kind, metric, dim, rowCount, graph: { ...shape, nodes }, ...readFacts(crew) };
  };
  const coded = (): CodedRows => codedRows(flat, file, measured());
  const scanned = (): ScanSource => {
    const header = measured();
    return scanSource({ ...flat, inverseNorms: normsOf(file, header) }, file, header);
  };
  const truth = truthWork(crew, scanned);
  const walked = (nodes: number): HnswSource => {
    const header = measured(nodes);
    return hnswSource({ ...flat, inverseNorms: normsOf(file, header) }, file, header);
  };
  const walk = walkWork(crew, walked);
  const calibration = calibrationWork(crew, () => coded().source);
  return (stage, from, to) => {
    if (stage.kind === 'truth') return truth(stage, from, to);
    if (stage.kind === 'walk') return walk(stage, from, to);
    if (stage.kind === 'calibrate') return calibration(stage, from, to);
    if (stage.kind === 'encode') {
      encodePiece(coded(), from);
      return from + 1;
    }
    const work = known.get(stage.nodes) ?? workFor(stage.nodes);
    known.set(stage.nodes, work);
    return work(stage, from, to);
  };
}
