import { assert } from '@elanus/core';
import type { GraphView } from '@elanus/kernels';

import type { IndexPlan } from './build.ts';
import { floatMetric, numberColumn } from './column.ts';
import { codedRows, encodePiece, readFacts, truthWork } from './coded-rows.ts';
import type { CodedRows } from './coded-rows.ts';
import type { Work } from './crew.ts';
import { workOf } from './graph-build.ts';
import { graphShape } from './hnsw-build.ts';
import { graphOf, NO_CODES } from './open.ts';

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
  const known = new Map<number, Work>();
  const workFor = (nodes: number): Work => {
    const header = { kind, metric, dim, rowCount, ...NO_CODES, graph: { ...shape, nodes } };
    const graph: GraphView | undefined = graphOf(file, header);
    assert(graph !== undefined, 'a stage of a graph');
    return workOf({ kernels, graph, efConstruction: shape.efConstruction, crew });
  };
  const flat = { kernels, metric: floatMetric(metric), column: numberColumn(column) };
  /** Made when it is needed: the leader measures what it says before that. */
  const coded = (): CodedRows => {
    const rows = { kind, metric, dim, rowCount, graph: { ...shape, nodes: rowCount } };
    return codedRows(flat, file, { ...rows, ...readFacts(crew) });
  };
  const truth = truthWork(crew, () => coded().source);
  return (stage, from, to) => {
    if (stage.kind === 'truth') return truth(stage, from, to);
    if (stage.kind === 'encode') {
      encodePiece(coded(), from);
      return from + 1;
    }
    const work = known.get(stage.nodes) ?? workFor(stage.nodes);
    known.set(stage.nodes, work);
    return work(stage, from, to);
  };
}
