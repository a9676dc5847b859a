// Rows of bits: how many of two rows' bits are set in one, in both, in either. Counts are exact
// integers and scores are made of them by single operations, so all instruction sets agree.
#pragma once
#include "lanes.h"

namespace {

#if defined(__AVX512F__)
constexpr size_t BITS_WIDTH = 64;
typedef __m512i Bits;
LANES Bits noBits() { return _mm512_setzero_si512(); }
LANES Bits loadBits(const uint8_t* p) { return _mm512_loadu_si512(p); }
LANES Bits loadBitsTail(const uint8_t* p, size_t n) {
  return _mm512_maskz_loadu_epi8((1ull << n) - 1ull, p);
}
LANES Bits andBits(Bits a, Bits b) { return _mm512_and_si512(a, b); }
LANES Bits orBits(Bits a, Bits b) { return _mm512_or_si512(a, b); }
LANES Bits xorBits(Bits a, Bits b) { return _mm512_xor_si512(a, b); }
LANES Bits loadSixteen(const uint8_t* p) { return _mm512_maskz_loadu_epi8(0xffffu, p); }
// Counts of half bytes from a table.
LANES Bits byteCounts(Bits x) {
  const __m512i table = _mm512_broadcast_i32x4(
      _mm_setr_epi8(0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4));
  const __m512i low = _mm512_set1_epi8(15);
  const __m512i a = _mm512_shuffle_epi8(table, _mm512_and_si512(x, low));
  const __m512i high = _mm512_and_si512(_mm512_srli_epi16(x, 4), low);
  const __m512i b = _mm512_shuffle_epi8(table, high);
  return _mm512_add_epi8(a, b);
}
LANES Bits plusBytes(Bits a, Bits b) { return _mm512_add_epi8(a, b); }
LANES Bits addBytes(Bits sum, Bits bytes) {
  return _mm512_add_epi64(sum, _mm512_sad_epu8(bytes, _mm512_setzero_si512()));
}
LANES uint32_t sumBits(Bits sum) { return (uint32_t)_mm512_reduce_add_epi64(sum); }

#elif defined(__AVX2__)
constexpr size_t BITS_WIDTH = 32;
typedef __m256i Bits;
LANES Bits noBits() { return _mm256_setzero_si256(); }
LANES Bits loadBits(const uint8_t* p) { return _mm256_loadu_si256((const __m256i*)p); }
LANES Bits andBits(Bits a, Bits b) { return _mm256_and_si256(a, b); }
LANES Bits orBits(Bits a, Bits b) { return _mm256_or_si256(a, b); }
LANES Bits xorBits(Bits a, Bits b) { return _mm256_xor_si256(a, b); }
LANES Bits loadSixteen(const uint8_t* p) {
  return _mm256_zextsi128_si256(_mm_loadu_si128((const __m128i*)p));
}
LANES Bits byteCounts(Bits x) {
  const __m256i table = _mm256_broadcastsi128_si256(
      _mm_setr_epi8(0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4));
  const __m256i low = _mm256_set1_epi8(15);
  const __m256i a = _mm256_shuffle_epi8(table, _mm256_and_si256(x, low));
  const __m256i high = _mm256_and_si256(_mm256_srli_epi16(x, 4), low);
  const __m256i b = _mm256_shuffle_epi8(table, high);
  return _mm256_add_epi8(a, b);
}
LANES Bits plusBytes(Bits a, Bits b) { return _mm256_add_epi8(a, b); }
LANES Bits addBytes(Bits sum, Bits bytes) {
  return _mm256_add_epi64(sum, _mm256_sad_epu8(bytes, _mm256_setzero_si256()));
}
LANES uint32_t sumBits(Bits sum) {
  const __m128i half =
      _mm_add_epi64(_mm256_castsi256_si128(sum), _mm256_extracti128_si256(sum, 1));
  return (uint32_t)_mm_cvtsi128_si32(_mm_add_epi64(half, _mm_srli_si128(half, 8)));
}

#elif defined(__x86_64__)
constexpr size_t BITS_WIDTH = 16;
typedef __m128i Bits;
LANES Bits noBits() { return _mm_setzero_si128(); }
LANES Bits loadBits(const uint8_t* p) { return _mm_loadu_si128((const __m128i*)p); }
LANES Bits andBits(Bits a, Bits b) { return _mm_and_si128(a, b); }
LANES Bits orBits(Bits a, Bits b) { return _mm_or_si128(a, b); }
LANES Bits xorBits(Bits a, Bits b) { return _mm_xor_si128(a, b); }
// Counts of pairs, then of half bytes, then of bytes.
LANES Bits byteCounts(Bits x) {
  const __m128i pairs = _mm_set1_epi8(0x55), halves = _mm_set1_epi8(0x33);
  x = _mm_sub_epi8(x, _mm_and_si128(_mm_srli_epi16(x, 1), pairs));
  x = _mm_add_epi8(_mm_and_si128(x, halves), _mm_and_si128(_mm_srli_epi16(x, 2), halves));
  return _mm_and_si128(_mm_add_epi8(x, _mm_srli_epi16(x, 4)), _mm_set1_epi8(15));
}
LANES Bits plusBytes(Bits a, Bits b) { return _mm_add_epi8(a, b); }
LANES Bits addBytes(Bits sum, Bits bytes) {
  return _mm_add_epi64(sum, _mm_sad_epu8(bytes, _mm_setzero_si128()));
}
LANES uint32_t sumBits(Bits sum) {
  return (uint32_t)_mm_cvtsi128_si32(_mm_add_epi64(sum, _mm_srli_si128(sum, 8)));
}

#elif defined(__aarch64__)
constexpr size_t BITS_WIDTH = 16;
typedef uint8x16_t Bits;
LANES Bits noBits() { return vdupq_n_u8(0); }
LANES Bits loadBits(const uint8_t* p) { return vld1q_u8(p); }
LANES Bits andBits(Bits a, Bits b) { return vandq_u8(a, b); }
LANES Bits orBits(Bits a, Bits b) { return vorrq_u8(a, b); }
LANES Bits xorBits(Bits a, Bits b) { return veorq_u8(a, b); }
LANES Bits byteCounts(Bits x) { return vcntq_u8(x); }
LANES Bits plusBytes(Bits a, Bits b) { return vaddq_u8(a, b); }
LANES Bits addBytes(Bits sum, Bits bytes) {
  const uint32x4_t counts = vpaddlq_u16(vpaddlq_u8(bytes));
  return vreinterpretq_u8_u32(vaddq_u32(vreinterpretq_u32_u8(sum), counts));
}
LANES uint32_t sumBits(Bits sum) { return vaddvq_u32(vreinterpretq_u32_u8(sum)); }

#else
constexpr size_t BITS_WIDTH = 16;
typedef v128_t Bits;
LANES Bits noBits() { return wasm_i32x4_splat(0); }
LANES Bits loadBits(const uint8_t* p) { return wasm_v128_load(p); }
LANES Bits andBits(Bits a, Bits b) { return wasm_v128_and(a, b); }
LANES Bits orBits(Bits a, Bits b) { return wasm_v128_or(a, b); }
LANES Bits xorBits(Bits a, Bits b) { return wasm_v128_xor(a, b); }
LANES Bits byteCounts(Bits x) { return wasm_i8x16_popcnt(x); }
LANES Bits plusBytes(Bits a, Bits b) { return wasm_i8x16_add(a, b); }
LANES Bits addBytes(Bits sum, Bits bytes) {
  const v128_t counts = wasm_u16x8_extadd_pairwise_u8x16(bytes);
  return wasm_i32x4_add(sum, wasm_u32x4_extadd_pairwise_u16x8(counts));
}
LANES uint32_t sumBits(Bits sum) {
  return (uint32_t)(wasm_i32x4_extract_lane(sum, 0) + wasm_i32x4_extract_lane(sum, 1) +
                    wasm_i32x4_extract_lane(sum, 2) + wasm_i32x4_extract_lane(sum, 3));
}
#endif

#if !defined(__AVX512F__)
// What is left of a row, behind it zeros: nothing beyond its end is read.
LANES Bits loadBitsTail(const uint8_t* p, size_t n) {
  uint8_t padded[BITS_WIDTH] = {};
  size_t i = 0;
  for (; i + 8 <= n && i + 8 <= BITS_WIDTH; i += 8) __builtin_memcpy(padded + i, p + i, 8);
  for (; i < n && i < BITS_WIDTH; i++) padded[i] = p[i];
  return loadBits(padded);
}
#endif

#if !defined(__AVX2__) && !defined(__AVX512F__)
LANES Bits loadSixteen(const uint8_t* p) { return loadBits(p); }
#endif

// Lanes of `sum` take the counts of set bits; sumBits gives them all.
LANES Bits addCount(Bits sum, Bits x) { return addBytes(sum, byteCounts(x)); }

// The same for bits that weigh one, two and four.
LANES Bits addWeighed(Bits sum, Bits ones, Bits twos, Bits fours) {
  const Bits upper = plusBytes(plusBytes(fours, fours), twos);
  return addBytes(sum, plusBytes(plusBytes(upper, upper), ones));
}

// Bits that differ.
LANES uint32_t differing(const uint8_t* x, const uint8_t* q, size_t n) {
  Bits sum = noBits();
  size_t i = 0;
  for (; i + BITS_WIDTH <= n; i += BITS_WIDTH)
    sum = addCount(sum, xorBits(loadBits(x + i), loadBits(q + i)));
  if (i < n)
    sum = addCount(sum, xorBits(loadBitsTail(x + i, n - i), loadBitsTail(q + i, n - i)));
  return sumBits(sum);
}

struct Overlap { uint32_t both, either; };

LANES Overlap overlapOf(const uint8_t* x, const uint8_t* q, size_t n) {
  Bits both = noBits(), either = noBits();
  size_t i = 0;
  for (; i + BITS_WIDTH <= n; i += BITS_WIDTH) {
    const Bits a = loadBits(x + i), b = loadBits(q + i);
    both = addCount(both, andBits(a, b));
    either = addCount(either, orBits(a, b));
  }
  if (i < n) {
    const Bits a = loadBitsTail(x + i, n - i), b = loadBitsTail(q + i, n - i);
    both = addCount(both, andBits(a, b));
    either = addCount(either, orBits(a, b));
  }
  return {sumBits(both), sumBits(either)};
}

constexpr double INVERSE_LN2 = 1.4426950408889634;
constexpr double ROOT_HALF = 0.7071067811865476;

// -log2(x) for 0 < x <= 1, of single operations on doubles only: a library's logarithm may differ
// from machine to machine. x = 2^e m with m around 1; ln m = 2 (s + s^3/3 + s^5/5 + ...) with
// s = (m - 1) / (m + 1); the first term left out is below 2^-44. Twin of src/reference.ts.
LANES double minusLog2(double x) {
  uint64_t bits = 0;
  __builtin_memcpy(&bits, &x, 8);
  int32_t e = (int32_t)(bits >> 52) - 1022;
  bits = (bits & 0xfffffffffffffull) | 0x3fe0000000000000ull;
  double m = 0;
  __builtin_memcpy(&m, &bits, 8);
  if (m < ROOT_HALF) {
    m = m + m;
    e = e - 1;
  }
  const double s = (m - 1.0) / (m + 1.0), square = s * s;
  double sum = 0.0;
  for (int k = 15; k >= 1; k -= 2) sum = sum * square + 1.0 / (double)k;
  return 0.0 - ((double)e + (s * sum) * (2.0 * INVERSE_LN2));
}

template <uint32_t METRIC>
LANES float scoreBitRow(const uint8_t* x, const uint8_t* q, size_t n) {
  if (METRIC == METRIC_HAMMING) return (float)differing(x, q, n);
  const Overlap o = overlapOf(x, q, n);
  if (METRIC == METRIC_JACCARD)
    return o.either == 0 ? 1.0f : (float)(o.either - o.both) / (float)o.either;
  return o.both == 0 ? INF : (float)minusLog2((double)o.both / (double)o.either);
}

template <uint32_t METRIC>
void scanBitsBy(const ScanBits* a) {
  uint32_t rows[BLOCK], numbers[BLOCK];
  float scores[BLOCK];
  const size_t capacity = blockRows(a->nq, a->bytes);
  for (size_t at = a->from; at < a->to;) {
    const size_t n = nextRows(a->allowed, &at, a->to, rows, capacity);
    if (n == 0) break;
    for (size_t i = 0; i < n; i++) numbers[i] = rows[i] + a->rowBase;
    for (size_t query = 0; query < a->nq; query++) {
      const uint8_t* q = a->queries + query * a->bytes;
      for (size_t i = 0; i < n; i++) {
        const uint8_t* x = a->rows + (size_t)rows[i] * a->bytes;
        const size_t next = i + SCATTERED_AHEAD < n ? i + SCATTERED_AHEAD : n - 1;
        __builtin_prefetch(a->allowed ? a->rows + (size_t)rows[next] * a->bytes : x + AHEAD_BYTES);
        scores[i] = scoreBitRow<METRIC>(x, q, a->bytes);
      }
      Heap h = openHeap(a->top, query);
      offerBlock<false>(h, {a->min, a->max}, scores, numbers, n);
      closeHeap(a->top, query, h);
    }
  }
}

void scanBits(const ScanBits* a) {
  if (a->metric == METRIC_HAMMING) scanBitsBy<METRIC_HAMMING>(a);
  else if (a->metric == METRIC_JACCARD) scanBitsBy<METRIC_JACCARD>(a);
  else scanBitsBy<METRIC_TANIMOTO>(a);
}

template <uint32_t METRIC>
void scoreBitsBy(const ScoreBits* a) {
  for (size_t i = 0; i < a->listLength; i++) {
    const uint32_t row = a->list[i] - a->rowBase;
    if (row >= a->rowCount) continue;
    a->scores[i] = scoreBitRow<METRIC>(a->rows + (size_t)row * a->bytes, a->query, a->bytes);
  }
}

void scoreBits(const ScoreBits* a) {
  if (a->metric == METRIC_HAMMING) scoreBitsBy<METRIC_HAMMING>(a);
  else if (a->metric == METRIC_JACCARD) scoreBitsBy<METRIC_JACCARD>(a);
  else scoreBitsBy<METRIC_TANIMOTO>(a);
}

}  // namespace
