// Scan, rerank, 8-bit codes, norms and bitsets: one source, compiled once per instruction set
// (scripts/build-native.mjs, scripts/build-wasm.mjs). ELANUS_TABLE names the table it defines.
// No standard library and no inline function with external linkage in here: the linker must never
// be able to pick code of another instruction set.
#include "codes.h"
#include "elements.h"
#include "lanes.h"

// Keeps a function apart from who calls it: V8 compiles a WebAssembly function as a whole when it
// is first called, and one with every element and metric would cost the first search 6 ms.
#define APART __attribute__((noinline))

namespace {

constexpr float INF = __builtin_inff();
constexpr size_t BLOCK = 256;            // rows scored before they are offered to the heaps
constexpr size_t BLOCK_BYTES = 131072;   // of rows: stays in L2 while all queries pass
// Distance of the prefetch in a sequential scan. Short: on Zen 3, 768 bytes reach 94 % of a plain
// read, none 90 %, 6 KB 70 % (bench/kernels/scan.ts).
constexpr size_t AHEAD_BYTES = 768;
// Bytes of a row up to which a scan of codes takes four rows at a time.
constexpr size_t FOURS_STRIDE_MAX = 4096;
// Rows that a scan of some rows fetches ahead.
constexpr size_t SCATTERED_AHEAD = 3;

// ------------------------------------------------------------------------------------- top-k
// One heap: the worst kept entry is at the root. Order: score, then lower row; a total order, so
// the kept set does not depend on the order in which rows come.
struct Heap {
  size_t limit, count;
  float* scores;
  uint32_t* rows;
  uint8_t tied;
};

template <bool LARGER>
LANES bool better(float a, uint32_t rowA, float b, uint32_t rowB) {
  if (a == b) return rowA < rowB;
  return LARGER ? a > b : a < b;
}

template <bool LARGER>
void siftUp(const Heap& h, size_t at, float score, uint32_t row) {
  while (at > 0) {
    size_t parent = (at - 1) / 2;
    if (!better<LARGER>(h.scores[parent], h.rows[parent], score, row)) break;
    h.scores[at] = h.scores[parent];
    h.rows[at] = h.rows[parent];
    at = parent;
  }
  h.scores[at] = score;
  h.rows[at] = row;
}

template <bool LARGER>
void siftDown(const Heap& h, float score, uint32_t row) {
  size_t at = 0;
  for (;;) {
    size_t child = 2 * at + 1;
    if (child >= h.count) break;
    size_t other = child + 1;
    if (other < h.count &&
        better<LARGER>(h.scores[child], h.rows[child], h.scores[other], h.rows[other]))
      child = other;
    if (!better<LARGER>(score, row, h.scores[child], h.rows[child])) break;
    h.scores[at] = h.scores[child];
    h.rows[at] = h.rows[child];
    at = child;
  }
  h.scores[at] = score;
  h.rows[at] = row;
}

template <bool LARGER>
LANES void offer(Heap& h, float score, uint32_t row) {
  if (h.count < h.limit) {
    h.count++;
    siftUp<LARGER>(h, h.count - 1, score, row);
    return;
  }
  float worst = h.scores[0];
  if (!better<LARGER>(score, row, worst, h.rows[0])) {
    if (score == worst) h.tied = 1;
    return;
  }
  siftDown<LARGER>(h, score, row);
  if (h.scores[0] == worst) h.tied = 1;
  else h.tied = 0;
}

struct Bounds { float min, max; };

// Offers a block of scores. A score that is not a number (sums of infinities) counts as worst.
template <bool LARGER>
void offerBlock(Heap& h, const Bounds& bounds, const float* scores, const uint32_t* rows,
                size_t n) {
  const float last = LARGER ? -INF : INF;
  float worst = h.count == h.limit ? h.scores[0] : last;
  for (size_t i = 0; i < n; i++) {
    float s = scores[i];
    if (LARGER ? s < worst : s > worst) continue;
    if (s != s) s = last;
    if (!(s >= bounds.min && s <= bounds.max)) continue;
    offer<LARGER>(h, s, rows[i]);
    if (h.count == h.limit) worst = h.scores[0];
  }
}

LANES Heap openHeap(const TopK& top, size_t query) {
  size_t count = top.counts[query];
  if (count > top.limit) count = top.limit;  // another thread may have written it meanwhile
  return {top.limit, count, top.scores + query * top.limit, top.rows + query * top.limit,
          top.tied[query]};
}

LANES void closeHeap(const TopK& top, size_t query, const Heap& h) {
  top.counts[query] = (uint32_t)h.count;
  top.tied[query] = h.tied;
}

// ------------------------------------------------------------------------------ rows to visit
// Writes the next allowed rows of [at, to) to `rows`, at most `capacity`; returns how many.
LANES size_t nextRows(const uint32_t* allowed, size_t* at, size_t to, uint32_t* rows,
                      size_t capacity) {
  size_t row = *at, n = 0;
  if (!allowed) {
    size_t end = to - row < capacity ? to : row + capacity;
    for (; row < end; row++) rows[n++] = (uint32_t)row;
    *at = row;
    return n;
  }
  while (row < to && n < capacity) {
    const size_t word = row & ~(size_t)31;
    uint32_t bits = allowed[row >> 5] & (0xffffffffu << (row & 31));
    for (; bits != 0 && n < capacity; bits &= bits - 1)
      rows[n++] = (uint32_t)(word + (size_t)__builtin_ctz(bits));
    row = bits != 0 ? word + (size_t)__builtin_ctz(bits) : word + 32;
  }
  // Bits behind the end.
  while (n > 0 && rows[n - 1] >= to) n--;
  *at = row < to ? row : to;
  return n;
}

// ---------------------------------------------------------------------------- rows of numbers
// Scores one row against T queries; query t starts at q + t * dim, its score goes to
// out[t * BLOCK]. `ahead` is the memory that will be needed soon.
template <bool L2, int T, typename X>
LANES void scoreRow(const float* q, size_t dim, const Tail& tail, const X* x, const X* ahead,
                    float* out) {
  constexpr size_t LINE = 64 / sizeof(X);
  F16 acc[T];
  for (int t = 0; t < T; t++) acc[t] = zero16();
  size_t i = 0;
  for (; i + 16 <= dim; i += 16) {
    if (T == 1 && i % LINE == 0) __builtin_prefetch(ahead + i);
    F16 row = load16(x + i);
    for (int t = 0; t < T; t++) {
      F16 query = load16(q + (size_t)t * dim + i);
      if (L2) {
        F16 d = sub16(query, row);
        acc[t] = addMul16(acc[t], d, d);
      } else {
        acc[t] = addMul16(acc[t], query, row);
      }
    }
  }
  if (i < dim) {
    F16 row = loadTail(x + i, tail);
    for (int t = 0; t < T; t++) {
      F16 query = loadTail(q + (size_t)t * dim + i, tail);
      if (L2) {
        F16 d = sub16(query, row);
        acc[t] = addMul16(acc[t], d, d);
      } else {
        acc[t] = addMul16(acc[t], query, row);
      }
    }
  }
  for (int t = 0; t < T; t++) out[(size_t)t * BLOCK] = sum16(acc[t]);
}

struct Block {
  const uint32_t* rows;
  size_t n;
  bool sequential;
};

template <bool L2, int T, typename X>
void scoreBlock(const ScanRows* a, const float* q, const Block& block, float* out) {
  Tail tail = makeTail(a->dim & 15);
  const X* rows = (const X*)a->rows;
  for (size_t i = 0; i < block.n; i++) {
    const X* x = rows + (size_t)block.rows[i] * a->dim;
    size_t next = i + 2 < block.n ? i + 2 : block.n - 1;
    const X* ahead = block.sequential ? x + AHEAD_BYTES / sizeof(X)
                                      : rows + (size_t)block.rows[next] * a->dim;
    scoreRow<L2, T>(q, a->dim, tail, x, ahead, out + i);
  }
}

template <bool L2, int T, typename X>
APART void scanTile(const ScanRows* a, size_t query, const Block& block, const uint32_t* numbers) {
  float scores[T * BLOCK];
  scoreBlock<L2, T, X>(a, a->queries + query * a->dim, block, scores);
  for (int t = 0; t < T; t++) {
    float* s = scores + (size_t)t * BLOCK;
    if (a->metric == METRIC_COSINE) {
      float norm = a->queryNorms[query + (size_t)t];
      for (size_t i = 0; i < block.n; i++) s[i] = (s[i] * norm) * a->inverseNorms[block.rows[i]];
    }
    Heap h = openHeap(a->top, query + (size_t)t);
    offerBlock<!L2>(h, {a->min, a->max}, s, numbers, block.n);
    closeHeap(a->top, query + (size_t)t, h);
  }
}

// Rows that are looked at together when several queries pass over them.
LANES size_t blockRows(size_t nq, size_t rowBytes) {
  if (nq == 1) return BLOCK;
  const size_t rows = BLOCK_BYTES / rowBytes;
  return rows < 8 ? 8 : rows > BLOCK ? BLOCK : rows;
}

template <bool L2, typename X>
APART void scanWith(const ScanRows* a) {
  uint32_t rows[BLOCK], numbers[BLOCK];
  const size_t capacity = blockRows(a->nq, a->dim * sizeof(X));
  for (size_t at = a->from; at < a->to;) {
    size_t n = nextRows(a->allowed, &at, a->to, rows, capacity);
    if (n == 0) break;
    for (size_t i = 0; i < n; i++) numbers[i] = rows[i] + a->rowBase;
    Block block = {rows, n, a->allowed == nullptr};
    size_t query = 0;
    for (; query + QUERY_TILE <= a->nq; query += QUERY_TILE)
      scanTile<L2, QUERY_TILE, X>(a, query, block, numbers);
    for (; query < a->nq; query++) scanTile<L2, 1, X>(a, query, block, numbers);
  }
}

template <typename X>
void scanOf(const ScanRows* a) {
  if (a->metric == METRIC_L2) scanWith<true, X>(a);
  else scanWith<false, X>(a);
}

void scanRows(const ScanRows* a) {
  switch (a->element) {
    case ELEMENT_FLOAT32: return scanOf<float>(a);
    case ELEMENT_FLOAT16: return scanOf<Half>(a);
    case ELEMENT_BFLOAT16: return scanOf<Brain>(a);
    default: return scanOf<int8_t>(a);
  }
}

template <bool L2, typename X>
LANES float scoreOne(const RerankRows* a, const Tail& tail, uint32_t row, uint32_t next) {
  float score = 0;
  const X* rows = (const X*)a->rows;
  const X* x = rows + (size_t)row * a->dim;
  scoreRow<L2, 1>(a->query, a->dim, tail, x, rows + (size_t)next * a->dim, &score);
  if (a->metric == METRIC_COSINE) score = (score * a->queryNorm) * a->inverseNorms[row];
  if (score != score) score = L2 ? INF : -INF;
  return score;
}

template <bool L2, typename X>
APART void rerankWith(const RerankRows* a) {
  Tail tail = makeTail(a->dim & 15);
  Heap h = {};
  if (!a->scores) h = openHeap(a->top, 0);
  for (size_t i = 0; i < a->listLength; i++) {
    uint32_t number = a->list[i], row = number - a->rowBase;
    if (row >= a->rowCount) continue;
    uint32_t next = i + 1 < a->listLength ? a->list[i + 1] - a->rowBase : row;
    float score = scoreOne<L2, X>(a, tail, row, next < a->rowCount ? next : row);
    if (a->scores) a->scores[i] = score;
    else if (score >= a->min && score <= a->max) offer<!L2>(h, score, number);
  }
  if (!a->scores) closeHeap(a->top, 0, h);
}

template <typename X>
void rerankOf(const RerankRows* a) {
  if (a->metric == METRIC_L2) rerankWith<true, X>(a);
  else rerankWith<false, X>(a);
}

void rerankRows(const RerankRows* a) {
  switch (a->element) {
    case ELEMENT_FLOAT32: return rerankOf<float>(a);
    case ELEMENT_FLOAT16: return rerankOf<Half>(a);
    case ELEMENT_BFLOAT16: return rerankOf<Brain>(a);
    default: return rerankOf<int8_t>(a);
  }
}

template <typename X>
LANES float squaredNorm(const X* x, size_t dim, const Tail& tail) {
  F16 acc = zero16();
  size_t i = 0;
  for (; i + 16 <= dim; i += 16) {
    if (i * sizeof(X) % 64 == 0) __builtin_prefetch((const uint8_t*)(x + i) + AHEAD_BYTES);
    const F16 row = load16(x + i);
    acc = addMul16(acc, row, row);
  }
  if (i < dim) {
    const F16 row = loadTail(x + i, tail);
    acc = addMul16(acc, row, row);
  }
  return sum16(acc);
}

template <typename X>
APART void inverseNormsOf(const InverseNorms* a) {
  Tail tail = makeTail(a->dim & 15);
  const X* rows = (const X*)a->rows;
  for (size_t r = a->from; r < a->to; r++) {
    float norm = squaredNorm(rows + r * a->dim, a->dim, tail);
    a->out[r] = norm > 0 ? 1.0f / __builtin_sqrtf(norm) : 0.0f;
  }
}

void inverseNorms(const InverseNorms* a) {
  switch (a->element) {
    case ELEMENT_FLOAT32: return inverseNormsOf<float>(a);
    case ELEMENT_FLOAT16: return inverseNormsOf<Half>(a);
    case ELEMENT_BFLOAT16: return inverseNormsOf<Brain>(a);
    default: return inverseNormsOf<int8_t>(a);
  }
}

// --------------------------------------------------------------------------------- 8-bit codes
// code = round((x * inverseNorm - low) / step) clamped to 0..255; halves round up.
struct GridScale { float scale, low, inverseStep; };

LANES void encodeRow(const float* __restrict x, uint8_t* __restrict c, size_t dim, GridScale g) {
  for (size_t i = 0; i < dim; i++) {
    float v = (x[i] * g.scale - g.low) * g.inverseStep;
    v = v > 0.0f ? v : 0.0f;
    v = v < 255.0f ? v : 255.0f;
    c[i] = (uint8_t)(int32_t)(v + 0.5f);
  }
}

LANES uint32_t codeTerm(const uint8_t* __restrict c, size_t dim) {
  uint32_t sum = 0, squares = 0;
  for (size_t i = 0; i < dim; i++) {
    uint32_t code = c[i];
    sum += code;
    squares += code * code;
  }
  return squares - 256u * sum;
}

LANES uint32_t codeSum(const uint8_t* __restrict c, size_t dim) {
  uint32_t sum = 0;
  for (size_t i = 0; i < dim; i++) sum += c[i];
  return sum;
}

LANES void encodeNumbers(const float* x, uint8_t* c, size_t dim, GridScale g) {
  encodeRow(x, c, dim, g);
}

template <typename X>
LANES void encodeNumbers(const X* x, uint8_t* c, size_t dim, GridScale g) {
  float numbers[16];
  for (size_t i = 0; i < dim; i += 16) {
    const size_t n = dim - i < 16 ? dim - i : 16;
    store16(x + i, n, numbers);
    encodeRow(numbers, c + i, n, g);
  }
}

template <typename X>
APART void encodeOf(const EncodeSq8* a) {
  const size_t dim = a->dim, stride = a->stride;
  Tail tail = makeTail(dim & 15);
  for (size_t r = a->from; r < a->to; r++) {
    const X* x = (const X*)a->rows + r * dim;
    uint8_t* c = a->codes + r * stride;
    const float scale = a->inverseNorms ? a->inverseNorms[r] : 1.0f;
    encodeNumbers(x, c, dim, {scale, a->low, a->inverseStep});
    for (size_t i = dim; i < stride; i++) c[i] = 0;
    a->terms[r] = codeTerm(c, dim);
    if (a->innerTerms) a->innerTerms[r] = 0u - codeSum(c, dim);
    if (a->norms) a->norms[r] = squaredNorm(x, dim, tail);
  }
}

void encodeSq8(const EncodeSq8* a) {
  switch (a->element) {
    case ELEMENT_FLOAT32: return encodeOf<float>(a);
    case ELEMENT_FLOAT16: return encodeOf<Half>(a);
    case ELEMENT_BFLOAT16: return encodeOf<Brain>(a);
    default: return encodeOf<int8_t>(a);
  }
}

// Dot products of a block of rows, one after the other.
template <bool ALL>
LANES void dotBlock(const ScanSq8* a, const uint32_t* rows, size_t n, uint32_t* dots) {
  for (size_t i = 0; i < n; i++) {
    if (!ALL && i + SCATTERED_AHEAD < n) {
      const uint8_t* ahead = a->codes + (size_t)rows[i + SCATTERED_AHEAD] * a->stride;
      for (size_t o = 0; o < a->stride; o += 64) __builtin_prefetch(ahead + o);
    }
    const uint8_t* codes = a->codes + (size_t)rows[i] * a->stride;
    dots[i] = (uint32_t)dot8<ALL>(codes, a->query, a->stride);
  }
}

// The same, four rows at a time: the query is read once for them.
LANES void dotBlockByFours(const ScanSq8* a, const Prepared* query, const uint32_t* rows, size_t n,
                           uint32_t* dots) {
  for (size_t i = 0; i < n; i += 4) {
    const uint8_t *at[4], *ahead[4];
    for (size_t k = 0; k < 4; k++) {
      at[k] = a->codes + (size_t)rows[i + k < n ? i + k : n - 1] * a->stride;
      ahead[k] = i + 4 + k < n ? a->codes + (size_t)rows[i + 4 + k] * a->stride : at[k];
    }
    int32_t four[4];
    dotFour(at, ahead, query, a->stride, four);
    for (size_t k = 0; k < 4 && i + k < n; k++) dots[i + k] = (uint32_t)four[k];
  }
}

// Candidates by the distance on the grid: sum (c - q)^2 = term + queryTerm - 2 dot, exact in
// wrapping 32 bits; score = weight * distance - norm, smaller is better for every metric.
template <bool ALL>
void scanCodes(const ScanSq8* a) {
  uint32_t rows[BLOCK], numbers[BLOCK], dots[BLOCK];
  float scores[BLOCK];
  Prepared query[FOURS_STRIDE_MAX];
  const bool able = a->stride % 64 == 0 && a->stride <= FOURS_STRIDE_MAX;
  if (able) prepareQuery(a->query, a->stride, query);
  Heap h = openHeap(a->top, 0);
  for (size_t at = a->from; at < a->to;) {
    size_t n = nextRows(a->allowed, &at, a->to, rows, BLOCK);
    if (n == 0) break;
    if (!ALL)
      for (size_t i = 0; i < n; i++) __builtin_prefetch(a->terms + rows[i]);
    // Rows that follow each other come faster from memory in one stream.
    const bool scattered = !ALL && rows[n - 1] - rows[0] >= 2 * n;
    if (able && (scattered || a->cached)) dotBlockByFours(a, query, rows, n, dots);
    else dotBlock<ALL>(a, rows, n, dots);
    for (size_t i = 0; i < n; i++) {
      const uint32_t row = rows[i];
      float s = a->weight * (float)(a->terms[row] + a->queryTerm - 2u * dots[i]);
      scores[i] = a->norms ? s - a->norms[row] : s;
      numbers[i] = row + a->rowBase;
    }
    offerBlock<false>(h, {-INF, INF}, scores, numbers, n);
  }
  closeHeap(a->top, 0, h);
}

void scanSq8(const ScanSq8* a) {
  if (a->allowed) scanCodes<false>(a);
  else scanCodes<true>(a);
}

}  // namespace

#include "bits.h"
#include "graph-search.h"
#include "rabitq.h"
#include "graph-build.h"

namespace {

// ------------------------------------------------------------------------- values and bitsets
// Not in the WASM module: there they would have to copy their arguments first.
#if !defined(__wasm__)
LANES uint32_t exponentBits(float value) {
  uint32_t bits = 0;
  __builtin_memcpy(&bits, &value, 4);
  return bits & 0x7f800000u;
}

ptrdiff_t firstNonFinite(const float* values, size_t length) {
  size_t i = 0;
  for (; i + 64 <= length; i += 64) {
    uint32_t bad = 0;
    for (size_t j = 0; j < 64; j++) bad |= exponentBits(values[i + j]) == 0x7f800000u;
    if (bad) break;
  }
  for (; i < length; i++)
    if (exponentBits(values[i]) == 0x7f800000u) return (ptrdiff_t)i;
  return -1;
}

void bitAnd(uint32_t* into, const uint32_t* other, size_t words) {
  for (size_t i = 0; i < words; i++) into[i] &= other[i];
}
void bitOr(uint32_t* into, const uint32_t* other, size_t words) {
  for (size_t i = 0; i < words; i++) into[i] |= other[i];
}
void bitAndNot(uint32_t* into, const uint32_t* other, size_t words) {
  for (size_t i = 0; i < words; i++) into[i] &= ~other[i];
}
uint32_t popcount(const uint32_t* words, size_t length) {
  uint32_t n = 0;
  for (size_t i = 0; i < length; i++) {
    uint32_t x = words[i];
    x = x - ((x >> 1) & 0x55555555u);
    x = (x & 0x33333333u) + ((x >> 2) & 0x33333333u);
    x = (x + (x >> 4)) & 0x0f0f0f0fu;
    n += (x * 0x01010101u) >> 24;
  }
  return n;
}
#endif

}  // namespace

#if defined(__wasm__)
// Exports of the WASM module; argument records are written by src/wasm.ts field by field.
#define EXPORT extern "C" __attribute__((visibility("default"), used))
EXPORT int abi() { return ELANUS_KERNELS_ABI; }
EXPORT void scan_rows(const ScanRows* a) { scanRows(a); }
EXPORT void rerank_rows(const RerankRows* a) { rerankRows(a); }
EXPORT void inverse_norms(const InverseNorms* a) { inverseNorms(a); }
EXPORT void scan_bits(const ScanBits* a) { scanBits(a); }
EXPORT void score_bits(const ScoreBits* a) { scoreBits(a); }
EXPORT void encode_sq8(const EncodeSq8* a) { encodeSq8(a); }
EXPORT void scan_sq8(const ScanSq8* a) { scanSq8(a); }
EXPORT void rotate_queries(const RotateQueries* a) { rotateQueries(a); }
EXPORT void encode_rabitq(const EncodeRabitq* a) { encodeRabitq(a); }
EXPORT int scan_rabitq(const ScanRabitq* a) { return scanRabitq(a); }
EXPORT size_t search_graph(const SearchGraph* a) { return searchGraph(a); }
EXPORT size_t find_links(const FindLinks* a) { return findLinks(a); }
EXPORT size_t merge_links(const MergeLinks* a) { return mergeLinks(a); }
#else
static const KernelTable table = {
    scanRows,      rerankRows,   inverseNorms, scanBits,    scoreBits, encodeSq8,  scanSq8,
    rotateQueries, encodeRabitq, scanRabitq,   searchGraph, findLinks, mergeLinks, firstNonFinite,
    bitAnd,        bitOr,        bitAndNot,    popcount};
extern "C" const KernelTable* ELANUS_TABLE() { return &table; }
#endif
