// 1-bit codes of rotated rows: RaBitQ (Gao and Long, SIGMOD 2024; factors as in faiss).
//
// A row is rotated and taken relative to the centroid of its list; of each number the sign is kept.
// With o the row, q the query, c the centroid, all rotated, s the signs and |x|1 the sum of sizes:
//
//   |o - q|^2 = |o - c|^2 + |q - c|^2 - 2 <o - c, q - c>
//   <o - c, q - c> ~ |o - c|^2 / |o - c|1 * <s, q - c>
//
// which is right on average over rotations. A row keeps `base` and `factor`, what only it decides;
// q - c is rounded to whole numbers from -7 to 7, so that <s, q - c> is counts of bits. Additions
// are of equal order everywhere, counts are exact: all instruction sets agree.
#pragma once
#include "bits.h"
#include "sixteen.h"
#include "vectors.h"

namespace {

constexpr size_t ROTATION_ROUNDS = 4;
constexpr size_t PLANES = 4;         // bits of a number of the query: it is from -7 to 7
constexpr float QUERY_LARGEST = 7;
constexpr size_t LIST_COST = 16;     // bytes of rows that cost as much as a number of a centroid
constexpr size_t ROW_COST = 64;      // the same for a row, besides its own bytes

// Bit i of the signs turns number i.
LANES void flipSigns(float* x, size_t n, const uint32_t* signs) {
  for (size_t i = 0; i < n; i += 4)
    storeFour(x + i, flipFour(loadFour(x + i), signs[i / 32] >> (i & 31)));
}

// Sums and differences of 16 m numbers with 16 m others.
template <bool SCALED>
LANES void butterflies(float* low, float* high, size_t n, float scale) {
  for (size_t i = 0; i < n; i += 16) {
    float a[16], b[16];
    for (size_t j = 0; j < 16; j++) a[j] = low[i + j];
    for (size_t j = 0; j < 16; j++) b[j] = high[i + j];
    for (size_t j = 0; j < 16; j++) low[i + j] = SCALED ? (a[j] + b[j]) * scale : a[j] + b[j];
    for (size_t j = 0; j < 16; j++) high[i + j] = SCALED ? (a[j] - b[j]) * scale : a[j] - b[j];
  }
}

// The Hadamard transform of a power of two of numbers, at least 32, of length one.
LANES void hadamard(float* x, size_t n) {
  for (size_t i = 0; i < n; i += 16) firstButterflies(x + i);
  for (size_t half = 16; 2 * half < n; half *= 2)
    for (size_t i = 0; i < n; i += 2 * half) butterflies<false>(x + i, x + i + half, half, 1);
  butterflies<true>(x, x + n / 2, n / 2, 1.0f / __builtin_sqrtf((float)n));
}

// Rotates by signs, transforms and, where the numbers are no power of two, a step that mixes their
// halves; a transform covers the first numbers and the last ones in turn.
APART void rotate(float* x, size_t n, const uint32_t* signs) {
  size_t window = 1;
  while (2 * window <= n) window *= 2;
  for (size_t round = 0; round < ROTATION_ROUNDS; round++) {
    flipSigns(x, n, signs + round * (n / 32));
    hadamard(round % 2 == 1 ? x + (n - window) : x, window);
    if (window < n) butterflies<true>(x, x + n / 2, n / 2, 0.70710678f);
  }
}

void rotateQueries(const RotateQueries* a) {
  const Rabitq& v = a->view;
  for (size_t q = 0; q < a->nq; q++) {
    float* to = a->out + q * v.padded;
    for (size_t i = 0; i < v.padded; i++) to[i] = i < v.dim ? a->queries[q * v.dim + i] : 0;
    rotate(to, v.padded, v.signs);
  }
}

struct Sums { float squares, sizes, own; };

// Sums over a rotated row: relative to its centroid, and of the row itself.
LANES Sums sumsOf(const float* x, const float* centroid, size_t n) {
  float squares[16] = {}, sizes[16] = {}, own[16] = {};
  for (size_t i = 0; i < n; i += 16) {
    for (size_t j = 0; j < 16; j++) {
      const float d = x[i + j] - centroid[i + j];
      squares[j] += d * d;
      sizes[j] += __builtin_fabsf(d);
      own[j] += x[i + j] * x[i + j];
    }
  }
  for (size_t half = 8; half > 0; half /= 2) {
    for (size_t j = 0; j < half; j++) {
      squares[j] += squares[j + half];
      sizes[j] += sizes[j + half];
      own[j] += own[j + half];
    }
  }
  return {squares[0], sizes[0], own[0]};
}

template <typename X>
LANES void loadScaled(const X* x, size_t dim, float scale, float* to) {
  for (size_t i = 0; i < dim; i += 16) {
    float numbers[16];
    const size_t n = dim - i < 16 ? dim - i : 16;
    store16(x + i, n, numbers);
    for (size_t j = 0; j < n; j++) to[i + j] = numbers[j] * scale;
  }
}

LANES void loadScaled(const float* x, size_t dim, float scale, float* to) {
  for (size_t i = 0; i < dim; i++) to[i] = x[i] * scale;
}

template <typename X>
APART void loadRow(const EncodeRabitq* a, size_t row) {
  const float scale = a->inverseNorms ? a->inverseNorms[row] : 1.0f;
  loadScaled((const X*)a->rows + row * a->view.dim, a->view.dim, scale, a->scratch);
}

void loadAnyRow(const EncodeRabitq* a, size_t row) {
  switch (a->element) {
    case ELEMENT_FLOAT32: return loadRow<float>(a, row);
    case ELEMENT_FLOAT16: return loadRow<Half>(a, row);
    case ELEMENT_BFLOAT16: return loadRow<Brain>(a, row);
    default: return loadRow<int8_t>(a, row);
  }
}

void encodeRabitq(const EncodeRabitq* a) {
  const Rabitq& v = a->view;
  const size_t n = v.padded;
  const float* centroid = v.centroids + a->list * n;
  for (size_t place = a->from; place < a->to; place++) {
    const size_t row = a->numbers[place - a->from];
    if (row >= a->rowCount) continue;
    float* x = a->scratch;
    loadAnyRow(a, row);
    for (size_t i = v.dim; i < n; i++) x[i] = 0;
    rotate(x, n, v.signs);
    const Sums sums = sumsOf(x, centroid, n);
    uint8_t* code = v.codes + place * (n / 8);
    for (size_t i = 0; i < n; i += 16) {
      uint8_t bytes[16];
      for (size_t j = 0; j < 16; j++) bytes[j] = x[i + j] >= centroid[i + j];
      const uint16_t signs = bitsAt(loadBytes(bytes), 0);
      __builtin_memcpy(code + i / 8, &signs, 2);
    }
    float* factors = v.factors + place * 2;
    factors[0] = a->metric == METRIC_IP ? sums.squares - sums.own : sums.squares;
    factors[1] = sums.sizes > 0 ? 2.0f * sums.squares / sums.sizes : 0.0f;
  }
}

// A query relative to a centroid: bits of its rounded numbers, one plane after the other.
struct Planes {
  const uint8_t* bits;
  size_t bytes;
  int32_t sum;      // of the rounded numbers
  float step;       // what one of them stands for
  float distance;   // squared, to the centroid
};

// Numbers of a query relative to a centroid.
LANES void relativeTo(const float* centroid, const float* q, float* to) {
  for (size_t j = 0; j < 16; j++) to[j] = q[j] - centroid[j];
}

APART Planes planesOf(const float* q, const float* centroid, size_t n, uint8_t* bits) {
  // Sizes are compared as whole numbers, whose order is the same.
  int32_t largest[16] = {};
  float x[16];
  F16 squares = zero16();
  for (size_t i = 0; i < n; i += 16) {
    const F16 d = sub16(load16(q + i), load16(centroid + i));
    squares = addMul16(squares, d, d);
    relativeTo(centroid + i, q + i, x);
    for (size_t j = 0; j < 16; j++) {
      const int32_t size = (int32_t)(bitsOf(x[j]) & 0x7fffffffu);
      largest[j] = size > largest[j] ? size : largest[j];
    }
  }
  int32_t size = 0;
  for (size_t j = 0; j < 16; j++) size = largest[j] > size ? largest[j] : size;
  const float most = floatOf((uint32_t)size);
  const float inverse = most > 0 ? QUERY_LARGEST / most : 0.0f;
  const size_t bytes = n / 8;
  uint32_t total = 0;
  for (size_t i = 0; i < n; i += 16) {
    float v[16];
    relativeTo(centroid + i, q + i, x);
    for (size_t j = 0; j < 16; j++) {
      v[j] = x[j] * inverse + 8.5f;
      v[j] = v[j] > 1.0f ? v[j] : 1.0f;
      v[j] = v[j] < 15.0f ? v[j] : 15.0f;
    }
    // From 1 to 15, the number plus 8; the highest bit turned, it is two's complement.
    const Sixteen codes = truncated(v);
    total += sumOf(codes);
    const Sixteen packed = turned(codes, 8);
    for (int p = 0; p < (int)PLANES; p++) {
      const uint16_t plane = bitsAt(packed, p);
      __builtin_memcpy(bits + (size_t)p * bytes + i / 8, &plane, 2);
    }
  }
  const int32_t sum = (int32_t)total - 8 * (int32_t)n;
  return {bits, bytes, sum, most / QUERY_LARGEST, sum16(squares)};
}

// Sum of the rounded numbers of the query where the row's bits are set.
LANES int32_t sumWhere(const uint8_t* row, const Planes& q) {
  Bits positive = noBits(), negative = positive;
  const uint8_t *p0 = q.bits, *p1 = p0 + q.bytes, *p2 = p1 + q.bytes, *p3 = p2 + q.bytes;
  size_t i = 0;
  for (; i + BITS_WIDTH <= q.bytes; i += BITS_WIDTH) {
    const Bits x = loadBits(row + i);
    positive = addWeighed(positive, byteCounts(andBits(x, loadBits(p0 + i))),
                          byteCounts(andBits(x, loadBits(p1 + i))),
                          byteCounts(andBits(x, loadBits(p2 + i))));
    negative = addBytes(negative, byteCounts(andBits(x, loadBits(p3 + i))));
  }
  // Rows are multiples of sixteen bytes.
  for (; i < q.bytes; i += 16) {
    const Bits x = loadSixteen(row + i);
    positive = addWeighed(positive, byteCounts(andBits(x, loadSixteen(p0 + i))),
                          byteCounts(andBits(x, loadSixteen(p1 + i))),
                          byteCounts(andBits(x, loadSixteen(p2 + i))));
    negative = addBytes(negative, byteCounts(andBits(x, loadSixteen(p3 + i))));
  }
  return (int32_t)sumBits(positive) - 8 * (int32_t)sumBits(negative);
}

// Offers the rows at places [from, to) of a list.
APART void scanPlaces(const ScanRabitq* a, const Planes& q, size_t from, size_t to, Heap& h) {
  const Rabitq& v = a->view;
  float scores[BLOCK];
  uint32_t numbers[BLOCK];
  for (size_t at = from; at < to;) {
    size_t n = 0;
    for (; at < to && n < BLOCK; at++) {
      const uint32_t row = v.rows[at];
      if (a->allowed && (row >= v.rowCount || !hasBit(a->allowed, row))) continue;
      const int32_t dot = 2 * sumWhere(v.codes + at * q.bytes, q) - q.sum;
      const float* factors = v.factors + at * 2;
      scores[n] = (factors[0] + q.distance) - factors[1] * (q.step * (float)dot);
      numbers[n++] = row;
    }
    offerBlock<false>(h, {-INF, INF}, scores, numbers, n);
  }
}

// Goes on where the state says, until the lists are through (true) or the budget is spent.
bool scanRabitq(const ScanRabitq* a) {
  const Rabitq& v = a->view;
  uint8_t bits[PLANES * RABITQ_BYTES_MAX];
  Heap h = openHeap(a->top, 0);
  size_t spent = 0, done = a->state[0], through = a->state[1];
  while (done < a->listCount && spent < a->budget) {
    const size_t list = a->lists[done];
    size_t from = 0, to = 0;
    if (list < v.lists) {
      const size_t start = v.starts[list], end = v.starts[list + 1];
      to = end < v.rowCount ? end : v.rowCount;
      from = start + through;
    }
    const size_t fit = 1 + (a->budget - spent) / (v.padded / 8 + ROW_COST);
    const size_t until = from < to && to - from > fit ? from + fit : to;
    if (from < until) {
      const Planes q = planesOf(a->query, v.centroids + list * v.padded, v.padded, bits);
      scanPlaces(a, q, from, until, h);
      spent += LIST_COST * v.padded / 8 + (until - from) * (v.padded / 8 + ROW_COST);
    }
    spent++;
    done += until == to;
    through = until == to ? 0 : through + (until - from);
  }
  a->state[0] = (uint32_t)done;
  a->state[1] = (uint32_t)through;
  closeHeap(a->top, 0, h);
  return done >= a->listCount;
}

}  // namespace
