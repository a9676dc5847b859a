// The 1-bit codes' part of the door: see addon.cc.
#pragma once
#include "args.h"

namespace {

constexpr size_t RABITQ_NUMBERS = 10;

// A memory and a record of numbers (src/native-rabitq.ts): rows, lists, dim, padded, then where the
// parts begin.
Rabitq rabitqOf(Args& a, size_t i) {
  Rabitq v = {};
  double n[RABITQ_NUMBERS];
  a.numbers(i + 1, n, RABITQ_NUMBERS, "codes: expected a Float64Array of ten numbers");
  size_t length = 0;
  uint8_t* file = a.bytes(i, &length, "codes: expected a Uint8Array");
  v.rowCount = a.wholeOf(n[0], MAX_ROWS, "codes: too many rows");
  v.lists = a.wholeOf(n[1], MAX_ROWS, "codes: too many lists");
  v.dim = a.wholeOf(n[2], MAX_DIM, "codes: dim out of range");
  v.padded = a.wholeOf(n[3], MAX_DIM, "codes: padded out of range");
  a.require(v.dim >= 1 && v.padded >= v.dim && v.padded % 128 == 0, "codes: padded out of range");
  for (size_t k = 4; k < RABITQ_NUMBERS; k++)
    a.require(n[k] >= 0 && n[k] <= 9007199254740991.0, "codes: expected whole numbers");
  if (!a.ok) return v;
  const uint64_t rows = v.rowCount, lists = v.lists, padded = v.padded;
  v.codes = a.part(file, length, n[4], rows * (padded / 8));
  v.factors = (float*)a.part(file, length, n[5], rows * 8);
  v.rows = (const uint32_t*)a.part(file, length, n[6], rows * 4);
  v.starts = (const uint32_t*)a.part(file, length, n[7], (lists + 1) * 4);
  v.centroids = (const float*)a.part(file, length, n[8], lists * padded * 4);
  v.signs = (const uint32_t*)a.part(file, length, n[9], padded / 2);
  return v;
}

// (isa, codes, numbers, queries, out)
napi_value jsRotateQueries(napi_env env, napi_callback_info info) {
  Args a(env, info);
  const KernelTable* table = a.table(0);
  RotateQueries r = {};
  size_t queries = 0, out = 0;
  r.view = rabitqOf(a, 1);
  r.queries = a.floats(3, &queries, "queries: expected a Float32Array");
  r.out = a.floats(4, &out, "out: expected a Float32Array");
  if (!a.ok) return nothing();
  a.require(queries % r.view.dim == 0, "queries: not a multiple of dim");
  r.nq = queries / r.view.dim;
  a.require(out / r.view.padded >= r.nq, "out: shorter than the queries");
  if (a.ok) table->rotateQueries(&r);
  return nothing();
}

// (isa, codes, numbers, metric, element, rows, inverseNorms|null, list, from, to, places, scratch)
napi_value jsEncodeRabitq(napi_env env, napi_callback_info info) {
  Args a(env, info);
  const KernelTable* table = a.table(0);
  EncodeRabitq e = {};
  size_t rows = 0, norms = 0, places = 0, scratch = 0;
  e.view = rabitqOf(a, 1);
  e.metric = (uint32_t)a.whole(3, METRIC_COSINE, "metric: unknown");
  e.element = (uint32_t)a.whole(4, ELEMENT_INT8, "element: unknown");
  e.rows = a.rows(5, e.element, &rows);
  e.list = a.whole(7, MAX_ROWS, "list: expected a list");
  e.from = a.whole(8, MAX_ROWS, "from: expected a place");
  e.to = a.whole(9, MAX_ROWS, "to: expected a place");
  e.numbers = a.words(10, &places, "places: expected a Uint32Array");
  e.scratch = a.floats(11, &scratch, "scratch: expected a Float32Array");
  if (!a.ok) return nothing();
  a.require(e.list < e.view.lists, "list: there is none of this number");
  a.require(e.from <= e.to && e.to <= e.view.rowCount, "to: beyond the rows");
  a.require(places >= e.to - e.from, "places: too few");
  a.require(scratch >= e.view.padded, "scratch: too short");
  if (!a.ok) return nothing();
  e.rowCount = e.view.rowCount;
  a.require(rows / e.view.dim >= e.rowCount, "rows: fewer than the view's");
  if (!a.isAbsent(6)) {
    e.inverseNorms = a.floats(6, &norms, "inverseNorms: expected a Float32Array");
    a.require(norms >= e.rowCount, "inverseNorms: fewer than the view's rows");
  }
  if (a.ok) table->encodeRabitq(&e);
  return nothing();
}

// (isa, codes, numbers, query, lists, state, budget, allowed|null, limit, scores, rows, counts,
//  tied): 1 when all lists are through
napi_value jsScanRabitq(napi_env env, napi_callback_info info) {
  Args a(env, info);
  const KernelTable* table = a.table(0);
  ScanRabitq s = {};
  size_t query = 0, state = 0;
  s.view = rabitqOf(a, 1);
  s.query = a.floats(3, &query, "query: expected a Float32Array");
  s.lists = a.words(4, &s.listCount, "lists: expected a Uint32Array");
  s.state = a.words(5, &state, "state: expected a Uint32Array");
  s.budget = a.whole(6, MAX_GRAPH_ROWS, "budget: out of range");
  s.allowed = a.bitset(7, s.view.rowCount, "allowed: expected a Uint32Array of one bit a row");
  s.top = a.top(8, 1);
  if (!a.ok) return nothing();
  a.require(query == s.view.padded, "query: expected `padded` numbers");
  a.require(state >= 2, "state: too short");
  return a.ok ? number(env, table->scanRabitq(&s) ? 1 : 0) : nothing();
}

}  // namespace
