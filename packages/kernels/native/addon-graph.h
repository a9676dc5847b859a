// The graph kernels' part of the door: see addon.cc.
#pragma once
#include "args.h"

namespace {

// (isa, graph, numbers, vectors|null, queries, allowed|null, rows, inverseNorms|null, outcomes,
//  scratch, scores, rows, counts, tied): how many queries are decided. Numbers of a search come in
// one array behind those of its graph, since every value that is read by itself costs as much as a
// short distance: metric, dim, low, step, edge, mode, ef, capacity, candidates, distancesMax,
// leastShare, budget, min, max, rowBase, limit, element.
napi_value jsSearchGraph(napi_env env, napi_callback_info info) {
  Args a(env, info);
  const KernelTable* table = a.table(0);
  SearchGraph s = {};
  size_t queries = 0, rows = 0, norms = 0, outcomes = 0;
  double n[SEARCH_NUMBERS];
  a.numbers(2, n, SEARCH_NUMBERS, "numbers: expected a Float64Array of 29 numbers");
  s.graph = a.graphOf(1, n);
  s.metric = (uint32_t)a.wholeOf(n[12], 2, "metric: unknown");
  s.dim = a.wholeOf(n[13], MAX_DIM, "dim: expected 1 to 32768");
  s.low = (float)n[14];
  s.step = (float)n[15];
  s.edge = (float)n[16];
  s.mode = (uint32_t)a.wholeOf(n[17], GRAPH_SCAN, "mode: unknown");
  s.ef = a.wholeOf(n[18], MAX_ENTRIES, "ef: out of range");
  s.capacity = a.wholeOf(n[19], MAX_ENTRIES, "capacity: out of range");
  s.candidates = a.wholeOf(n[20], MAX_ENTRIES, "candidates: out of range");
  s.distancesMax = a.wholeOf(n[21], MAX_ROWS, "distancesMax: out of range");
  s.leastShare = (float)n[22];
  s.budget = a.wholeOf(n[23], MAX_GRAPH_ROWS, "budget: out of range");
  s.min = (float)n[24];
  s.max = (float)n[25];
  s.rowBase = (uint32_t)a.wholeOf(n[26], MAX_ROWS, "rowBase: expected a row number");
  const size_t limit = a.wholeOf(n[27], MAX_ROWS, "limit: expected a whole number");
  s.element = (uint32_t)a.wholeOf(n[28], ELEMENT_INT8, "element: unknown");
  s.queries = a.floats(4, &queries, "queries: expected a Float32Array");
  s.allowed = a.bitset(5, s.graph.rows, "allowed: expected a Uint32Array of one bit a row");
  s.rows = a.rows(6, s.element, &rows);
  s.outcomes = a.words(8, &outcomes, "outcomes: expected a Uint32Array");
  if (!a.ok) return nothing();
  const bool codes = s.graph.codec == CODEC_SQ8;
  a.require(s.dim >= 1 && (codes ? s.dim <= s.graph.stride : s.dim == s.graph.dim),
            "dim: not that of the graph");
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
    s.inverseNorms = a.floats(7, &norms, "inverseNorms: expected a Float32Array");
    a.require(norms >= s.graph.rows, "inverseNorms: fewer than the graph's rows");
  }
  s.scratch = a.scratch(9, graphScratchBytes(&s.graph, s.capacity, false));
  s.top = a.topOf(limit, 10, s.nq);
  return a.ok ? number(env, (double)table->searchGraph(&s)) : nothing();
}

// (isa, graph, numbers, vectors|null, order, roundStart, from, to, level, ef, budget, chosen,
//  scratch): the first position that is not done
napi_value jsFindLinks(napi_env env, napi_callback_info info) {
  Args a(env, info);
  const KernelTable* table = a.table(0);
  FindLinks f = {};
  size_t order = 0, chosen = 0;
  f.graph = a.graph(1);
  f.order = a.words(4, &order, "order: expected a Uint32Array");
  f.roundStart = a.whole(5, MAX_GRAPH_ROWS, "roundStart: expected a position");
  f.from = a.whole(6, MAX_GRAPH_ROWS, "from: expected a position");
  f.to = a.whole(7, MAX_GRAPH_ROWS, "to: expected a position");
  f.level = a.whole(8, 31, "level: out of range");
  f.ef = a.whole(9, MAX_ENTRIES, "ef: out of range");
  f.budget = a.whole(10, MAX_GRAPH_ROWS, "budget: out of range");
  f.chosen = a.words(11, &chosen, "chosen: expected a Uint32Array");
  if (!a.ok) return nothing();
  a.require(f.roundStart <= f.from && f.from <= f.to && f.to <= order, "order: too short");
  a.require(f.to - f.from <= chosen / ((f.level + 1) * f.graph.degree), "chosen: too short");
  a.require(f.level == 0 || graphCount(f.graph.nodes, f.graph.degree, f.level) > 0,
            "level: not of this graph");
  a.require(f.ef >= 1, "ef: out of range");
  const size_t capacity = f.ef > GRAPH_BATCH ? f.ef : GRAPH_BATCH;
  f.scratch = a.scratch(12, graphScratchBytes(&f.graph, capacity, true));
  return a.ok ? number(env, (double)table->findLinks(&f)) : nothing();
}

// (isa, graph, numbers, vectors|null, layer, targets, starts, sources, from, targetCount, budget,
//  scratch): the first target that is not done
napi_value jsMergeLinks(napi_env env, napi_callback_info info) {
  Args a(env, info);
  const KernelTable* table = a.table(0);
  MergeLinks m = {};
  size_t targets = 0, starts = 0;
  m.graph = a.graph(1);
  m.layer = a.whole(4, 31, "layer: out of range");
  m.targets = a.words(5, &targets, "targets: expected a Uint32Array");
  m.starts = a.words(6, &starts, "starts: expected a Uint32Array");
  m.sources = a.words(7, &m.sourceCount, "sources: expected a Uint32Array");
  m.from = a.whole(8, MAX_GRAPH_ROWS, "from: expected a target");
  m.targetCount = a.whole(9, MAX_GRAPH_ROWS, "targetCount: out of range");
  m.budget = a.whole(10, MAX_GRAPH_ROWS, "budget: out of range");
  if (!a.ok) return nothing();
  a.require(m.from <= m.targetCount && m.targetCount <= targets && m.targetCount < starts,
            "targets: too short");
  a.require(a.ok && m.starts[m.targetCount] <= m.sourceCount, "sources: too short");
  a.require(m.layer == 0 || graphCount(m.graph.nodes, m.graph.degree, m.layer) > 0,
            "layer: not of this graph");
  m.scratch = a.scratch(11, graphScratchBytes(&m.graph, GRAPH_BATCH, true));
  return a.ok ? number(env, (double)table->mergeLinks(&m)) : nothing();
}

}  // namespace
