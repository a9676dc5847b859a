// Sixteen numbers at a time, for the 1-bit codes: to bytes and to bits, and the first steps of a
// transform. Single operations on each number: all instruction sets agree.
#pragma once
#include "lanes.h"

namespace {

#if defined(__x86_64__)
typedef __m128i Sixteen;
LANES Sixteen loadBytes(const uint8_t* p) { return _mm_loadu_si128((const __m128i*)p); }
LANES __m128i wholeFour(const float* v) { return _mm_cvttps_epi32(_mm_loadu_ps(v)); }
// Whole parts of numbers from 0 to 127.
LANES Sixteen truncated(const float* v) {
  const __m128i low = _mm_packs_epi32(wholeFour(v), wholeFour(v + 4));
  return _mm_packs_epi16(low, _mm_packs_epi32(wholeFour(v + 8), wholeFour(v + 12)));
}
LANES Sixteen turned(Sixteen x, uint8_t bits) {
  return _mm_xor_si128(x, _mm_set1_epi8((char)bits));
}
LANES uint32_t sumOf(Sixteen x) {
  const __m128i sums = _mm_sad_epu8(x, _mm_setzero_si128());
  return (uint32_t)_mm_cvtsi128_si32(_mm_add_epi32(sums, _mm_srli_si128(sums, 8)));
}
// Bit p of each byte, that of the first one lowest.
LANES uint16_t bitsAt(Sixteen x, int p) {
  return (uint16_t)_mm_movemask_epi8(_mm_sll_epi16(x, _mm_cvtsi32_si128(7 - p)));
}
typedef __m128 Four;
LANES Four loadFour(const float* p) { return _mm_loadu_ps(p); }
LANES void storeFour(float* p, Four x) { _mm_storeu_ps(p, x); }
LANES Four plus(Four a, Four b) { return _mm_add_ps(a, b); }
LANES Four minus(Four a, Four b) { return _mm_sub_ps(a, b); }
// Turns those of four numbers whose bit is set, of the lowest four bits.
LANES Four flipFour(Four x, uint32_t bits) {
  const __m128i own = _mm_setr_epi32(1, 2, 4, 8);
  const __m128i set = _mm_cmpeq_epi32(_mm_and_si128(_mm_set1_epi32((int)bits), own), own);
  return _mm_xor_ps(x, _mm_castsi128_ps(_mm_slli_epi32(set, 31)));
}
LANES Four pairStep(Four x) {
  const __m128 odd = _mm_castsi128_ps(_mm_setr_epi32(0, (int)0x80000000u, 0, (int)0x80000000u));
  return _mm_add_ps(_mm_shuffle_ps(x, x, 0xb1), _mm_xor_ps(x, odd));
}
LANES Four halfStep(Four x) {
  const __m128 upper = _mm_castsi128_ps(_mm_setr_epi32(0, 0, (int)0x80000000u, (int)0x80000000u));
  return _mm_add_ps(_mm_shuffle_ps(x, x, 0x4e), _mm_xor_ps(x, upper));
}

#elif defined(__wasm__)
typedef v128_t Sixteen;
LANES Sixteen loadBytes(const uint8_t* p) { return wasm_v128_load(p); }
LANES v128_t wholeFour(const float* v) { return wasm_i32x4_trunc_sat_f32x4(wasm_v128_load(v)); }
LANES Sixteen truncated(const float* v) {
  const v128_t low = wasm_i16x8_narrow_i32x4(wholeFour(v), wholeFour(v + 4));
  return wasm_u8x16_narrow_i16x8(low, wasm_i16x8_narrow_i32x4(wholeFour(v + 8), wholeFour(v + 12)));
}
LANES Sixteen turned(Sixteen x, uint8_t bits) { return wasm_v128_xor(x, wasm_u8x16_splat(bits)); }
LANES uint32_t sumOf(Sixteen x) {
  const v128_t sums = wasm_u32x4_extadd_pairwise_u16x8(wasm_u16x8_extadd_pairwise_u8x16(x));
  return (uint32_t)(wasm_i32x4_extract_lane(sums, 0) + wasm_i32x4_extract_lane(sums, 1) +
                    wasm_i32x4_extract_lane(sums, 2) + wasm_i32x4_extract_lane(sums, 3));
}
LANES uint16_t bitsAt(Sixteen x, int p) {
  return (uint16_t)wasm_i8x16_bitmask(wasm_i8x16_shl(x, (uint32_t)(7 - p)));
}
typedef v128_t Four;
LANES Four loadFour(const float* p) { return wasm_v128_load(p); }
LANES void storeFour(float* p, Four x) { wasm_v128_store(p, x); }
LANES Four plus(Four a, Four b) { return wasm_f32x4_add(a, b); }
LANES Four minus(Four a, Four b) { return wasm_f32x4_sub(a, b); }
LANES Four flipFour(Four x, uint32_t bits) {
  const v128_t own = wasm_u32x4_make(1, 2, 4, 8);
  const v128_t set = wasm_i32x4_eq(wasm_v128_and(wasm_u32x4_splat(bits), own), own);
  return wasm_v128_xor(x, wasm_i32x4_shl(set, 31));
}
LANES Four pairStep(Four x) {
  const v128_t odd = wasm_u32x4_make(0, 0x80000000u, 0, 0x80000000u);
  return wasm_f32x4_add(wasm_i32x4_shuffle(x, x, 1, 0, 3, 2), wasm_v128_xor(x, odd));
}
LANES Four halfStep(Four x) {
  const v128_t upper = wasm_u32x4_make(0, 0, 0x80000000u, 0x80000000u);
  return wasm_f32x4_add(wasm_i32x4_shuffle(x, x, 2, 3, 0, 1), wasm_v128_xor(x, upper));
}

#else
typedef uint8x16_t Sixteen;
LANES Sixteen loadBytes(const uint8_t* p) { return vld1q_u8(p); }
LANES int16x4_t wholeFour(const float* v) { return vmovn_s32(vcvtq_s32_f32(vld1q_f32(v))); }
LANES Sixteen truncated(const float* v) {
  const int16x8_t low = vcombine_s16(wholeFour(v), wholeFour(v + 4));
  const int16x8_t high = vcombine_s16(wholeFour(v + 8), wholeFour(v + 12));
  return vcombine_u8(vqmovun_s16(low), vqmovun_s16(high));
}
LANES Sixteen turned(Sixteen x, uint8_t bits) { return veorq_u8(x, vdupq_n_u8(bits)); }
LANES uint32_t sumOf(Sixteen x) { return vaddlvq_u8(x); }
LANES uint16_t bitsAt(Sixteen x, int p) {
  const uint8x16_t places = {1, 2, 4, 8, 16, 32, 64, 128, 1, 2, 4, 8, 16, 32, 64, 128};
  const uint8x16_t set = vandq_u8(vtstq_u8(x, vdupq_n_u8((uint8_t)(1 << p))), places);
  return (uint16_t)(vaddv_u8(vget_low_u8(set)) | vaddv_u8(vget_high_u8(set)) << 8);
}
typedef float32x4_t Four;
LANES Four loadFour(const float* p) { return vld1q_f32(p); }
LANES void storeFour(float* p, Four x) { vst1q_f32(p, x); }
LANES Four plus(Four a, Four b) { return vaddq_f32(a, b); }
LANES Four minus(Four a, Four b) { return vsubq_f32(a, b); }
LANES Four signed4(Four x, uint32x4_t signs) {
  return vreinterpretq_f32_u32(veorq_u32(vreinterpretq_u32_f32(x), signs));
}
LANES Four flipFour(Four x, uint32_t bits) {
  const uint32x4_t own = {1, 2, 4, 8};
  return signed4(x, vshlq_n_u32(vtstq_u32(vdupq_n_u32(bits), own), 31));
}
LANES Four pairStep(Four x) {
  const uint32x4_t odd = {0, 0x80000000u, 0, 0x80000000u};
  return vaddq_f32(vrev64q_f32(x), signed4(x, odd));
}
LANES Four halfStep(Four x) {
  const uint32x4_t upper = {0, 0, 0x80000000u, 0x80000000u};
  return vaddq_f32(vextq_f32(x, x, 2), signed4(x, upper));
}
#endif

// The first four steps of a Hadamard transform, within sixteen numbers: sums and differences of
// neighbours, of pairs, of fours, of eights.
LANES void firstButterflies(float* x) {
  const Four a = halfStep(pairStep(loadFour(x))), b = halfStep(pairStep(loadFour(x + 4)));
  const Four c = halfStep(pairStep(loadFour(x + 8))), d = halfStep(pairStep(loadFour(x + 12)));
  const Four ab = plus(a, b), ba = minus(a, b), cd = plus(c, d), dc = minus(c, d);
  storeFour(x, plus(ab, cd));
  storeFour(x + 4, plus(ba, dc));
  storeFour(x + 8, minus(ab, cd));
  storeFour(x + 12, minus(ba, dc));
}

}  // namespace
