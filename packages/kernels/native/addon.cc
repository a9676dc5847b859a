// The N-API door of the kernels: reads and validates every argument, then calls the table of the
// instruction set that the caller names. Nothing that JavaScript passes may crash the process:
// types, lengths, offsets and sums are checked here even though src/check.ts has checked them.
// No state, so the addon loads in any number of threads.
#define NAPI_VERSION 8
#include <node_api.h>
#include <string.h>

#if defined(__linux__)
#include <sys/mman.h>
#include <unistd.h>
#endif

#include "checksum.h"
#include "kernels.h"

namespace {

constexpr size_t MAX_ARGS = 40;
constexpr uint64_t MAX_GRAPH_ROWS = 0x7fffffffull;  // ids have 31 bits
constexpr size_t MAX_ENTRIES = 65536;  // of the pool of a walk: ENTRIES_MAX of src/check.ts
constexpr size_t GRAPH_NUMBERS = 10;
constexpr size_t MAX_DIM = 32768;
constexpr uint64_t MAX_ROWS = 0xffffffffull;

// ------------------------------------------------------------------------- instruction sets
struct Isa { const char* name; const KernelTable* (*table)(); bool available; };

#if defined(__x86_64__)
bool hasAvx2() { return __builtin_cpu_supports("avx2"); }
bool hasAvx512() {
  return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
         __builtin_cpu_supports("avx512vnni");
}
const Isa ISAS[] = {{"sse2", elanus_kernels_sse2, true},
                    {"avx2", elanus_kernels_avx2, hasAvx2()},
                    {"avx512", elanus_kernels_avx512, hasAvx512()}};
#else
const Isa ISAS[] = {{"neon", elanus_kernels_neon, true}};
#endif
constexpr size_t ISA_COUNT = sizeof(ISAS) / sizeof(ISAS[0]);

// ------------------------------------------------------------------------------- arguments
struct Args {
  napi_env env;
  size_t count;
  napi_value values[MAX_ARGS];
  bool ok;

  Args(napi_env e, napi_callback_info info) : env(e), count(MAX_ARGS), ok(true) {
    if (napi_get_cb_info(env, info, &count, values, nullptr, nullptr) != napi_ok) count = 0;
    if (count > MAX_ARGS) count = MAX_ARGS;
  }
  void typeError(const char* text) {
    if (ok) napi_throw_type_error(env, "ERR_INVALID_ARG_TYPE", text);
    ok = false;
  }
  void rangeError(const char* text) {
    if (ok) napi_throw_range_error(env, "ERR_OUT_OF_RANGE", text);
    ok = false;
  }
  void require(bool holds, const char* text) {
    if (!holds) rangeError(text);
  }
  napi_value at(size_t i) {
    if (i < count) return values[i];
    typeError("an argument is missing");
    return nullptr;
  }
  bool isAbsent(size_t i) {
    napi_valuetype type = napi_undefined;
    if (i >= count || napi_typeof(env, values[i], &type) != napi_ok) return true;
    return type == napi_undefined || type == napi_null;
  }
  double real(size_t i, const char* text) {
    double v = 0;
    if (ok && (!at(i) || napi_get_value_double(env, values[i], &v) != napi_ok)) typeError(text);
    if (ok && v != v) rangeError(text);
    return v;
  }
  size_t whole(size_t i, uint64_t max, const char* text) {
    double v = real(i, text);
    if (!ok) return 0;
    if (!(v >= 0 && v <= (double)max) || v != (double)(uint64_t)v) {
      rangeError(text);
      return 0;
    }
    return (size_t)v;
  }
  // A typed array; over a SharedArrayBuffer too. `length` is in elements.
  void* array(size_t i, napi_typedarray_type type, size_t* length, const char* text) {
    *length = 0;
    if (!ok || !at(i)) return nullptr;
    bool is = false;
    napi_typedarray_type got;
    void* data = nullptr;
    if (napi_is_typedarray(env, values[i], &is) != napi_ok || !is ||
        napi_get_typedarray_info(env, values[i], &got, length, &data, nullptr, nullptr) !=
            napi_ok ||
        got != type) {
      typeError(text);
      *length = 0;
      return nullptr;
    }
    if (!data) *length = 0;
    return data;
  }
  float* floats(size_t i, size_t* n, const char* text) {
    return (float*)array(i, napi_float32_array, n, text);
  }
  uint32_t* words(size_t i, size_t* n, const char* text) {
    return (uint32_t*)array(i, napi_uint32_array, n, text);
  }
  uint8_t* bytes(size_t i, size_t* n, const char* text) {
    return (uint8_t*)array(i, napi_uint8_array, n, text);
  }
  int8_t* signedBytes(size_t i, size_t* n, const char* text) {
    return (int8_t*)array(i, napi_int8_array, n, text);
  }

  const KernelTable* table(size_t i) {
    size_t isa = whole(i, ISA_COUNT - 1, "isa: unknown");
    if (!ok) return nullptr;
    if (!ISAS[isa].available) {
      rangeError("isa: not available on this machine");
      return nullptr;
    }
    return ISAS[isa].table();
  }
  // limit, scores, rows, counts, tied for `nq` queries, from argument i on (five arguments).
  TopK top(size_t i, size_t nq) {
    TopK t = {};
    size_t scores, rows, counts, tied;
    t.limit = whole(i, MAX_ROWS, "limit: expected a whole number");
    t.scores = floats(i + 1, &scores, "top.scores: expected a Float32Array");
    t.rows = words(i + 2, &rows, "top.rows: expected a Uint32Array");
    t.counts = words(i + 3, &counts, "top.counts: expected a Uint32Array");
    t.tied = bytes(i + 4, &tied, "top.tied: expected a Uint8Array");
    require(t.limit >= 1, "limit: expected at least 1");
    // nq and limit are both below 2^32, so the product does not overflow.
    require(counts >= nq && tied >= nq, "top: shorter than the queries");
    require(scores / (t.limit ? t.limit : 1) >= nq && rows / (t.limit ? t.limit : 1) >= nq,
            "top: shorter than queries x limit");
    return t;
  }
  // The scratch of a graph kernel: not shared, so that nobody writes to it during the call.
  uint32_t* scratch(size_t i, size_t bytes) {
    size_t n;
    uint32_t* data = words(i, &n, "scratch: expected a Uint32Array");
    if (!ok) return nullptr;
    napi_value buffer = nullptr;
    size_t length, offset;
    napi_typedarray_type type;
    bool own = false;
    if (napi_get_typedarray_info(env, values[i], &type, &length, nullptr, &buffer, &offset) !=
            napi_ok ||
        napi_is_arraybuffer(env, buffer, &own) != napi_ok || !own)
      typeError("scratch: expected memory that is not shared");
    require(n >= bytes / 4 + (bytes % 4 != 0), "scratch: too short");
    require((uintptr_t)data % 8 == 0, "scratch: expected a multiple of 8 bytes");
    return data;
  }
  // A part of `length` bytes of the file that begins at a number of the graph's record.
  uint8_t* part(uint8_t* file, size_t length, double at, uint64_t bytes) {
    const bool sound = at >= 0 && at <= (double)length && at == (double)(uint64_t)at;
    require(sound && bytes <= length - (sound ? (size_t)at : 0), "graph: outside of its memory");
    if (!ok) return nullptr;
    require(((uintptr_t)file + (size_t)at) % 4 == 0, "graph: parts begin at multiples of 4");
    return file + (size_t)at;
  }
  // A graph: its memory and a record of numbers (src/native.ts). Every link is compared with the
  // number of nodes when it is followed, so only the places of the parts matter here.
  Graph graph(size_t i) {
    Graph g = {};
    size_t length, count;
    uint8_t* file = bytes(i, &length, "graph: expected a Uint8Array");
    const double* v = (const double*)array(i + 1, napi_float64_array, &count,
                                           "graph: expected a Float64Array of numbers");
    require(count >= GRAPH_NUMBERS, "graph: expected ten numbers");
    if (!ok) return g;
    double n[GRAPH_NUMBERS];
    for (size_t k = 0; k < GRAPH_NUMBERS; k++) {
      n[k] = v[k];
      if (!(n[k] >= 0 && n[k] <= 9007199254740991.0)) n[k] = -1;
      require(n[k] >= 0, "graph: expected whole numbers");
    }
    require(n[0] <= (double)MAX_GRAPH_ROWS && n[1] <= n[0], "graph: too many rows");
    require(n[2] >= 64 && n[2] <= (double)MAX_DIM, "graph: stride out of range");
    require(n[3] >= 2 && n[3] <= (double)GRAPH_DEGREE_MAX, "graph: degree out of range");
    if (!ok) return g;
    g.rows = (size_t)n[0];
    g.nodes = (size_t)n[1];
    g.stride = (size_t)n[2];
    g.degree = (size_t)n[3];
    g.inner = n[4] > 0;
    require(g.stride % 64 == 0, "graph: stride out of range");
    size_t upper = graphCount(g.nodes, g.degree, 1), linked = 0;
    for (size_t l = 1; graphCount(g.nodes, g.degree, l) > 0; l++)
      linked += graphCount(g.nodes, g.degree, l);
    g.codes = part(file, length, n[5], (uint64_t)g.rows * g.stride);
    g.terms = (uint32_t*)part(file, length, n[6], (uint64_t)g.rows * 4);
    g.links = (uint32_t*)part(file, length, n[7], (uint64_t)g.rows * g.degree * 8);
    g.upperRows = (uint32_t*)part(file, length, n[8], (uint64_t)upper * 4);
    g.upperLinks = (uint32_t*)part(file, length, n[9], (uint64_t)linked * g.degree * 4);
    return g;
  }
  const uint32_t* bitset(size_t i, size_t to, const char* text) {
    if (!ok || isAbsent(i)) return nullptr;
    size_t n;
    const uint32_t* bits = words(i, &n, text);
    require(n >= to / 32 + (to % 32 != 0), text);
    return bits;
  }
};

napi_value nothing() { return nullptr; }

napi_value number(napi_env env, double v) {
  napi_value out = nullptr;
  napi_create_double(env, v, &out);
  return out;
}

// --------------------------------------------------------------------------------- functions
// (isa, metric, dim, rows, inverseNorms|null, from, to, rowBase, allowed|null, queries,
//  queryNorms|null, min, max, limit, scores, rows, counts, tied)
napi_value jsScanFloat32(napi_env env, napi_callback_info info) {
  Args a(env, info);
  const KernelTable* table = a.table(0);
  ScanFloat32 s = {};
  size_t rows, queries, norms = 0, queryNorms = 0;
  s.metric = (uint32_t)a.whole(1, 2, "metric: unknown");
  s.dim = a.whole(2, MAX_DIM, "dim: expected 1 to 32768");
  a.require(s.dim >= 1, "dim: expected 1 to 32768");
  s.rows = a.floats(3, &rows, "rows: expected a Float32Array");
  s.from = a.whole(5, MAX_ROWS, "from: expected a row number");
  s.to = a.whole(6, MAX_ROWS, "to: expected a row number");
  s.rowBase = (uint32_t)a.whole(7, MAX_ROWS, "rowBase: expected a row number");
  s.queries = a.floats(9, &queries, "queries: expected a Float32Array");
  if (!a.ok) return nothing();
  a.require(s.from <= s.to && s.to <= rows / s.dim, "rows: shorter than `to` rows");
  a.require(s.rowBase + (uint64_t)s.to <= MAX_ROWS, "rowBase: row numbers pass 2^32");
  a.require(queries % s.dim == 0 && queries > 0, "queries: not a multiple of dim");
  s.nq = queries / s.dim;
  a.require(s.nq <= MAX_ROWS, "queries: too many");
  s.allowed = a.bitset(8, s.to, "allowed: expected a Uint32Array of one bit a row");
  if (s.metric == METRIC_COSINE) {
    s.inverseNorms = a.floats(4, &norms, "inverseNorms: expected a Float32Array");
    s.queryNorms = a.floats(10, &queryNorms, "queryNorms: expected a Float32Array");
    a.require(norms >= s.to, "inverseNorms: shorter than `to` rows");
    a.require(queryNorms >= s.nq, "queryNorms: shorter than the queries");
  }
  s.min = (float)a.real(11, "min: expected a number");
  s.max = (float)a.real(12, "max: expected a number");
  s.top = a.top(13, s.nq);
  if (a.ok) table->scanFloat32(&s);
  return nothing();
}

// (isa, metric, dim, rows, inverseNorms|null, rowCount, rowBase, list, query, queryNorm, ...)
bool readRerank(Args& a, RerankFloat32* r) {
  size_t rows, query, norms = 0;
  r->metric = (uint32_t)a.whole(1, 2, "metric: unknown");
  r->dim = a.whole(2, MAX_DIM, "dim: expected 1 to 32768");
  a.require(r->dim >= 1, "dim: expected 1 to 32768");
  r->rows = a.floats(3, &rows, "rows: expected a Float32Array");
  r->rowCount = a.whole(5, MAX_ROWS, "rowCount: expected a row number");
  r->rowBase = (uint32_t)a.whole(6, MAX_ROWS, "rowBase: expected a row number");
  r->list = a.words(7, &r->listLength, "list: expected a Uint32Array");
  r->query = a.floats(8, &query, "query: expected a Float32Array");
  r->queryNorm = (float)a.real(9, "queryNorm: expected a number");
  if (!a.ok) return false;
  a.require(r->rowCount <= rows / r->dim, "rows: shorter than rowCount rows");
  a.require(query == r->dim, "query: expected dim numbers");
  if (r->metric == METRIC_COSINE) {
    r->inverseNorms = a.floats(4, &norms, "inverseNorms: expected a Float32Array");
    a.require(norms >= r->rowCount, "inverseNorms: shorter than rowCount rows");
  }
  return a.ok;
}

// (..., min, max, limit, scores, rows, counts, tied): the heap of this one query
napi_value jsRerankFloat32(napi_env env, napi_callback_info info) {
  Args a(env, info);
  const KernelTable* table = a.table(0);
  RerankFloat32 r = {};
  if (!readRerank(a, &r)) return nothing();
  r.min = (float)a.real(10, "min: expected a number");
  r.max = (float)a.real(11, "max: expected a number");
  r.top = a.top(12, 1);
  if (a.ok) table->rerankFloat32(&r);
  return nothing();
}

// (..., out): the score of each listed row; those outside the chunk are left alone
napi_value jsScoreRows(napi_env env, napi_callback_info info) {
  Args a(env, info);
  const KernelTable* table = a.table(0);
  RerankFloat32 r = {};
  size_t out;
  if (!readRerank(a, &r)) return nothing();
  r.scores = a.floats(10, &out, "out: expected a Float32Array");
  a.require(out >= r.listLength, "out: shorter than the list");
  if (a.ok && r.scores) table->rerankFloat32(&r);
  return nothing();
}

// (isa, dim, rows, from, to, out)
napi_value jsInverseNorms(napi_env env, napi_callback_info info) {
  Args a(env, info);
  const KernelTable* table = a.table(0);
  size_t rows, outs;
  size_t dim = a.whole(1, MAX_DIM, "dim: expected 1 to 32768");
  a.require(dim >= 1, "dim: expected 1 to 32768");
  const float* x = a.floats(2, &rows, "rows: expected a Float32Array");
  size_t from = a.whole(3, MAX_ROWS, "from: expected a row number");
  size_t to = a.whole(4, MAX_ROWS, "to: expected a row number");
  float* out = a.floats(5, &outs, "out: expected a Float32Array");
  if (!a.ok) return nothing();
  a.require(from <= to && to <= rows / dim, "rows: shorter than `to` rows");
  a.require(to <= outs, "out: shorter than `to` rows");
  if (a.ok) table->inverseNorms(x, dim, from, to, out);
  return nothing();
}

// (isa, dim, stride, rows, inverseNorms|null, from, to, low, inverseStep, codes, terms,
//  norms|null, innerTerms|null)
napi_value jsEncodeSq8(napi_env env, napi_callback_info info) {
  Args a(env, info);
  const KernelTable* table = a.table(0);
  EncodeSq8 e = {};
  size_t rows, codes, terms, n;
  e.dim = a.whole(1, MAX_DIM, "dim: expected 1 to 32768");
  e.stride = a.whole(2, MAX_DIM, "stride: expected dim to 32768");
  a.require(e.dim >= 1 && e.stride >= e.dim && e.stride % 16 == 0,
            "stride: expected dim, rounded to 16");
  e.rows = a.floats(3, &rows, "rows: expected a Float32Array");
  e.from = a.whole(5, MAX_ROWS, "from: expected a row number");
  e.to = a.whole(6, MAX_ROWS, "to: expected a row number");
  e.low = (float)a.real(7, "low: expected a number");
  e.inverseStep = (float)a.real(8, "inverseStep: expected a number");
  e.codes = a.bytes(9, &codes, "codes: expected a Uint8Array");
  e.terms = a.words(10, &terms, "terms: expected a Uint32Array");
  if (!a.ok) return nothing();
  a.require(e.from <= e.to && e.to <= rows / e.dim, "rows: shorter than `to` rows");
  a.require(e.to <= codes / e.stride, "codes: shorter than `to` rows");
  a.require(e.to <= terms, "terms: shorter than `to` rows");
  if (!a.isAbsent(4)) {
    e.inverseNorms = a.floats(4, &n, "inverseNorms: expected a Float32Array");
    a.require(e.to <= n, "inverseNorms: shorter than `to` rows");
  }
  if (!a.isAbsent(11)) {
    e.norms = a.floats(11, &n, "norms: expected a Float32Array");
    a.require(e.to <= n, "norms: shorter than `to` rows");
  }
  if (!a.isAbsent(12)) {
    e.innerTerms = a.words(12, &n, "innerTerms: expected a Uint32Array");
    a.require(e.to <= n, "innerTerms: shorter than `to` rows");
  }
  if (a.ok) table->encodeSq8(&e);
  return nothing();
}

// (isa, stride, codes, terms, norms|null, from, to, rowBase, allowed|null, query, queryTerm,
//  weight, limit, scores, rows, counts, tied)
napi_value jsScanSq8(napi_env env, napi_callback_info info) {
  Args a(env, info);
  const KernelTable* table = a.table(0);
  ScanSq8 s = {};
  size_t codes, terms, query, n;
  s.stride = a.whole(1, MAX_DIM, "stride: expected 16 to 32768");
  a.require(s.stride >= 16 && s.stride % 16 == 0, "stride: expected a multiple of 16");
  s.codes = a.bytes(2, &codes, "codes: expected a Uint8Array");
  s.terms = a.words(3, &terms, "terms: expected a Uint32Array");
  s.from = a.whole(5, MAX_ROWS, "from: expected a row number");
  s.to = a.whole(6, MAX_ROWS, "to: expected a row number");
  s.rowBase = (uint32_t)a.whole(7, MAX_ROWS, "rowBase: expected a row number");
  s.query = a.signedBytes(9, &query, "query: expected an Int8Array");
  s.queryTerm = (uint32_t)a.whole(10, MAX_ROWS, "queryTerm: expected a 32-bit number");
  s.weight = (float)a.real(11, "weight: expected a number");
  if (!a.ok) return nothing();
  a.require(s.from <= s.to && s.to <= codes / s.stride, "codes: shorter than `to` rows");
  a.require(s.to <= terms, "terms: shorter than `to` rows");
  a.require(s.rowBase + (uint64_t)s.to <= MAX_ROWS, "rowBase: row numbers pass 2^32");
  a.require(query == s.stride, "query: expected `stride` codes");
  if (!a.isAbsent(4)) {
    s.norms = a.floats(4, &n, "norms: expected a Float32Array");
    a.require(s.to <= n, "norms: shorter than `to` rows");
  }
  s.allowed = a.bitset(8, s.to, "allowed: expected a Uint32Array of one bit a row");
  s.top = a.top(12, 1);
  if (a.ok) table->scanSq8(&s);
  return nothing();
}

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

// (isa, values)
napi_value jsFirstNonFinite(napi_env env, napi_callback_info info) {
  Args a(env, info);
  const KernelTable* table = a.table(0);
  size_t n;
  const float* values = a.floats(1, &n, "values: expected a Float32Array");
  return a.ok ? number(env, (double)table->firstNonFinite(values, n)) : nothing();
}

// (isa, operation, into, other): 0 and, 1 or, 2 and-not
napi_value jsCombine(napi_env env, napi_callback_info info) {
  Args a(env, info);
  const KernelTable* table = a.table(0);
  size_t n, m, operation = a.whole(1, 2, "operation: unknown");
  uint32_t* into = a.words(2, &n, "into: expected a Uint32Array");
  const uint32_t* other = a.words(3, &m, "other: expected a Uint32Array");
  a.require(n == m, "other: expected the same length");
  if (!a.ok) return nothing();
  auto combine = operation == 0 ? table->bitAnd : operation == 1 ? table->bitOr : table->bitAndNot;
  combine(into, other, n);
  return nothing();
}

// (isa, words)
napi_value jsPopcount(napi_env env, napi_callback_info info) {
  Args a(env, info);
  const KernelTable* table = a.table(0);
  size_t n;
  const uint32_t* words = a.words(1, &n, "words: expected a Uint32Array");
  return a.ok ? number(env, table->popcount(words, n)) : nothing();
}

// (bytes): address of the first byte modulo 64, so that JavaScript can align what it lays out
napi_value jsAlignment(napi_env env, napi_callback_info info) {
  Args a(env, info);
  size_t n;
  const uint8_t* data = a.bytes(0, &n, "bytes: expected a Uint8Array");
  return a.ok ? number(env, (double)((uintptr_t)data % 64)) : nothing();
}

// (bytes): asks for pages of 2 MB under what lies inside, so that reads in random order miss the
// address cache less. Clearing such a page takes longer, so this is for memory that is walked, not
// for memory that is filled bit by bit. Before the first write; later it changes nothing at once.
napi_value jsUseLargePages(napi_env env, napi_callback_info info) {
  Args a(env, info);
  size_t n;
  const uint8_t* data = a.bytes(0, &n, "bytes: expected a Uint8Array");
  if (!a.ok) return nothing();
#if defined(__linux__)
  const uintptr_t page = 2u << 20;
  const uintptr_t from = ((uintptr_t)data + page - 1) / page * page;
  const uintptr_t to = ((uintptr_t)data + n) / page * page;
  if (to > from) madvise((void*)from, to - from, MADV_HUGEPAGE);
#endif
  return nothing();
}

// (bytes): gives the pages that lie wholly inside back to the system; they read as zero afterwards.
// Shared memory is freed by garbage collection only, which does not see how large it is.
napi_value jsDiscard(napi_env env, napi_callback_info info) {
  Args a(env, info);
  size_t n;
  const uint8_t* data = a.bytes(0, &n, "bytes: expected a Uint8Array");
  if (!a.ok) return nothing();
#if defined(__linux__)
  const uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
  const uintptr_t from = ((uintptr_t)data + page - 1) / page * page;
  const uintptr_t to = ((uintptr_t)data + n) / page * page;
  if (to > from) madvise((void*)from, to - from, MADV_DONTNEED);
#endif
  return nothing();
}

// (bytes, seed): only where `hasCrc32` says so
napi_value jsCrc32(napi_env env, napi_callback_info info) {
  Args a(env, info);
  size_t n;
  const uint8_t* data = a.bytes(0, &n, "bytes: expected a Uint8Array");
  const uint32_t seed = (uint32_t)a.whole(1, MAX_ROWS, "seed: expected a 32-bit number");
  a.require(elanus_has_crc32(), "crc32: this machine has no carry-less multiplication");
  return a.ok ? number(env, elanus_crc32(data, n, seed)) : nothing();
}

void define(napi_env env, napi_value exports, const char* name, napi_callback call) {
  napi_value fn;
  if (napi_create_function(env, name, NAPI_AUTO_LENGTH, call, nullptr, &fn) == napi_ok)
    napi_set_named_property(env, exports, name, fn);
}

}  // namespace

NAPI_MODULE_INIT() {
  define(env, exports, "scanFloat32", jsScanFloat32);
  define(env, exports, "rerankFloat32", jsRerankFloat32);
  define(env, exports, "scoreRows", jsScoreRows);
  define(env, exports, "inverseNorms", jsInverseNorms);
  define(env, exports, "encodeSq8", jsEncodeSq8);
  define(env, exports, "scanSq8", jsScanSq8);
  define(env, exports, "searchGraph", jsSearchGraph);
  define(env, exports, "findLinks", jsFindLinks);
  define(env, exports, "mergeLinks", jsMergeLinks);
  define(env, exports, "firstNonFinite", jsFirstNonFinite);
  define(env, exports, "combine", jsCombine);
  define(env, exports, "popcount", jsPopcount);
  define(env, exports, "alignment", jsAlignment);
  define(env, exports, "useLargePages", jsUseLargePages);
  define(env, exports, "discard", jsDiscard);
  define(env, exports, "crc32", jsCrc32);
  napi_value hasCrc32;
  napi_get_boolean(env, elanus_has_crc32(), &hasCrc32);
  napi_set_named_property(env, exports, "hasCrc32", hasCrc32);
  napi_set_named_property(env, exports, "abi", number(env, ELANUS_KERNELS_ABI));
  napi_value isas, name;
  napi_create_array(env, &isas);
  for (uint32_t i = 0; i < ISA_COUNT; i++) {
    if (ISAS[i].available) napi_create_string_utf8(env, ISAS[i].name, NAPI_AUTO_LENGTH, &name);
    else napi_get_null(env, &name);
    napi_set_element(env, isas, i, name);
  }
  napi_set_named_property(env, exports, "isas", isas);
  return exports;
}
