// The table of kernels that every instruction set provides, and the arguments they take.
// Kernels trust their arguments: addon.cc and src/check.ts validate. They keep no state, allocate
// nothing and never block, so any number of threads may run them over the same rows.
#pragma once
#include <stddef.h>
#include <stdint.h>

// Bumped whenever an argument or a result changes; src/native.ts and src/wasm.ts ask for it.
#define ELANUS_KERNELS_ABI 1

enum Metric { METRIC_L2 = 0, METRIC_IP = 1, METRIC_COSINE = 2 };

// Caller-held result state of one scan: a binary heap per query, worst entry first.
struct TopK {
  size_t limit;      // capacity of each heap, at least 1
  float* scores;     // [nq x limit]
  uint32_t* rows;    // [nq x limit]
  uint32_t* counts;  // [nq]
  uint8_t* tied;     // [nq] a row with the worst kept score was dropped
};

struct ScanFloat32 {
  uint32_t metric;
  size_t dim;
  const float* rows;
  const float* inverseNorms;  // [>= to], cosine only
  size_t from, to;
  uint32_t rowBase;
  const uint32_t* allowed;  // bit i = row i; null = all
  const float* queries;     // [nq x dim]
  const float* queryNorms;  // [nq] inverse norms, cosine only
  size_t nq;
  float min, max;  // inclusive bounds of the score
  TopK top;
};

struct RerankFloat32 {
  uint32_t metric;
  size_t dim;
  const float* rows;
  const float* inverseNorms;
  size_t rowCount;  // rows of this chunk
  uint32_t rowBase;
  const uint32_t* list;  // row numbers; those outside the chunk are skipped
  size_t listLength;
  const float* query;
  float queryNorm;
  float min, max;
  TopK top;       // of this one query
  float* scores;  // when set, scores[i] = score of list[i] and top is not touched
};

struct EncodeSq8 {
  size_t dim, stride;
  const float* rows;
  const float* inverseNorms;  // rows are scaled by these when set
  size_t from, to;
  float low, inverseStep;
  uint8_t* codes;   // [>= to x stride]
  uint32_t* terms;  // [>= to] sum c^2 - 256 sum c, wrapping
  float* norms;     // [>= to] squared norm of the row, or null
};

struct ScanSq8 {
  size_t stride;
  const uint8_t* codes;
  const uint32_t* terms;
  const float* norms;  // null = none
  size_t from, to;
  uint32_t rowBase;
  const uint32_t* allowed;
  const int8_t* query;  // [stride], padded with 0
  uint32_t queryTerm;   // sum of the squared query codes
  float weight;         // squared step
  TopK top;
};

struct KernelTable {
  void (*scanFloat32)(const ScanFloat32*);
  void (*rerankFloat32)(const RerankFloat32*);
  void (*inverseNorms)(const float* rows, size_t dim, size_t from, size_t to, float* out);
  void (*encodeSq8)(const EncodeSq8*);
  void (*scanSq8)(const ScanSq8*);
  ptrdiff_t (*firstNonFinite)(const float* values, size_t length);
  void (*bitAnd)(uint32_t* into, const uint32_t* other, size_t words);
  void (*bitOr)(uint32_t* into, const uint32_t* other, size_t words);
  void (*bitAndNot)(uint32_t* into, const uint32_t* other, size_t words);
  uint32_t (*popcount)(const uint32_t* words, size_t length);
};

#ifdef __cplusplus
extern "C" {
#endif
// Each null where the build has no such instruction set.
const KernelTable* elanus_kernels_sse2();
const KernelTable* elanus_kernels_avx2();
const KernelTable* elanus_kernels_avx512();
const KernelTable* elanus_kernels_neon();
#ifdef __cplusplus
}
#endif
