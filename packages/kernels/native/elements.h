// Rows that are stored as other numbers than float32. Sixteen of them become sixteen float32 lanes,
// exactly, before anything else is done: so a row scores as the same row in float32, bit by bit.
#pragma once
#include "lanes.h"

namespace {

// The bits of a 16-bit float and of a bfloat16, as types of their own: they choose the loads below.
struct Half { uint16_t bits; };
struct Brain { uint16_t bits; };

#if defined(__AVX512F__)
LANES F16 fromHalf(__m256i x) { return {_mm512_cvtph_ps(x)}; }
LANES F16 fromBrain(__m256i x) {
  return {_mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(x), 16))};
}
LANES F16 fromInt8(__m128i x) { return {_mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(x))}; }
LANES F16 load16(const Half* p) { return fromHalf(_mm256_loadu_si256((const __m256i*)p)); }
LANES F16 load16(const Brain* p) { return fromBrain(_mm256_loadu_si256((const __m256i*)p)); }
LANES F16 load16(const int8_t* p) { return fromInt8(_mm_loadu_si128((const __m128i*)p)); }
LANES F16 loadTail(const Half* p, const Tail& t) {
  return fromHalf(_mm256_maskz_loadu_epi16(t.mask, p));
}
LANES F16 loadTail(const Brain* p, const Tail& t) {
  return fromBrain(_mm256_maskz_loadu_epi16(t.mask, p));
}
LANES F16 loadTail(const int8_t* p, const Tail& t) {
  return fromInt8(_mm_maskz_loadu_epi8(t.mask, p));
}

#else
#if defined(__AVX2__)
LANES __m128i load8x16(const void* p) { return _mm_loadu_si128((const __m128i*)p); }
LANES F16 load16(const Half* p) {
  return {_mm256_cvtph_ps(load8x16(p)), _mm256_cvtph_ps(load8x16(p + 8))};
}
LANES __m256 fromBrain(__m128i x) {
  return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(x), 16));
}
LANES F16 load16(const Brain* p) {
  return {fromBrain(load8x16(p)), fromBrain(load8x16(p + 8))};
}
LANES F16 load16(const int8_t* p) {
  const __m128i x = load8x16(p);
  return {_mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(x)),
          _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_srli_si128(x, 8)))};
}

#elif defined(__x86_64__)
// Four 16-bit floats that lie in 32 bits each. The exponent is moved from one bias to the other;
// infinities and NaN get the largest one, and numbers below 2^-14 take theirs by a subtraction.
LANES F4 fromHalf(__m128i x) {
  const __m128i magnitude = _mm_slli_epi32(_mm_and_si128(x, _mm_set1_epi32(0x7fff)), 13);
  const __m128i sign = _mm_slli_epi32(_mm_and_si128(x, _mm_set1_epi32(0x8000)), 16);
  const __m128i special = _mm_cmpgt_epi32(magnitude, _mm_set1_epi32(0x0f7fffff));
  const __m128i tiny = _mm_cmpgt_epi32(_mm_set1_epi32(0x00800000), magnitude);
  const __m128i bias = _mm_set1_epi32(0x38000000), edge = _mm_set1_epi32(0x38800000);
  __m128i number = _mm_add_epi32(magnitude, bias);
  number = _mm_add_epi32(number, _mm_and_si128(special, bias));
  const __m128i small = _mm_castps_si128(
      _mm_sub_ps(_mm_castsi128_ps(_mm_add_epi32(magnitude, edge)), _mm_castsi128_ps(edge)));
  number = _mm_or_si128(_mm_andnot_si128(tiny, number), _mm_and_si128(tiny, small));
  return _mm_castsi128_ps(_mm_or_si128(number, sign));
}
LANES F16 load16(const Half* p) {
  const __m128i zero = _mm_setzero_si128();
  const __m128i x = _mm_loadu_si128((const __m128i*)p);
  const __m128i y = _mm_loadu_si128((const __m128i*)(p + 8));
  return {fromHalf(_mm_unpacklo_epi16(x, zero)), fromHalf(_mm_unpackhi_epi16(x, zero)),
          fromHalf(_mm_unpacklo_epi16(y, zero)), fromHalf(_mm_unpackhi_epi16(y, zero))};
}
LANES F16 load16(const Brain* p) {
  const __m128i zero = _mm_setzero_si128();
  const __m128i x = _mm_loadu_si128((const __m128i*)p);
  const __m128i y = _mm_loadu_si128((const __m128i*)(p + 8));
  return {_mm_castsi128_ps(_mm_unpacklo_epi16(zero, x)),
          _mm_castsi128_ps(_mm_unpackhi_epi16(zero, x)),
          _mm_castsi128_ps(_mm_unpacklo_epi16(zero, y)),
          _mm_castsi128_ps(_mm_unpackhi_epi16(zero, y))};
}
// Each byte into the top of 32 bits, then down again with its sign.
LANES F4 fromTop(__m128i x) { return _mm_cvtepi32_ps(_mm_srai_epi32(x, 24)); }
LANES F16 load16(const int8_t* p) {
  const __m128i zero = _mm_setzero_si128(), x = _mm_loadu_si128((const __m128i*)p);
  const __m128i low = _mm_unpacklo_epi8(zero, x), high = _mm_unpackhi_epi8(zero, x);
  return {fromTop(_mm_unpacklo_epi16(zero, low)), fromTop(_mm_unpackhi_epi16(zero, low)),
          fromTop(_mm_unpacklo_epi16(zero, high)), fromTop(_mm_unpackhi_epi16(zero, high))};
}

#elif defined(__aarch64__)
LANES F4 fromHalf(uint16x4_t x) { return vcvt_f32_f16(vreinterpret_f16_u16(x)); }
LANES F16 load16(const Half* p) {
  const uint16x8_t x = vld1q_u16(&p->bits), y = vld1q_u16(&p[8].bits);
  return {fromHalf(vget_low_u16(x)), fromHalf(vget_high_u16(x)), fromHalf(vget_low_u16(y)),
          fromHalf(vget_high_u16(y))};
}
LANES F4 fromBrain(uint16x4_t x) { return vreinterpretq_f32_u32(vshll_n_u16(x, 16)); }
LANES F16 load16(const Brain* p) {
  const uint16x8_t x = vld1q_u16(&p->bits), y = vld1q_u16(&p[8].bits);
  return {fromBrain(vget_low_u16(x)), fromBrain(vget_high_u16(x)), fromBrain(vget_low_u16(y)),
          fromBrain(vget_high_u16(y))};
}
LANES F4 fromInt16(int16x4_t x) { return vcvtq_f32_s32(vmovl_s16(x)); }
LANES F16 load16(const int8_t* p) {
  const int8x16_t x = vld1q_s8(p);
  const int16x8_t low = vmovl_s8(vget_low_s8(x)), high = vmovl_s8(vget_high_s8(x));
  return {fromInt16(vget_low_s16(low)), fromInt16(vget_high_s16(low)),
          fromInt16(vget_low_s16(high)), fromInt16(vget_high_s16(high))};
}

#else
// As for SSE2.
LANES F4 fromHalf(v128_t x) {
  const v128_t magnitude = wasm_i32x4_shl(wasm_v128_and(x, wasm_i32x4_splat(0x7fff)), 13);
  const v128_t sign = wasm_i32x4_shl(wasm_v128_and(x, wasm_i32x4_splat(0x8000)), 16);
  const v128_t special = wasm_i32x4_gt(magnitude, wasm_i32x4_splat(0x0f7fffff));
  const v128_t tiny = wasm_i32x4_gt(wasm_i32x4_splat(0x00800000), magnitude);
  const v128_t bias = wasm_i32x4_splat(0x38000000), edge = wasm_i32x4_splat(0x38800000);
  v128_t number = wasm_i32x4_add(magnitude, bias);
  number = wasm_i32x4_add(number, wasm_v128_and(special, bias));
  const v128_t small = wasm_f32x4_sub(wasm_i32x4_add(magnitude, edge), edge);
  return wasm_v128_or(wasm_v128_bitselect(small, number, tiny), sign);
}
LANES F16 load16(const Half* p) {
  const v128_t x = wasm_v128_load(p), y = wasm_v128_load(p + 8);
  return {fromHalf(wasm_u32x4_extend_low_u16x8(x)), fromHalf(wasm_u32x4_extend_high_u16x8(x)),
          fromHalf(wasm_u32x4_extend_low_u16x8(y)), fromHalf(wasm_u32x4_extend_high_u16x8(y))};
}
LANES F16 load16(const Brain* p) {
  const v128_t x = wasm_v128_load(p), y = wasm_v128_load(p + 8);
  return {wasm_i32x4_shl(wasm_u32x4_extend_low_u16x8(x), 16),
          wasm_i32x4_shl(wasm_u32x4_extend_high_u16x8(x), 16),
          wasm_i32x4_shl(wasm_u32x4_extend_low_u16x8(y), 16),
          wasm_i32x4_shl(wasm_u32x4_extend_high_u16x8(y), 16)};
}
LANES F4 fromInt32(v128_t x) { return wasm_f32x4_convert_i32x4(x); }
LANES F16 load16(const int8_t* p) {
  const v128_t x = wasm_v128_load(p);
  const v128_t low = wasm_i16x8_extend_low_i8x16(x), high = wasm_i16x8_extend_high_i8x16(x);
  return {fromInt32(wasm_i32x4_extend_low_i16x8(low)),
          fromInt32(wasm_i32x4_extend_high_i16x8(low)),
          fromInt32(wasm_i32x4_extend_low_i16x8(high)),
          fromInt32(wasm_i32x4_extend_high_i16x8(high))};
}
#endif

// What is left of a row, behind it zeros: nothing beyond its end is read.
template <typename X>
LANES F16 loadTail(const X* p, const Tail& t) {
  X padded[16] = {};
  for (size_t i = 0; i < t.n; i++) padded[i] = p[i];
  return load16(padded);
}
#endif

// Numbers of a row as float32, in memory. `n` is at most 16.
template <typename X>
LANES void store16(const X* p, size_t n, float* to) {
  const F16 lanes = n >= 16 ? load16(p) : loadTail(p, makeTail(n));
  __builtin_memcpy(to, &lanes, 64);
}

}  // namespace
