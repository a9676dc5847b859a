// Vectors of nodes that are numbers, as rows are or rounded to 16 bits: a walk's keys are made of
// their exact scores, which have equal bits on every instruction set, so walks take the same way.
#pragma once
#include "elements.h"

namespace {

#if defined(__wasm__)
// Writes a row that lies in another memory to `to`, as float32: src/wasm-graph.ts.
extern "C" __attribute__((import_module("env"), import_name("load_row"))) void load_row(
    uint32_t row, float* to);
#endif

constexpr uint32_t NOT_LOADED = 0xffffffffu;

LANES uint32_t bitsOf(float x) {
  uint32_t bits = 0;
  __builtin_memcpy(&bits, &x, 4);
  return bits;
}
LANES float floatOf(uint32_t bits) {
  float x = 0;
  __builtin_memcpy(&x, &bits, 4);
  return x;
}

// A distance as a key: bits of numbers that are not negative are in the order of the numbers.
LANES uint32_t distanceKey(float score) { return score < INF ? bitsOf(score) : 0x7f800000u; }

// A similarity as a key, the largest first; its last bit is lost.
LANES uint32_t similarityKey(float score) {
  const uint32_t bits = bitsOf(score == score ? score + 0.0f : -INF);
  const uint32_t rising = bits >> 31 ? ~bits : bits | 0x80000000u;
  return ~rising >> 1;
}

// Queries and rows against which others are compared lie in the scratch as float32; a term is their
// inverse norm, as its bits.
struct Asked { const float* at; uint32_t term; };

// The key of a score that does not know the norms yet; `terms` are null unless those count.
template <bool L2>
LANES uint32_t numberKey(float score, const uint32_t* terms, uint32_t row, float norm) {
  if (L2) return distanceKey(score);
  return similarityKey(terms ? (score * norm) * floatOf(terms[row]) : score);
}

LANES const uint32_t* normsOf(const Graph& g) {
  return g.metric == METRIC_COSINE ? g.terms : nullptr;
}

// Scores T rows against one query, which is read once for them. Meanwhile as much of other rows is
// fetched, a line of each at a time.
template <bool L2, int T, typename X>
LANES void scoreRows(const float* q, size_t dim, const Tail& tail, const X* const* at,
                     const X* const* ahead, float* out) {
  constexpr size_t LINE = 64 / sizeof(X);
  F16 acc[T];
  for (int t = 0; t < T; t++) acc[t] = zero16();
  size_t i = 0;
  for (; i + 16 <= dim; i += 16) {
    if (i % LINE == 0)
      for (int t = 0; t < T; t++) __builtin_prefetch(ahead[t] + i);
    const F16 query = load16(q + i);
    for (int t = 0; t < T; t++) {
      const F16 row = load16(at[t] + i);
      const F16 d = L2 ? sub16(query, row) : query;
      acc[t] = addMul16(acc[t], d, L2 ? d : row);
    }
  }
  if (i < dim) {
    const F16 query = loadTail(q + i, tail);
    for (int t = 0; t < T; t++) {
      const F16 row = loadTail(at[t] + i, tail);
      const F16 d = L2 ? sub16(query, row) : query;
      acc[t] = addMul16(acc[t], d, L2 ? d : row);
    }
  }
  for (int t = 0; t < T; t++) out[t] = sum16(acc[t]);
}

struct Batch {
  const uint32_t* rows;
  size_t n;
  uint32_t* keys;
  float* spare;  // room for a row that is loaded
};

// Keys of the rows of a batch.
template <bool L2, typename X>
APART void numberKeysOf(const Graph& g, Asked q, const Batch& batch) {
  const Tail tail = makeTail(g.dim & 15);
  const uint32_t* norms = normsOf(g);
  const float norm = floatOf(q.term);
  const size_t n = batch.n;
  for (size_t i = 0; i < n; i += QUERY_TILE) {
    const X *at[QUERY_TILE], *ahead[QUERY_TILE];
    for (size_t t = 0; t < (size_t)QUERY_TILE; t++) {
      const size_t own = i + t < n ? i + t : n - 1, next = own + QUERY_TILE;
      at[t] = (const X*)(g.codes + (size_t)batch.rows[own] * g.stride);
      ahead[t] = next < n ? (const X*)(g.codes + (size_t)batch.rows[next] * g.stride) : at[t];
    }
    float scores[QUERY_TILE];
    scoreRows<L2, QUERY_TILE, X>(q.at, g.dim, tail, at, ahead, scores);
    for (size_t t = 0; t < (size_t)QUERY_TILE && i + t < n; t++)
      batch.keys[i + t] = numberKey<L2>(scores[t], norms, batch.rows[i + t], norm);
  }
}

template <typename X>
LANES void numberKeysBy(const Graph& g, Asked q, const Batch& batch) {
  if (g.metric == METRIC_L2) numberKeysOf<true, X>(g, q, batch);
  else numberKeysOf<false, X>(g, q, batch);
}

#if defined(__wasm__)
APART void loadedKeys(const Graph& g, Asked q, const Batch& batch) {
  for (size_t i = 0; i < batch.n; i++) {
    load_row(batch.rows[i], batch.spare);
    Graph one = g;
    one.codes = (const uint8_t*)batch.spare;
    one.stride = 0;
    numberKeysBy<float>(one, q, {batch.rows + i, 1, batch.keys + i, batch.spare});
  }
}
#endif

APART void numberKeys(const Graph& g, Asked q, const Batch& batch) {
#if defined(__wasm__)
  if (!g.codes) return loadedKeys(g, q, batch);
#endif
  switch (g.codec - CODEC_NUMBERS) {
    case ELEMENT_FLOAT32: return numberKeysBy<float>(g, q, batch);
    case ELEMENT_FLOAT16: return numberKeysBy<Half>(g, q, batch);
    case ELEMENT_BFLOAT16: return numberKeysBy<Brain>(g, q, batch);
    default: return numberKeysBy<int8_t>(g, q, batch);
  }
}

template <typename X>
LANES void copyNumbers(const X* from, size_t dim, float* to) {
  for (size_t i = 0; i < dim; i += 16) {
    float numbers[16];
    const size_t n = dim - i < 16 ? dim - i : 16;
    store16(from + i, n, numbers);
    for (size_t j = 0; j < n; j++) to[i + j] = numbers[j];
  }
}

// A row as one that others are compared with.
APART void loadNumbers(const Graph& g, uint32_t row, float* to) {
#if defined(__wasm__)
  if (!g.codes) return load_row(row, to);
#endif
  const uint8_t* from = g.codes + (size_t)row * g.stride;
  switch (g.codec - CODEC_NUMBERS) {
    case ELEMENT_FLOAT32: return copyNumbers((const float*)from, g.dim, to);
    case ELEMENT_FLOAT16: return copyNumbers((const Half*)from, g.dim, to);
    case ELEMENT_BFLOAT16: return copyNumbers((const Brain*)from, g.dim, to);
    default: return copyNumbers((const int8_t*)from, g.dim, to);
  }
}

}  // namespace
