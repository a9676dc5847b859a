// Reading and validating what JavaScript passes: types, lengths, offsets and sums.
#pragma once
#define NAPI_VERSION 8
#include <node_api.h>

#if defined(__x86_64__)
#include <cpuid.h>
#endif

#include "kernels.h"

namespace {

constexpr size_t MAX_ARGS = 40;
constexpr uint64_t MAX_GRAPH_ROWS = 0x7fffffffull;  // ids have 31 bits
constexpr size_t MAX_ENTRIES = 65536;  // of the pool of a walk: ENTRIES_MAX of src/check.ts
constexpr size_t GRAPH_NUMBERS = 12;
constexpr size_t SEARCH_NUMBERS = 29;  // those of the graph, then those of the search
constexpr size_t MAX_DIM = 32768;
constexpr uint64_t MAX_ROWS = 0xffffffffull;

// ------------------------------------------------------------------------- instruction sets
struct Isa { const char* name; const KernelTable* (*table)(); bool available; };

#if defined(__x86_64__)
bool hasAvx2() {
  unsigned int a = 0, b = 0, c = 0, d = 0;
  const bool half = __get_cpuid(1, &a, &b, &c, &d) && (c & bit_F16C);
  return half && __builtin_cpu_supports("avx2");
}
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
  napi_value values[MAX_ARGS] = {};
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
    return wholeOf(real(i, text), max, text);
  }
  size_t wholeOf(double v, uint64_t max, const char* text) {
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
    napi_typedarray_type got = napi_int8_array;
    void* data = nullptr;
    // Refuses what is no typed array.
    if (napi_get_typedarray_info(env, values[i], &got, length, &data, nullptr, nullptr) !=
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

  // Rows: the typed array of their element. `length` is in numbers.
  const void* rows(size_t i, uint32_t element, size_t* n) {
    const napi_typedarray_type type = element == ELEMENT_FLOAT32 ? napi_float32_array
                                      : element == ELEMENT_INT8  ? napi_int8_array
                                                                 : napi_uint16_array;
    return array(i, type, n, "rows: expected the typed array of their element");
  }

  // A Float64Array of `count` numbers: copied, so that what was compared is what is used.
  void numbers(size_t i, double* out, size_t count, const char* text) {
    size_t n = 0;
    const double* v = (const double*)array(i, napi_float64_array, &n, text);
    require(n >= count, text);
    for (size_t k = 0; k < count; k++) {
      out[k] = ok ? v[k] : 0;
      if (out[k] != out[k]) rangeError(text);
    }
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
    return topOf(whole(i, MAX_ROWS, "limit: expected a whole number"), i + 1, nq);
  }
  TopK topOf(size_t limit, size_t i, size_t nq) {
    TopK t = {};
    size_t scores = 0, rows = 0, counts = 0, tied = 0;
    t.limit = limit;
    t.scores = floats(i, &scores, "top.scores: expected a Float32Array");
    t.rows = words(i + 1, &rows, "top.rows: expected a Uint32Array");
    t.counts = words(i + 2, &counts, "top.counts: expected a Uint32Array");
    t.tied = bytes(i + 3, &tied, "top.tied: expected a Uint8Array");
    require(t.limit >= 1, "limit: expected at least 1");
    // nq and limit are both below 2^32, so the product does not overflow.
    require(counts >= nq && tied >= nq, "top: shorter than the queries");
    require(scores / (t.limit ? t.limit : 1) >= nq && rows / (t.limit ? t.limit : 1) >= nq,
            "top: shorter than queries x limit");
    return t;
  }
  // The scratch of a graph kernel: not shared, so that nobody writes to it during the call.
  uint32_t* scratch(size_t i, size_t bytes) {
    napi_value buffer = nullptr;
    void* data = nullptr;
    size_t n = 0, offset = 0;
    napi_typedarray_type type = napi_int8_array;
    bool own = false;
    if (!ok || !at(i)) return nullptr;
    // One call for all: each reads several objects that the walk before drove out of the caches.
    if (napi_get_typedarray_info(env, values[i], &type, &n, &data, &buffer, &offset) != napi_ok ||
        type != napi_uint32_array) {
      typeError("scratch: expected a Uint32Array");
      return nullptr;
    }
    if (napi_is_arraybuffer(env, buffer, &own) != napi_ok || !own)
      typeError("scratch: expected memory that is not shared");
    require(data && n >= bytes / 4 + (bytes % 4 != 0), "scratch: too short");
    require((uintptr_t)data % 8 == 0, "scratch: expected a multiple of 8 bytes");
    return (uint32_t*)data;
  }
  // A part of `length` bytes of the file that begins at a number of the graph's record.
  uint8_t* part(uint8_t* file, size_t length, double at, uint64_t bytes) {
    const bool sound = at >= 0 && at <= (double)length && at == (double)(uint64_t)at;
    require(sound && bytes <= length - (sound ? (size_t)at : 0), "graph: outside of its memory");
    if (!ok) return nullptr;
    require(((uintptr_t)file + (size_t)at) % 4 == 0, "graph: parts begin at multiples of 4");
    return file + (size_t)at;
  }
  // A graph: its memory, a record of numbers (src/native-graph.ts) and the vectors of its nodes
  // where they lie elsewhere. Every link is compared with the number of nodes when it is followed,
  // so only the places of the parts matter here.
  Graph graph(size_t i) {
    double n[GRAPH_NUMBERS];
    numbers(i + 1, n, GRAPH_NUMBERS, "graph: expected a Float64Array of twelve numbers");
    return graphOf(i, n);
  }
  Graph graphOf(size_t i, const double* n) {
    Graph g = {};
    size_t length = 0;
    uint8_t* file = bytes(i, &length, "graph: expected a Uint8Array");
    for (size_t k = 0; k < GRAPH_NUMBERS; k++)
      require(n[k] >= 0 && n[k] <= 9007199254740991.0, "graph: expected whole numbers");
    if (!ok) return g;
    require(n[0] <= (double)MAX_GRAPH_ROWS && n[1] <= n[0], "graph: too many rows");
    require(n[3] >= 2 && n[3] <= (double)GRAPH_DEGREE_MAX, "graph: degree out of range");
    g.metric = (uint32_t)wholeOf(n[4], METRIC_COSINE, "graph: metric unknown");
    g.codec = (uint32_t)wholeOf(n[5], CODEC_NUMBERS + ELEMENT_INT8, "graph: codec unknown");
    g.dim = wholeOf(n[6], MAX_DIM, "graph: dim out of range");
    if (!ok) return g;
    g.rows = (size_t)n[0];
    g.nodes = (size_t)n[1];
    g.degree = (size_t)n[3];
    size_t upper = graphCount(g.nodes, g.degree, 1), linked = 0;
    for (size_t l = 1; graphCount(g.nodes, g.degree, l) > 0; l++)
      linked += graphCount(g.nodes, g.degree, l);
    g.links = (uint32_t*)part(file, length, n[9], (uint64_t)g.rows * g.degree * 8);
    g.upperRows = (uint32_t*)part(file, length, n[10], (uint64_t)upper * 4);
    g.upperLinks = (uint32_t*)part(file, length, n[11], (uint64_t)linked * g.degree * 4);
    if (g.codec == CODEC_SQ8 || g.metric == METRIC_COSINE)
      g.terms = (uint32_t*)part(file, length, n[8], (uint64_t)g.rows * 4);
    if (g.codec == CODEC_SQ8) readCodes(&g, file, length, n);
    else readVectors(&g, file, length, i, n);
    return g;
  }
  void readCodes(Graph* g, uint8_t* file, size_t length, const double* n) {
    require(n[2] >= 64 && n[2] <= (double)MAX_DIM, "graph: stride out of range");
    if (!ok) return;
    g->stride = (size_t)n[2];
    require(g->stride % 64 == 0, "graph: stride out of range");
    g->codes = part(file, length, n[7], (uint64_t)g->rows * g->stride);
  }
  void readVectors(Graph* g, uint8_t* file, size_t length, size_t i, const double* n) {
    const size_t each = elementBytes(g->codec - CODEC_NUMBERS);
    require(g->dim >= 1, "graph: dim out of range");
    g->stride = wholeOf(n[2], MAX_DIM * 4, "graph: stride out of range");
    require(g->stride >= g->dim * each && g->stride % each == 0, "graph: stride out of range");
    if (!ok) return;
    if (isAbsent(i + 2)) {
      g->codes = part(file, length, n[7], (uint64_t)g->rows * g->stride);
      return;
    }
    size_t outside = 0;
    g->codes = bytes(i + 2, &outside, "graph: expected its vectors as a Uint8Array");
    require((uint64_t)g->rows * g->stride <= outside, "graph: fewer vectors than rows");
    require((uintptr_t)g->codes % each == 0, "graph: vectors out of place");
  }
  const uint32_t* bitset(size_t i, size_t to, const char* text) {
    if (!ok || isAbsent(i)) return nullptr;
    size_t n = 0;
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

}  // namespace
