// The graph kernels' part of the door: see addon.cc.
#pragma once
#include "args.h"

namespace {

// (isa, graph, numbers, metric, dim, low, step, edge, queries, mode, ef, capacity, candidates,
//  distancesMax, leastShare, budget, allowed|null, min, max, rows, inverseNorms|null, rowBase, outcomes,
//  scratch, limit, scores, rows, counts, tied): how many queries are decided
napi_value jsSearchGraph(napi_env env, napi_callback_info info) {
  Args a(env, info);
  const KernelTable* table = a.table(0);
  SearchGraph s = {};
  size_t queries, rows, norms, outcomes;
  s.graph = a.graph(1);
  s.metric = (uint32_t)a.whole(3, 2, "metric: unknown");
  s.dim = a.whole(4, MAX_DIM, "dim: expected 1 to 32768");
  s.low = (float)a.real(5, "low: expected a number");
  s.step = (float)a.real(6, "step: expected a number");
  s.edge = (float)a.real(7, "edge: expected a number");
  s.queries = a.floats(8, &queries, "queries: expected a Float32Array");
  s.mode = (uint32_t)a.whole(9, GRAPH_TWO_HOP, "mode: unknown");
  s.ef = a.whole(10, MAX_ENTRIES, "ef: out of range");
  s.capacity = a.whole(11, MAX_ENTRIES, "capacity: out of range");
  s.candidates = a.whole(12, MAX_ENTRIES, "candidates: out of range");
  s.distancesMax = a.whole(13, MAX_ROWS, "distancesMax: out of range");
  s.leastShare = (float)a.real(14, "leastShare: expected a number");
  s.budget = a.whole(15, MAX_GRAPH_ROWS, "budget: out of range");
  s.allowed = a.bitset(16, s.graph.rows, "allowed: expected a Uint32Array of one bit a row");
  s.min = (float)a.real(17, "min: expected a number");
  s.max = (float)a.real(18, "max: expected a number");
  s.rows = a.floats(19, &rows, "rows: expected a Float32Array");
  s.rowBase = (uint32_t)a.whole(21, MAX_ROWS, "rowBase: expected a row number");
  s.outcomes = a.words(22, &outcomes, "outcomes: expected a Uint32Array");
  if (!a.ok) return nothing();
  a.require(s.dim >= 1 && s.dim <= s.graph.stride, "dim: expected 1 to stride");
  a.require(queries % (s.dim ? s.dim : 1) == 0 && queries > 0, "queries: not a multiple of dim");
  if (!a.ok) return nothing();
  s.nq = queries / s.dim;
  a.require(s.graph.rows <= rows / s.dim, "rows: fewer than the graph's");
  a.require(s.rowBase + (uint64_t)s.graph.rows <= MAX_ROWS, "rowBase: row numbers pass 2^32");
  a.require(s.nq <= MAX_GRAPH_ROWS && outcomes / GRAPH_OUTCOME_WORDS >= s.nq,
            "outcomes: shorter than the queries");
  a.require(s.ef >= 1 && s.capacity >= s.ef, "capacity: expected at least ef");
  a.require(s.mode == GRAPH_ALL || s.allowed, "allowed: expected for this mode");
  if (s.metric == METRIC_COSINE) {
    s.inverseNorms = a.floats(20, &norms, "inverseNorms: expected a Float32Array");
    a.require(norms >= s.graph.rows, "inverseNorms: fewer than the graph's rows");
  }
  s.scratch = a.scratch(23, graphScratchBytes(&s.graph, s.capacity, false));
  s.top = a.top(24, s.nq);
  return a.ok ? number(env, (double)table->searchGraph(&s)) : nothing();
}

// (isa, graph, numbers, order, roundStart, from, to, level, ef, budget, chosen, scratch): the first
// position that is not done
napi_value jsFindLinks(napi_env env, napi_callback_info info) {
  Args a(env, info);
  const KernelTable* table = a.table(0);
  FindLinks f = {};
  size_t order, chosen;
  f.graph = a.graph(1);
  f.order = a.words(3, &order, "order: expected a Uint32Array");
  f.roundStart = a.whole(4, MAX_GRAPH_ROWS, "roundStart: expected a position");
  f.from = a.whole(5, MAX_GRAPH_ROWS, "from: expected a position");
  f.to = a.whole(6, MAX_GRAPH_ROWS, "to: expected a position");
  f.level = a.whole(7, 31, "level: out of range");
  f.ef = a.whole(8, MAX_ENTRIES, "ef: out of range");
  f.budget = a.whole(9, MAX_GRAPH_ROWS, "budget: out of range");
  f.chosen = a.words(10, &chosen, "chosen: expected a Uint32Array");
  if (!a.ok) return nothing();
  a.require(f.roundStart <= f.from && f.from <= f.to && f.to <= order, "order: too short");
  a.require(f.to - f.from <= chosen / ((f.level + 1) * f.graph.degree), "chosen: too short");
  a.require(f.level == 0 || graphCount(f.graph.nodes, f.graph.degree, f.level) > 0,
            "level: not of this graph");
  a.require(f.ef >= 1, "ef: out of range");
  const size_t capacity = f.ef > GRAPH_BATCH ? f.ef : GRAPH_BATCH;
  f.scratch = a.scratch(11, graphScratchBytes(&f.graph, capacity, true));
  return a.ok ? number(env, (double)table->findLinks(&f)) : nothing();
}

// (isa, graph, numbers, layer, targets, starts, sources, from, targetCount, budget, scratch): the
// first target that is not done
napi_value jsMergeLinks(napi_env env, napi_callback_info info) {
  Args a(env, info);
  const KernelTable* table = a.table(0);
  MergeLinks m = {};
  size_t targets, starts;
  m.graph = a.graph(1);
  m.layer = a.whole(3, 31, "layer: out of range");
  m.targets = a.words(4, &targets, "targets: expected a Uint32Array");
  m.starts = a.words(5, &starts, "starts: expected a Uint32Array");
  m.sources = a.words(6, &m.sourceCount, "sources: expected a Uint32Array");
  m.from = a.whole(7, MAX_GRAPH_ROWS, "from: expected a target");
  m.targetCount = a.whole(8, MAX_GRAPH_ROWS, "targetCount: out of range");
  m.budget = a.whole(9, MAX_GRAPH_ROWS, "budget: out of range");
  if (!a.ok) return nothing();
  a.require(m.from <= m.targetCount && m.targetCount <= targets && m.targetCount < starts,
            "targets: too short");
  a.require(a.ok && m.starts[m.targetCount] <= m.sourceCount, "sources: too short");
  a.require(m.layer == 0 || graphCount(m.graph.nodes, m.graph.degree, m.layer) > 0,
            "layer: not of this graph");
  m.scratch = a.scratch(10, graphScratchBytes(&m.graph, GRAPH_BATCH, true));
  return a.ok ? number(env, (double)table->mergeLinks(&m)) : nothing();
}

}  // namespace
