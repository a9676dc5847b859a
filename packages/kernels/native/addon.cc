// The N-API door of the kernels: reads and validates every argument, then calls the table of the
// instruction set that the caller names. Nothing that JavaScript passes may crash the process:
// types, lengths, offsets and sums are checked here even though src/check.ts has checked them.
// No state, so the addon loads in any number of threads.

#include "addon-graph.h"
#include "addon-pages.h"
#include "addon-rabitq.h"
#include <string.h>


#include "checksum.h"

namespace {

// --------------------------------------------------------------------------------- functions
// (isa, metric, element, dim, rows, inverseNorms|null, from, to, rowBase, allowed|null, queries,
//  queryNorms|null, min, max, limit, scores, rows, counts, tied)
napi_value jsScanRows(napi_env env, napi_callback_info info) {
  Args a(env, info);
  const KernelTable* table = a.table(0);
  ScanRows s = {};
  size_t rows = 0, queries = 0, norms = 0, queryNorms = 0;
  s.metric = (uint32_t)a.whole(1, 2, "metric: unknown");
  s.element = (uint32_t)a.whole(2, ELEMENT_INT8, "element: unknown");
  s.dim = a.whole(3, MAX_DIM, "dim: expected 1 to 32768");
  a.require(s.dim >= 1, "dim: expected 1 to 32768");
  s.rows = a.rows(4, s.element, &rows);
  s.from = a.whole(6, MAX_ROWS, "from: expected a row number");
  s.to = a.whole(7, MAX_ROWS, "to: expected a row number");
  s.rowBase = (uint32_t)a.whole(8, MAX_ROWS, "rowBase: expected a row number");
  s.queries = a.floats(10, &queries, "queries: expected a Float32Array");
  if (!a.ok) return nothing();
  a.require(s.from <= s.to && s.to <= rows / s.dim, "rows: shorter than `to` rows");
  a.require(s.rowBase + (uint64_t)s.to <= MAX_ROWS, "rowBase: row numbers pass 2^32");
  a.require(queries % s.dim == 0 && queries > 0, "queries: not a multiple of dim");
  s.nq = queries / s.dim;
  a.require(s.nq <= MAX_ROWS, "queries: too many");
  s.allowed = a.bitset(9, s.to, "allowed: expected a Uint32Array of one bit a row");
  if (s.metric == METRIC_COSINE) {
    s.inverseNorms = a.floats(5, &norms, "inverseNorms: expected a Float32Array");
    s.queryNorms = a.floats(11, &queryNorms, "queryNorms: expected a Float32Array");
    a.require(norms >= s.to, "inverseNorms: shorter than `to` rows");
    a.require(queryNorms >= s.nq, "queryNorms: shorter than the queries");
  }
  s.min = (float)a.real(12, "min: expected a number");
  s.max = (float)a.real(13, "max: expected a number");
  s.top = a.top(14, s.nq);
  if (a.ok) table->scanRows(&s);
  return nothing();
}

// (isa, metric, element, dim, rows, inverseNorms|null, rowCount, rowBase, list, query, queryNorm,
//  ...)
bool readRerank(Args& a, RerankRows* r) {
  size_t rows = 0, query = 0, norms = 0;
  r->metric = (uint32_t)a.whole(1, 2, "metric: unknown");
  r->element = (uint32_t)a.whole(2, ELEMENT_INT8, "element: unknown");
  r->dim = a.whole(3, MAX_DIM, "dim: expected 1 to 32768");
  a.require(r->dim >= 1, "dim: expected 1 to 32768");
  r->rows = a.rows(4, r->element, &rows);
  r->rowCount = a.whole(6, MAX_ROWS, "rowCount: expected a row number");
  r->rowBase = (uint32_t)a.whole(7, MAX_ROWS, "rowBase: expected a row number");
  r->list = a.words(8, &r->listLength, "list: expected a Uint32Array");
  r->query = a.floats(9, &query, "query: expected a Float32Array");
  r->queryNorm = (float)a.real(10, "queryNorm: expected a number");
  if (!a.ok) return false;
  a.require(r->rowCount <= rows / r->dim, "rows: shorter than rowCount rows");
  a.require(query == r->dim, "query: expected dim numbers");
  if (r->metric == METRIC_COSINE) {
    r->inverseNorms = a.floats(5, &norms, "inverseNorms: expected a Float32Array");
    a.require(norms >= r->rowCount, "inverseNorms: shorter than rowCount rows");
  }
  return a.ok;
}

// (..., min, max, limit, scores, rows, counts, tied): the heap of this one query
napi_value jsRerankRows(napi_env env, napi_callback_info info) {
  Args a(env, info);
  const KernelTable* table = a.table(0);
  RerankRows r = {};
  if (!readRerank(a, &r)) return nothing();
  r.min = (float)a.real(11, "min: expected a number");
  r.max = (float)a.real(12, "max: expected a number");
  r.top = a.top(13, 1);
  if (a.ok) table->rerankRows(&r);
  return nothing();
}

// (..., out): the score of each listed row; those outside the chunk are left alone
napi_value jsScoreRows(napi_env env, napi_callback_info info) {
  Args a(env, info);
  const KernelTable* table = a.table(0);
  RerankRows r = {};
  size_t out = 0;
  if (!readRerank(a, &r)) return nothing();
  r.scores = a.floats(11, &out, "out: expected a Float32Array");
  a.require(out >= r.listLength, "out: shorter than the list");
  if (a.ok && r.scores) table->rerankRows(&r);
  return nothing();
}

// (isa, element, dim, rows, from, to, out)
napi_value jsInverseNorms(napi_env env, napi_callback_info info) {
  Args a(env, info);
  const KernelTable* table = a.table(0);
  InverseNorms s = {};
  size_t rows = 0, outs = 0;
  s.element = (uint32_t)a.whole(1, ELEMENT_INT8, "element: unknown");
  s.dim = a.whole(2, MAX_DIM, "dim: expected 1 to 32768");
  a.require(s.dim >= 1, "dim: expected 1 to 32768");
  s.rows = a.rows(3, s.element, &rows);
  s.from = a.whole(4, MAX_ROWS, "from: expected a row number");
  s.to = a.whole(5, MAX_ROWS, "to: expected a row number");
  s.out = a.floats(6, &outs, "out: expected a Float32Array");
  if (!a.ok) return nothing();
  a.require(s.from <= s.to && s.to <= rows / s.dim, "rows: shorter than `to` rows");
  a.require(s.to <= outs, "out: shorter than `to` rows");
  if (a.ok) table->inverseNorms(&s);
  return nothing();
}

// (isa, metric, bytes, rows, from, to, rowBase, allowed|null, queries, min, max, limit, scores,
//  rows, counts, tied)
napi_value jsScanBits(napi_env env, napi_callback_info info) {
  Args a(env, info);
  const KernelTable* table = a.table(0);
  ScanBits s = {};
  size_t rows = 0, queries = 0;
  s.metric = (uint32_t)a.whole(1, METRIC_TANIMOTO, "metric: unknown");
  s.bytes = a.whole(2, MAX_DIM, "bytes: expected 1 to 32768");
  a.require(s.bytes >= 1, "bytes: expected 1 to 32768");
  s.rows = a.bytes(3, &rows, "rows: expected a Uint8Array");
  s.from = a.whole(4, MAX_ROWS, "from: expected a row number");
  s.to = a.whole(5, MAX_ROWS, "to: expected a row number");
  s.rowBase = (uint32_t)a.whole(6, MAX_ROWS, "rowBase: expected a row number");
  s.queries = a.bytes(8, &queries, "queries: expected a Uint8Array");
  if (!a.ok) return nothing();
  a.require(s.from <= s.to && s.to <= rows / s.bytes, "rows: shorter than `to` rows");
  a.require(s.rowBase + (uint64_t)s.to <= MAX_ROWS, "rowBase: row numbers pass 2^32");
  a.require(queries % s.bytes == 0 && queries > 0, "queries: not a multiple of a row's bytes");
  s.nq = queries / s.bytes;
  a.require(s.nq <= MAX_ROWS, "queries: too many");
  s.allowed = a.bitset(7, s.to, "allowed: expected a Uint32Array of one bit a row");
  s.min = (float)a.real(9, "min: expected a number");
  s.max = (float)a.real(10, "max: expected a number");
  s.top = a.top(11, s.nq);
  if (a.ok) table->scanBits(&s);
  return nothing();
}

// (isa, metric, bytes, rows, rowCount, rowBase, list, query, out)
napi_value jsScoreBits(napi_env env, napi_callback_info info) {
  Args a(env, info);
  const KernelTable* table = a.table(0);
  ScoreBits s = {};
  size_t rows = 0, query = 0, out = 0;
  s.metric = (uint32_t)a.whole(1, METRIC_TANIMOTO, "metric: unknown");
  s.bytes = a.whole(2, MAX_DIM, "bytes: expected 1 to 32768");
  a.require(s.bytes >= 1, "bytes: expected 1 to 32768");
  s.rows = a.bytes(3, &rows, "rows: expected a Uint8Array");
  s.rowCount = a.whole(4, MAX_ROWS, "rowCount: expected a row number");
  s.rowBase = (uint32_t)a.whole(5, MAX_ROWS, "rowBase: expected a row number");
  s.list = a.words(6, &s.listLength, "list: expected a Uint32Array");
  s.query = a.bytes(7, &query, "query: expected a Uint8Array");
  s.scores = a.floats(8, &out, "out: expected a Float32Array");
  if (!a.ok) return nothing();
  a.require(s.rowCount <= rows / s.bytes, "rows: shorter than rowCount rows");
  a.require(query == s.bytes, "query: expected a row's bytes");
  a.require(out >= s.listLength, "out: shorter than the list");
  if (a.ok) table->scoreBits(&s);
  return nothing();
}

// (isa, element, dim, stride, rows, inverseNorms|null, from, to, low, inverseStep, codes, terms,
//  norms|null, innerTerms|null)
napi_value jsEncodeSq8(napi_env env, napi_callback_info info) {
  Args a(env, info);
  const KernelTable* table = a.table(0);
  EncodeSq8 e = {};
  size_t rows = 0, codes = 0, terms = 0, n = 0;
  e.element = (uint32_t)a.whole(1, ELEMENT_INT8, "element: unknown");
  e.dim = a.whole(2, MAX_DIM, "dim: expected 1 to 32768");
  e.stride = a.whole(3, MAX_DIM, "stride: expected dim to 32768");
  a.require(e.dim >= 1 && e.stride >= e.dim && e.stride % 16 == 0,
            "stride: expected dim, rounded to 16");
  e.rows = a.rows(4, e.element, &rows);
  e.from = a.whole(6, MAX_ROWS, "from: expected a row number");
  e.to = a.whole(7, MAX_ROWS, "to: expected a row number");
  e.low = (float)a.real(8, "low: expected a number");
  e.inverseStep = (float)a.real(9, "inverseStep: expected a number");
  e.codes = a.bytes(10, &codes, "codes: expected a Uint8Array");
  e.terms = a.words(11, &terms, "terms: expected a Uint32Array");
  if (!a.ok) return nothing();
  a.require(e.from <= e.to && e.to <= rows / e.dim, "rows: shorter than `to` rows");
  a.require(e.to <= codes / e.stride, "codes: shorter than `to` rows");
  a.require(e.to <= terms, "terms: shorter than `to` rows");
  if (!a.isAbsent(5)) {
    e.inverseNorms = a.floats(5, &n, "inverseNorms: expected a Float32Array");
    a.require(e.to <= n, "inverseNorms: shorter than `to` rows");
  }
  if (!a.isAbsent(12)) {
    e.norms = a.floats(12, &n, "norms: expected a Float32Array");
    a.require(e.to <= n, "norms: shorter than `to` rows");
  }
  if (!a.isAbsent(13)) {
    e.innerTerms = a.words(13, &n, "innerTerms: expected a Uint32Array");
    a.require(e.to <= n, "innerTerms: shorter than `to` rows");
  }
  if (a.ok) table->encodeSq8(&e);
  return nothing();
}

// (isa, stride, codes, terms, norms|null, from, to, rowBase, allowed|null, query, queryTerm,
//  weight, cached, limit, scores, rows, counts, tied)
napi_value jsScanSq8(napi_env env, napi_callback_info info) {
  Args a(env, info);
  const KernelTable* table = a.table(0);
  ScanSq8 s = {};
  size_t codes = 0, terms = 0, query = 0, n = 0;
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
  s.cached = (uint32_t)a.whole(12, 1, "cached: expected 0 or 1");
  s.top = a.top(13, 1);
  if (a.ok) table->scanSq8(&s);
  return nothing();
}

// (isa, values)
napi_value jsFirstNonFinite(napi_env env, napi_callback_info info) {
  Args a(env, info);
  const KernelTable* table = a.table(0);
  size_t n = 0;
  const float* values = a.floats(1, &n, "values: expected a Float32Array");
  return a.ok ? number(env, (double)table->firstNonFinite(values, n)) : nothing();
}

// (isa, operation, into, other): 0 and, 1 or, 2 and-not
napi_value jsCombine(napi_env env, napi_callback_info info) {
  Args a(env, info);
  const KernelTable* table = a.table(0);
  size_t n = 0, m = 0, operation = a.whole(1, 2, "operation: unknown");
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
  size_t n = 0;
  const uint32_t* words = a.words(1, &n, "words: expected a Uint32Array");
  return a.ok ? number(env, table->popcount(words, n)) : nothing();
}

// (bytes): address of the first byte modulo 64, so that JavaScript can align what it lays out
napi_value jsAlignment(napi_env env, napi_callback_info info) {
  Args a(env, info);
  size_t n = 0;
  const uint8_t* data = a.bytes(0, &n, "bytes: expected a Uint8Array");
  return a.ok ? number(env, (double)((uintptr_t)data % 64)) : nothing();
}

// (bytes, seed): only where `hasCrc32` says so
napi_value jsCrc32(napi_env env, napi_callback_info info) {
  Args a(env, info);
  size_t n = 0;
  const uint8_t* data = a.bytes(0, &n, "bytes: expected a Uint8Array");
  const uint32_t seed = (uint32_t)a.whole(1, MAX_ROWS, "seed: expected a 32-bit number");
  a.require(elanus_has_crc32(), "crc32: this machine has no carry-less multiplication");
  return a.ok ? number(env, elanus_crc32(data, n, seed)) : nothing();
}

void define(napi_env env, napi_value exports, const char* name, napi_callback call) {
  napi_value fn = nullptr;
  if (napi_create_function(env, name, NAPI_AUTO_LENGTH, call, nullptr, &fn) == napi_ok)
    napi_set_named_property(env, exports, name, fn);
}

}  // namespace

NAPI_MODULE_INIT() {
  define(env, exports, "scanRows", jsScanRows);
  define(env, exports, "rerankRows", jsRerankRows);
  define(env, exports, "scoreRows", jsScoreRows);
  define(env, exports, "inverseNorms", jsInverseNorms);
  define(env, exports, "scanBits", jsScanBits);
  define(env, exports, "scoreBits", jsScoreBits);
  define(env, exports, "encodeSq8", jsEncodeSq8);
  define(env, exports, "scanSq8", jsScanSq8);
  define(env, exports, "rotateQueries", jsRotateQueries);
  define(env, exports, "encodeRabitq", jsEncodeRabitq);
  define(env, exports, "scanRabitq", jsScanRabitq);
  define(env, exports, "searchGraph", jsSearchGraph);
  define(env, exports, "findLinks", jsFindLinks);
  define(env, exports, "mergeLinks", jsMergeLinks);
  define(env, exports, "firstNonFinite", jsFirstNonFinite);
  define(env, exports, "combine", jsCombine);
  define(env, exports, "popcount", jsPopcount);
  define(env, exports, "alignment", jsAlignment);
  define(env, exports, "useLargePages", jsUseLargePages);
  define(env, exports, "gatherPages", jsGatherPages);
  define(env, exports, "discard", jsDiscard);
  define(env, exports, "crc32", jsCrc32);
  napi_value hasCrc32 = nullptr;
  napi_get_boolean(env, elanus_has_crc32(), &hasCrc32);
  napi_set_named_property(env, exports, "hasCrc32", hasCrc32);
  napi_set_named_property(env, exports, "abi", number(env, ELANUS_KERNELS_ABI));
  napi_value isas = nullptr, name = nullptr;
  napi_create_array(env, &isas);
  for (uint32_t i = 0; i < ISA_COUNT; i++) {
    if (ISAS[i].available) napi_create_string_utf8(env, ISAS[i].name, NAPI_AUTO_LENGTH, &name);
    else napi_get_null(env, &name);
    napi_set_element(env, isas, i, name);
  }
  napi_set_named_property(env, exports, "isas", isas);
  return exports;
}
