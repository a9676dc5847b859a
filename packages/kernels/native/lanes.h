// Sixteen float32 lanes and the 8-bit dot product on each instruction set.
//
// The order of additions is part of the format: lane j of a row takes the elements j, j + 16,
// j + 32, ... from an accumulator that starts at +0, a product is rounded before it is added (no
// FMA; -ffp-contract=off), and the lanes fold 16 -> 8 -> 4 -> 2 -> 1 by halves. A missing tail
// adds nothing, which equals adding +0 because no accumulator is ever -0. So every instruction
// set gives the same bits.
#pragma once
#include "kernels.h"

#define LANES static inline __attribute__((always_inline))

#if defined(__wasm_simd128__)
#include <wasm_simd128.h>
#elif defined(__x86_64__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

namespace {

// Distance of the prefetch in a scan of codes that leaves no row out, in bytes
// (bench/kernels/scan.ts). dot8<true> fetches that far ahead.
constexpr size_t CODES_AHEAD = 1536;

#if defined(__AVX512F__)
// ------------------------------------------------------------------------------------ AVX-512
constexpr int QUERY_TILE = 4;
struct F16 { __m512 v; };
struct Tail { __mmask16 mask; };
LANES Tail makeTail(size_t n) { return {(__mmask16)((1u << n) - 1u)}; }
LANES F16 zero16() { return {_mm512_setzero_ps()}; }
LANES F16 load16(const float* p) { return {_mm512_loadu_ps(p)}; }
LANES F16 loadTail(const float* p, const Tail& t) { return {_mm512_maskz_loadu_ps(t.mask, p)}; }
LANES F16 sub16(F16 a, F16 b) { return {_mm512_sub_ps(a.v, b.v)}; }
LANES F16 addMul16(F16 acc, F16 a, F16 b) {
  return {_mm512_add_ps(acc.v, _mm512_mul_ps(a.v, b.v))};
}
LANES float sum16(F16 a) {
  __m256 half = _mm256_add_ps(_mm512_castps512_ps256(a.v), _mm512_extractf32x8_ps(a.v, 1));
  __m128 x = _mm_add_ps(_mm256_castps256_ps128(half), _mm256_extractf128_ps(half, 1));
  x = _mm_add_ps(x, _mm_movehl_ps(x, x));
  return _mm_cvtss_f32(_mm_add_ss(x, _mm_shuffle_ps(x, x, 1)));
}
template <bool AHEAD>
LANES int32_t dot8(const uint8_t* c, const int8_t* q, size_t n) {
  __m512i a = _mm512_setzero_si512(), b = a;
  size_t i = 0;
  for (; i + 128 <= n; i += 128) {
    if (AHEAD) __builtin_prefetch(c + i + CODES_AHEAD);
    if (AHEAD) __builtin_prefetch(c + i + CODES_AHEAD + 64);
    a = _mm512_dpbusd_epi32(a, _mm512_loadu_si512(c + i), _mm512_loadu_si512(q + i));
    b = _mm512_dpbusd_epi32(b, _mm512_loadu_si512(c + i + 64), _mm512_loadu_si512(q + i + 64));
  }
  for (; i < n; i += 64) {
    size_t left = n - i;
    __mmask64 m = left >= 64 ? ~0ull : (1ull << left) - 1ull;
    __m512i x = _mm512_maskz_loadu_epi8(m, c + i), y = _mm512_maskz_loadu_epi8(m, q + i);
    a = _mm512_dpbusd_epi32(a, x, y);
  }
  return _mm512_reduce_add_epi32(_mm512_add_epi32(a, b));
}

#elif defined(__AVX2__)
// --------------------------------------------------------------------------------------- AVX2
constexpr int QUERY_TILE = 4;
struct F16 { __m256 lo, hi; };
struct Tail { __m256i lo, hi; size_t n; };
LANES Tail makeTail(size_t n) {
  __m256i left = _mm256_set1_epi32((int)n);
  return {_mm256_cmpgt_epi32(left, _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7)),
          _mm256_cmpgt_epi32(left, _mm256_setr_epi32(8, 9, 10, 11, 12, 13, 14, 15)), n};
}
LANES F16 zero16() { return {_mm256_setzero_ps(), _mm256_setzero_ps()}; }
LANES F16 load16(const float* p) { return {_mm256_loadu_ps(p), _mm256_loadu_ps(p + 8)}; }
LANES F16 loadTail(const float* p, const Tail& t) {
  return {_mm256_maskload_ps(p, t.lo), _mm256_maskload_ps(p + 8, t.hi)};
}
LANES F16 sub16(F16 a, F16 b) { return {_mm256_sub_ps(a.lo, b.lo), _mm256_sub_ps(a.hi, b.hi)}; }
LANES F16 addMul16(F16 acc, F16 a, F16 b) {
  return {_mm256_add_ps(acc.lo, _mm256_mul_ps(a.lo, b.lo)),
          _mm256_add_ps(acc.hi, _mm256_mul_ps(a.hi, b.hi))};
}
LANES float sum16(F16 a) {
  __m256 half = _mm256_add_ps(a.lo, a.hi);
  __m128 x = _mm_add_ps(_mm256_castps256_ps128(half), _mm256_extractf128_ps(half, 1));
  x = _mm_add_ps(x, _mm_movehl_ps(x, x));
  return _mm_cvtss_f32(_mm_add_ss(x, _mm_shuffle_ps(x, x, 1)));
}
LANES __m256i madd8(__m256i acc, const uint8_t* c, const int8_t* q) {
  __m256i x = _mm256_cvtepu8_epi16(_mm_loadu_si128((const __m128i*)c));
  __m256i y = _mm256_cvtepi8_epi16(_mm_loadu_si128((const __m128i*)q));
  return _mm256_add_epi32(acc, _mm256_madd_epi16(x, y));
}
template <bool AHEAD>
LANES int32_t dot8(const uint8_t* c, const int8_t* q, size_t n) {
  __m256i a = _mm256_setzero_si256(), b = a;
  size_t i = 0;
  for (; i + 64 <= n; i += 64) {
    if (AHEAD) __builtin_prefetch(c + i + CODES_AHEAD);
    a = madd8(a, c + i, q + i);
    b = madd8(b, c + i + 16, q + i + 16);
    a = madd8(a, c + i + 32, q + i + 32);
    b = madd8(b, c + i + 48, q + i + 48);
  }
  for (; i < n; i += 16) a = madd8(a, c + i, q + i);
  a = _mm256_add_epi32(a, b);
  __m128i r = _mm_add_epi32(_mm256_castsi256_si128(a), _mm256_extracti128_si256(a, 1));
  r = _mm_add_epi32(r, _mm_shuffle_epi32(r, 0x4e));
  r = _mm_add_epi32(r, _mm_shuffle_epi32(r, 0xb1));
  return _mm_cvtsi128_si32(r);
}

#elif defined(__x86_64__)
// --------------------------------------------------------------------------------------- SSE2
constexpr int QUERY_TILE = 2;
typedef __m128 F4;
LANES F4 zero4() { return _mm_setzero_ps(); }
LANES F4 load4(const float* p) { return _mm_loadu_ps(p); }
LANES F4 load1(const float* p) { return _mm_load_ss(p); }
LANES F4 load2(const float* p) { return _mm_castsi128_ps(_mm_loadl_epi64((const __m128i*)p)); }
LANES F4 load3(const float* p) { return _mm_movelh_ps(load2(p), load1(p + 2)); }
LANES F4 sub4(F4 a, F4 b) { return _mm_sub_ps(a, b); }
LANES F4 mul4(F4 a, F4 b) { return _mm_mul_ps(a, b); }
LANES F4 add4(F4 a, F4 b) { return _mm_add_ps(a, b); }
LANES float sum4(F4 x) {
  x = _mm_add_ps(x, _mm_movehl_ps(x, x));
  return _mm_cvtss_f32(_mm_add_ss(x, _mm_shuffle_ps(x, x, 1)));
}
template <bool AHEAD>
LANES int32_t dot8(const uint8_t* c, const int8_t* q, size_t n) {
  __m128i a = _mm_setzero_si128(), b = a, zero = a;
  for (size_t i = 0; i < n; i += 16) {
    if (AHEAD && (i & 63) == 0) __builtin_prefetch(c + i + CODES_AHEAD);
    __m128i x = _mm_loadu_si128((const __m128i*)(c + i));
    __m128i y = _mm_loadu_si128((const __m128i*)(q + i));
    __m128i sign = _mm_cmpgt_epi8(zero, y);
    a = _mm_add_epi32(a, _mm_madd_epi16(_mm_unpacklo_epi8(x, zero), _mm_unpacklo_epi8(y, sign)));
    b = _mm_add_epi32(b, _mm_madd_epi16(_mm_unpackhi_epi8(x, zero), _mm_unpackhi_epi8(y, sign)));
  }
  a = _mm_add_epi32(a, b);
  a = _mm_add_epi32(a, _mm_shuffle_epi32(a, 0x4e));
  a = _mm_add_epi32(a, _mm_shuffle_epi32(a, 0xb1));
  return _mm_cvtsi128_si32(a);
}
#define ELANUS_QUARTERS

#elif defined(__aarch64__)
// --------------------------------------------------------------------------------------- NEON
constexpr int QUERY_TILE = 4;
typedef float32x4_t F4;
LANES F4 zero4() { return vdupq_n_f32(0); }
LANES F4 load4(const float* p) { return vld1q_f32(p); }
LANES F4 load1(const float* p) { return vld1q_lane_f32(p, zero4(), 0); }
LANES F4 load2(const float* p) { return vcombine_f32(vld1_f32(p), vdup_n_f32(0)); }
LANES F4 load3(const float* p) { return vld1q_lane_f32(p + 2, load2(p), 2); }
LANES F4 sub4(F4 a, F4 b) { return vsubq_f32(a, b); }
LANES F4 mul4(F4 a, F4 b) { return vmulq_f32(a, b); }
LANES F4 add4(F4 a, F4 b) { return vaddq_f32(a, b); }
LANES float sum4(F4 x) {
  float32x2_t pair = vadd_f32(vget_low_f32(x), vget_high_f32(x));
  return vget_lane_f32(pair, 0) + vget_lane_f32(pair, 1);
}
template <bool AHEAD>
LANES int32_t dot8(const uint8_t* c, const int8_t* q, size_t n) {
  int32x4_t a = vdupq_n_s32(0), b = a;
  for (size_t i = 0; i < n; i += 16) {
    uint8x16_t x = vld1q_u8(c + i);
    int8x16_t y = vld1q_s8(q + i);
    int16x8_t x0 = vreinterpretq_s16_u16(vmovl_u8(vget_low_u8(x))), y0 = vmovl_s8(vget_low_s8(y));
    int16x8_t x1 = vreinterpretq_s16_u16(vmovl_u8(vget_high_u8(x))), y1 = vmovl_s8(vget_high_s8(y));
    a = vmlal_s16(a, vget_low_s16(x0), vget_low_s16(y0));
    b = vmlal_s16(b, vget_high_s16(x0), vget_high_s16(y0));
    a = vmlal_s16(a, vget_low_s16(x1), vget_low_s16(y1));
    b = vmlal_s16(b, vget_high_s16(x1), vget_high_s16(y1));
  }
  return vaddvq_s32(vaddq_s32(a, b));
}
#define ELANUS_QUARTERS

#elif defined(__wasm_simd128__)
// --------------------------------------------------------------------------------------- WASM
constexpr int QUERY_TILE = 2;
typedef v128_t F4;
LANES F4 zero4() { return wasm_f32x4_splat(0); }
LANES F4 load4(const float* p) { return wasm_v128_load(p); }
LANES F4 load1(const float* p) { return wasm_v128_load32_zero(p); }
LANES F4 load2(const float* p) { return wasm_v128_load64_zero(p); }
LANES F4 load3(const float* p) { return wasm_v128_load32_lane(p + 2, load2(p), 2); }
LANES F4 sub4(F4 a, F4 b) { return wasm_f32x4_sub(a, b); }
LANES F4 mul4(F4 a, F4 b) { return wasm_f32x4_mul(a, b); }
LANES F4 add4(F4 a, F4 b) { return wasm_f32x4_add(a, b); }
LANES float sum4(F4 x) {
  x = wasm_f32x4_add(x, wasm_i32x4_shuffle(x, x, 2, 3, 2, 3));
  return wasm_f32x4_extract_lane(x, 0) + wasm_f32x4_extract_lane(x, 1);
}
template <bool AHEAD>
LANES int32_t dot8(const uint8_t* c, const int8_t* q, size_t n) {
  v128_t a = wasm_i32x4_splat(0), b = a;
  for (size_t i = 0; i < n; i += 16) {
    v128_t x = wasm_v128_load(c + i), y = wasm_v128_load(q + i);
    a = wasm_i32x4_add(a, wasm_i32x4_dot_i16x8(wasm_u16x8_extend_low_u8x16(x),
                                               wasm_i16x8_extend_low_i8x16(y)));
    b = wasm_i32x4_add(b, wasm_i32x4_dot_i16x8(wasm_u16x8_extend_high_u8x16(x),
                                               wasm_i16x8_extend_high_i8x16(y)));
  }
  a = wasm_i32x4_add(a, b);
  a = wasm_i32x4_add(a, wasm_i32x4_shuffle(a, a, 2, 3, 0, 1));
  a = wasm_i32x4_add(a, wasm_i32x4_shuffle(a, a, 1, 0, 3, 2));
  return wasm_i32x4_extract_lane(a, 0);
}
#define ELANUS_QUARTERS
#else
#error "no lanes for this instruction set"
#endif

#if defined(ELANUS_QUARTERS)
// Sixteen lanes as four registers of four: SSE2, NEON and WASM.
struct F16 { F4 a, b, c, d; };
struct Tail { size_t n; };
LANES Tail makeTail(size_t n) { return {n}; }
LANES F16 zero16() { return {zero4(), zero4(), zero4(), zero4()}; }
LANES F16 load16(const float* p) { return {load4(p), load4(p + 4), load4(p + 8), load4(p + 12)}; }
LANES F4 loadUpTo4(const float* p, size_t at, size_t n) {
  if (n >= at + 4) return load4(p + at);
  if (n == at + 3) return load3(p + at);
  if (n == at + 2) return load2(p + at);
  return n == at + 1 ? load1(p + at) : zero4();
}
LANES F16 loadTail(const float* p, const Tail& t) {
  return {loadUpTo4(p, 0, t.n), loadUpTo4(p, 4, t.n), loadUpTo4(p, 8, t.n), loadUpTo4(p, 12, t.n)};
}
LANES F16 sub16(const F16& x, const F16& y) {
  return {sub4(x.a, y.a), sub4(x.b, y.b), sub4(x.c, y.c), sub4(x.d, y.d)};
}
LANES F16 addMul16(const F16& acc, const F16& x, const F16& y) {
  return {add4(acc.a, mul4(x.a, y.a)), add4(acc.b, mul4(x.b, y.b)), add4(acc.c, mul4(x.c, y.c)),
          add4(acc.d, mul4(x.d, y.d))};
}
LANES float sum16(const F16& x) { return sum4(add4(add4(x.a, x.c), add4(x.b, x.d))); }
#endif

}  // namespace
