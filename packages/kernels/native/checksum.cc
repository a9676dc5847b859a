// CRC-32 (IEEE 802.3, as zlib's) by carry-less multiplication: folds 64 bytes at a time, then
// reduces. After "Fast CRC Computation for Generic Polynomials Using PCLMULQDQ", Intel 2009; the
// constants are x^n mod P, bit-reflected. Everything at rest and on the log passes here, several
// times faster than tables.
#include "checksum.h"

#if defined(__x86_64__)
#include <smmintrin.h>
#include <wmmintrin.h>

namespace {

inline __m128i load(const uint8_t* at) { return _mm_loadu_si128((const __m128i*)at); }

// One 128-bit lane folded over the distance that `by` stands for, onto `next`.
inline __m128i fold(__m128i lane, __m128i by, __m128i next) {
  const __m128i low = _mm_clmulepi64_si128(lane, by, 0x00);
  const __m128i high = _mm_clmulepi64_si128(lane, by, 0x11);
  return _mm_xor_si128(_mm_xor_si128(low, high), next);
}

// 128 bits to 64 by folding, to 32 by Barrett's reduction.
inline uint32_t reduce(__m128i lane, __m128i by128) {
  const __m128i by64 = _mm_set_epi64x(0, 0x0163cd6124);
  const __m128i barrett = _mm_set_epi64x(0x01f7011641, 0x01db710641);
  const __m128i words = _mm_setr_epi32(~0, 0, ~0, 0);
  __m128i x = _mm_xor_si128(_mm_srli_si128(lane, 8), _mm_clmulepi64_si128(lane, by128, 0x10));
  __m128i y = _mm_srli_si128(x, 4);
  x = _mm_xor_si128(_mm_clmulepi64_si128(_mm_and_si128(x, words), by64, 0x00), y);
  y = _mm_clmulepi64_si128(_mm_and_si128(x, words), barrett, 0x10);
  y = _mm_clmulepi64_si128(_mm_and_si128(y, words), barrett, 0x00);
  return (uint32_t)_mm_extract_epi32(_mm_xor_si128(x, y), 1);
}

// `length` is a multiple of 16, at least 64; `state` is the inverted sum so far.
uint32_t foldAll(const uint8_t* bytes, size_t length, uint32_t state) {
  const __m128i by512 = _mm_set_epi64x(0x01c6e41596, 0x0154442bd4);
  const __m128i by128 = _mm_set_epi64x(0x00ccaa009e, 0x01751997d0);
  __m128i a = _mm_xor_si128(load(bytes), _mm_cvtsi32_si128((int)state));
  __m128i b = load(bytes + 16), c = load(bytes + 32), d = load(bytes + 48);
  const uint8_t* at = bytes + 64;
  const uint8_t* const end = bytes + length;
  for (; end - at >= 64; at += 64) {
    a = fold(a, by512, load(at));
    b = fold(b, by512, load(at + 16));
    c = fold(c, by512, load(at + 32));
    d = fold(d, by512, load(at + 48));
  }
  a = fold(fold(fold(a, by128, b), by128, c), by128, d);
  for (; at < end; at += 16) a = fold(a, by128, load(at));
  return reduce(a, by128);
}

// The odd bytes at the end.
uint32_t bitwise(const uint8_t* bytes, size_t length, uint32_t state) {
  for (size_t i = 0; i < length; i++) {
    state ^= bytes[i];
    for (int bit = 0; bit < 8; bit++) state = (state >> 1) ^ (0xedb88320u & (0u - (state & 1)));
  }
  return state;
}

}  // namespace

bool elanus_has_crc32() {
  return __builtin_cpu_supports("pclmul") && __builtin_cpu_supports("sse4.1");
}

uint32_t elanus_crc32(const uint8_t* bytes, size_t length, uint32_t seed) {
  uint32_t state = ~seed;
  const size_t folded = length < 64 ? 0 : length & ~(size_t)15;
  if (folded > 0) state = foldAll(bytes, folded, state);
  return ~bitwise(bytes + folded, length - folded, state);
}

#else

bool elanus_has_crc32() { return false; }
uint32_t elanus_crc32(const uint8_t*, size_t, uint32_t) { return 0; }

#endif
