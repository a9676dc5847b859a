// Dot products of 8-bit codes for random access: a graph reads rows in no order, one query against
// many. The query is prepared once, in the form that the instruction set multiplies fastest;
// strides are multiples of 64, so there are no tails, and all sums are exact integers.
#pragma once
#include "lanes.h"

namespace {

#if defined(__AVX512F__)
typedef int8_t Prepared;
#else
typedef int16_t Prepared;
#endif

// Codes minus 128 of a query.
LANES void prepareQuery(const int8_t* __restrict from, size_t n, Prepared* __restrict to) {
  for (size_t i = 0; i < n; i++) to[i] = from[i];
}

// A stored row as a query. Its padding becomes -128, which meets zeros only.
LANES void prepareRow(const uint8_t* __restrict from, size_t n, Prepared* __restrict to) {
  for (size_t i = 0; i < n; i++) to[i] = (Prepared)((int32_t)from[i] - 128);
}

#if defined(__AVX512F__)
LANES int32_t dotOne(const uint8_t* c, const Prepared* q, size_t n) {
  __m512i a = _mm512_setzero_si512();
  for (size_t i = 0; i < n; i += 64)
    a = _mm512_dpbusd_epi32(a, _mm512_loadu_si512(c + i), _mm512_loadu_si512(q + i));
  return _mm512_reduce_add_epi32(a);
}
// Four rows; fetches as much of four others meanwhile, a line of each at a time: more at once would
// wait for each other.
LANES void dotFour(const uint8_t* const* c, const uint8_t* const* ahead, const Prepared* q,
                   size_t n, int32_t* out) {
  __m512i a0 = _mm512_setzero_si512(), a1 = a0, a2 = a0, a3 = a0;
  for (size_t i = 0; i < n; i += 64) {
    for (int t = 0; t < 4; t++) __builtin_prefetch(ahead[t] + i);
    __m512i y = _mm512_loadu_si512(q + i);
    a0 = _mm512_dpbusd_epi32(a0, _mm512_loadu_si512(c[0] + i), y);
    a1 = _mm512_dpbusd_epi32(a1, _mm512_loadu_si512(c[1] + i), y);
    a2 = _mm512_dpbusd_epi32(a2, _mm512_loadu_si512(c[2] + i), y);
    a3 = _mm512_dpbusd_epi32(a3, _mm512_loadu_si512(c[3] + i), y);
  }
  out[0] = _mm512_reduce_add_epi32(a0);
  out[1] = _mm512_reduce_add_epi32(a1);
  out[2] = _mm512_reduce_add_epi32(a2);
  out[3] = _mm512_reduce_add_epi32(a3);
}

#elif defined(__AVX2__)
LANES __m256i maddWide(__m256i acc, const uint8_t* c, __m256i q) {
  __m256i x = _mm256_cvtepu8_epi16(_mm_loadu_si128((const __m128i*)c));
  return _mm256_add_epi32(acc, _mm256_madd_epi16(x, q));
}
LANES __m256i wide(const Prepared* q) { return _mm256_loadu_si256((const __m256i*)q); }
LANES int32_t dotOne(const uint8_t* c, const Prepared* q, size_t n) {
  __m256i a = _mm256_setzero_si256(), b = a;
  for (size_t i = 0; i < n; i += 32) {
    a = maddWide(a, c + i, wide(q + i));
    b = maddWide(b, c + i + 16, wide(q + i + 16));
  }
  a = _mm256_add_epi32(a, b);
  __m128i r = _mm_add_epi32(_mm256_castsi256_si128(a), _mm256_extracti128_si256(a, 1));
  r = _mm_add_epi32(r, _mm_shuffle_epi32(r, 0x4e));
  r = _mm_add_epi32(r, _mm_shuffle_epi32(r, 0xb1));
  return _mm_cvtsi128_si32(r);
}
LANES void dotFour(const uint8_t* const* c, const uint8_t* const* ahead, const Prepared* q,
                   size_t n, int32_t* out) {
  const uint8_t *c0 = c[0], *c1 = c[1], *c2 = c[2], *c3 = c[3];
  __m256i a0 = _mm256_setzero_si256(), a1 = a0, a2 = a0, a3 = a0;
  for (size_t i = 0; i < n; i += 16) {
    if (i % 64 == 0)
      for (int t = 0; t < 4; t++) __builtin_prefetch(ahead[t] + i);
    __m256i y = wide(q + i);
    a0 = maddWide(a0, c0 + i, y);
    a1 = maddWide(a1, c1 + i, y);
    a2 = maddWide(a2, c2 + i, y);
    a3 = maddWide(a3, c3 + i, y);
  }
  __m256i s = _mm256_hadd_epi32(_mm256_hadd_epi32(a0, a1), _mm256_hadd_epi32(a2, a3));
  __m128i r = _mm_add_epi32(_mm256_castsi256_si128(s), _mm256_extracti128_si256(s, 1));
  _mm_storeu_si128((__m128i*)out, r);
}

#else
#if defined(__x86_64__)
LANES int32_t dotOne(const uint8_t* c, const Prepared* q, size_t n) {
  __m128i a = _mm_setzero_si128(), b = a, zero = a;
  for (size_t i = 0; i < n; i += 16) {
    __m128i x = _mm_loadu_si128((const __m128i*)(c + i));
    __m128i y0 = _mm_loadu_si128((const __m128i*)(q + i));
    __m128i y1 = _mm_loadu_si128((const __m128i*)(q + i + 8));
    a = _mm_add_epi32(a, _mm_madd_epi16(_mm_unpacklo_epi8(x, zero), y0));
    b = _mm_add_epi32(b, _mm_madd_epi16(_mm_unpackhi_epi8(x, zero), y1));
  }
  a = _mm_add_epi32(a, b);
  a = _mm_add_epi32(a, _mm_shuffle_epi32(a, 0x4e));
  a = _mm_add_epi32(a, _mm_shuffle_epi32(a, 0xb1));
  return _mm_cvtsi128_si32(a);
}
#elif defined(__aarch64__)
LANES int32_t dotOne(const uint8_t* c, const Prepared* q, size_t n) {
  int32x4_t a = vdupq_n_s32(0), b = a;
  for (size_t i = 0; i < n; i += 16) {
    uint8x16_t x = vld1q_u8(c + i);
    int16x8_t x0 = vreinterpretq_s16_u16(vmovl_u8(vget_low_u8(x))), y0 = vld1q_s16(q + i);
    int16x8_t x1 = vreinterpretq_s16_u16(vmovl_u8(vget_high_u8(x))), y1 = vld1q_s16(q + i + 8);
    a = vmlal_s16(a, vget_low_s16(x0), vget_low_s16(y0));
    b = vmlal_s16(b, vget_high_s16(x0), vget_high_s16(y0));
    a = vmlal_s16(a, vget_low_s16(x1), vget_low_s16(y1));
    b = vmlal_s16(b, vget_high_s16(x1), vget_high_s16(y1));
  }
  return vaddvq_s32(vaddq_s32(a, b));
}
#else
LANES int32_t dotOne(const uint8_t* c, const Prepared* q, size_t n) {
  v128_t a = wasm_i32x4_splat(0), b = a;
  for (size_t i = 0; i < n; i += 16) {
    v128_t x = wasm_v128_load(c + i), y0 = wasm_v128_load(q + i), y1 = wasm_v128_load(q + i + 8);
    a = wasm_i32x4_add(a, wasm_i32x4_dot_i16x8(wasm_u16x8_extend_low_u8x16(x), y0));
    b = wasm_i32x4_add(b, wasm_i32x4_dot_i16x8(wasm_u16x8_extend_high_u8x16(x), y1));
  }
  a = wasm_i32x4_add(a, b);
  a = wasm_i32x4_add(a, wasm_i32x4_shuffle(a, a, 2, 3, 0, 1));
  a = wasm_i32x4_add(a, wasm_i32x4_shuffle(a, a, 1, 0, 3, 2));
  return wasm_i32x4_extract_lane(a, 0);
}
#endif
LANES void dotFour(const uint8_t* const* c, const uint8_t* const* ahead, const Prepared* q,
                   size_t n, int32_t* out) {
  for (int t = 0; t < 4; t++) {
    for (size_t i = 0; i < n; i += 64) __builtin_prefetch(ahead[t] + i);
    out[t] = dotOne(c[t], q, n);
  }
}
#endif

}  // namespace
