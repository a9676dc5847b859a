// The table of kernels that every instruction set provides, and the arguments they take.
// Kernels trust their arguments: addon.cc and src/check.ts validate. They keep no state, allocate
// nothing and never block, so any number of threads may run them over the same rows.
#pragma once
#include <stddef.h>
#include <stdint.h>

// Bumped whenever an argument or a result changes; src/native.ts and src/wasm.ts ask for it.
constexpr uint32_t ELANUS_KERNELS_ABI = 8;

enum Metric { METRIC_L2 = 0, METRIC_IP = 1, METRIC_COSINE = 2 };
enum BitMetric { METRIC_HAMMING = 0, METRIC_JACCARD = 1, METRIC_TANIMOTO = 2 };
// How numbers of a row are stored: elements.h. Rows are aligned to the size of one.
enum Element { ELEMENT_FLOAT32 = 0, ELEMENT_FLOAT16 = 1, ELEMENT_BFLOAT16 = 2, ELEMENT_INT8 = 3 };

// Caller-held result state of one scan: a binary heap per query, worst entry first.
struct TopK {
  size_t limit;      // capacity of each heap, at least 1
  float* scores;     // [nq x limit]
  uint32_t* rows;    // [nq x limit]
  uint32_t* counts;  // [nq]
  uint8_t* tied;     // [nq] a row with the worst kept score was dropped
};

struct ScanRows {
  uint32_t metric;
  uint32_t element;
  size_t dim;
  const void* rows;
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

struct RerankRows {
  uint32_t metric;
  uint32_t element;
  size_t dim;
  const void* rows;
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

struct InverseNorms {
  uint32_t element;
  size_t dim;
  const void* rows;
  size_t from, to;
  float* out;  // [>= to]
};

// Rows of bits: `bytes` of each, tight.
struct ScanBits {
  uint32_t metric;
  size_t bytes;
  const uint8_t* rows;
  size_t from, to;
  uint32_t rowBase;
  const uint32_t* allowed;
  const uint8_t* queries;  // [nq x bytes]
  size_t nq;
  float min, max;
  TopK top;
};

struct ScoreBits {
  uint32_t metric;
  size_t bytes;
  const uint8_t* rows;
  size_t rowCount;
  uint32_t rowBase;
  const uint32_t* list;
  size_t listLength;
  const uint8_t* query;
  float* scores;  // [listLength]
};

struct EncodeSq8 {
  uint32_t element;
  size_t dim, stride;
  const void* rows;
  const float* inverseNorms;  // rows are scaled by these when set
  size_t from, to;
  float low, inverseStep;
  uint8_t* codes;   // [>= to x stride]
  uint32_t* terms;  // [>= to] sum c^2 - 256 sum c, wrapping
  uint32_t* innerTerms;  // [>= to] minus the sum of the codes, or null
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
  uint32_t cached;      // the rows were read a moment ago
  TopK top;
};

// How the vector of a node is stored: as 8-bit codes, or as numbers of the element that is added.
enum Codec { CODEC_SQ8 = 0, CODEC_NUMBERS = 1 };

// A graph over rows: a base layer that holds every row and upper layers that hold a share of
// them. Nodes of upper layers are numbered from the top one down, so that the nodes of a layer are
// the first ones of the layer below: layer l has graphCount(nodes, degree, l) of them, and node 0
// is where every walk begins. A list of links ends at the first number that is no node, so that no
// byte of a graph can lead outside of it.
struct Graph {
  size_t rows;    // below 2^31
  size_t nodes;   // rows that the graph links; the others are twins of one of them
  size_t stride;  // bytes of a vector; of codes a multiple of 64
  size_t degree;  // links of an upper node; a row has up to twice as many
  uint32_t metric;            // of the keys; codes of COSINE are compared by their distances
  uint32_t codec;
  size_t dim;                 // of numbers
  const uint8_t* codes;       // [rows x stride]; null = in another memory (WebAssembly)
  const uint32_t* terms;      // [rows] of codes; COSINE of numbers: bits of the inverse norms
  uint32_t* links;            // [rows x 2 degree]
  const uint32_t* upperRows;  // [nodes of layer 1] the row of each upper node
  uint32_t* upperLinks;       // [nodes of layer 1 x degree], [nodes of layer 2 x degree], ...
};

// GRAPH_SCAN walks nowhere: it looks at every row that is allowed.
enum GraphMode { GRAPH_ALL = 0, GRAPH_TEST = 1, GRAPH_TWO_HOP = 2, GRAPH_SCAN = 3 };
// What became of a query.
enum GraphOutcome { GRAPH_PENDING = 0, GRAPH_FOUND = 1, GRAPH_OUTSIDE = 2, GRAPH_GAVE_UP = 3 };
constexpr size_t GRAPH_OUTCOME_WORDS = 4;  // outcome, candidates, distances, nodes visited
constexpr size_t GRAPH_STATE_WORDS = 16;   // words at the start of the scratch; see graph.h
constexpr size_t GRAPH_BATCH = 1024;       // distances that are computed together at most
constexpr size_t GRAPH_DEGREE_MAX = 64;

struct SearchGraph {
  Graph graph;
  uint32_t metric;
  uint32_t element;
  size_t dim;
  float low, step;
  float edge;            // largest number that the grid holds on either side (IP, COSINE)
  const float* queries;  // [nq x dim]
  size_t nq;
  uint32_t mode;
  size_t ef;         // results that a walk looks for
  size_t capacity;   // nodes that a walk keeps, at least ef
  size_t candidates;  // results that are scored exactly
  size_t distancesMax;  // of one query, before it gives up
  float leastShare;     // two-hop: of allowed rows around the query, below which it gives up
  size_t budget;        // distances of this call
  const uint32_t* allowed;  // [>= rows bits] or null
  float min, max;           // inclusive bounds of the score
  const void* rows;  // [rows x dim]; null = candidates stay in the scratch (WebAssembly)
  const float* inverseNorms;
  uint32_t rowBase;
  TopK top;
  uint32_t* outcomes;  // [nq x GRAPH_OUTCOME_WORDS]
  uint32_t* scratch;   // graphScratchBytes, 8-byte aligned
};

struct FindLinks {
  Graph graph;
  const uint32_t* order;  // the row of each position from orderStart on; upper nodes come first
  size_t orderStart;      // at most roundStart
  size_t roundStart;      // positions before it are linked already
  size_t from, to;        // positions to find links for, of one level
  size_t level;           // highest layer of those positions
  size_t ef;
  size_t budget;
  uint32_t* chosen;  // [(to - from) x (level + 1) x degree], base layer first
  uint32_t* scratch;
};

struct MergeLinks {
  Graph graph;
  size_t layer;
  const uint32_t* targets;  // [targetCount]
  const uint32_t* starts;   // [targetCount + 1] where the sources of each target begin
  size_t targetCount;
  const uint32_t* sources;
  size_t sourceCount;
  size_t from;  // first target of this call
  size_t budget;
  uint32_t* scratch;
};

// Lists of rows as 1-bit codes of rotated rows, all in one memory: see rabitq.h. Nothing in it is
// used as an index before it was compared with the end of its array.
struct Rabitq {
  size_t rowCount, lists;
  size_t dim;
  size_t padded;  // bits of a row: dim rounded up to 128
  uint8_t* codes;           // [rowCount x padded / 8], in the order of the lists
  float* factors;           // [rowCount x 2]
  const uint32_t* rows;     // [rowCount] the row at each place
  const uint32_t* starts;   // [lists + 1]
  const float* centroids;   // [lists x padded], rotated
  const uint32_t* signs;    // [4 x padded / 32] what decides the rotation
};
constexpr size_t RABITQ_BYTES_MAX = 4096;  // of a row

struct RotateQueries {
  Rabitq view;
  const float* queries;  // [nq x dim]
  size_t nq;
  float* out;  // [nq x padded]
};

struct EncodeRabitq {
  Rabitq view;
  uint32_t metric;
  uint32_t element;
  const void* rows;           // [rowCount x dim]
  const float* inverseNorms;  // rows are scaled by these when set
  size_t rowCount;
  size_t list;
  size_t from, to;            // places of that list
  const uint32_t* numbers;    // [to - from] the row at each of them
  float* scratch;             // [padded]
};

struct ScanRabitq {
  Rabitq view;
  const float* query;  // [padded], rotated
  const uint32_t* lists;
  size_t listCount;
  uint32_t* state;  // [2] lists that are through, rows of the next one that are
  size_t budget;    // bytes of codes, or what costs as much
  const uint32_t* allowed;  // by row
  TopK top;                 // of this one query; the smallest estimates
};

// Bytes of one number of a row.
static inline size_t elementBytes(uint32_t element) {
  return element == ELEMENT_FLOAT32 ? 4 : element == ELEMENT_INT8 ? 1 : 2;
}

// Nodes of an upper layer.
static inline size_t graphCount(size_t nodes, size_t degree, size_t layer) {
  size_t count = nodes;
  for (size_t l = 0; l < layer && count > 0; l++) count /= degree;
  return layer == 1 && count == 0 && nodes > 0 ? 1 : count;
}

// Bytes of a vector that others are compared with, in the scratch.
static inline size_t graphAskedBytes(const Graph* g) {
  return g->codec == CODEC_SQ8 ? g->stride * 2 : (g->dim * 4 + 63) / 64 * 64;
}

// Bytes of the scratch of a search (twin of src/graph.ts): state, prepared query, room for a vector
// that is loaded, ids, rows and keys of a batch, visited bits, pool. A build prepares the rows that
// it has chosen as well.
static inline size_t graphScratchBytes(const Graph* g, size_t capacity, bool build) {
  const size_t vectors = (build ? 2 * g->degree + 1 : 1) + (g->codec == CODEC_SQ8 ? 0 : 1);
  size_t prepared = graphAskedBytes(g) * vectors;
  size_t visited = (g->rows + 511) / 512 * 64;
  return GRAPH_STATE_WORDS * 4 + prepared + GRAPH_BATCH * 12 + visited + (capacity + 1) * 8;
}

struct KernelTable {
  void (*scanRows)(const ScanRows*);
  void (*rerankRows)(const RerankRows*);
  void (*inverseNorms)(const InverseNorms*);
  void (*scanBits)(const ScanBits*);
  void (*scoreBits)(const ScoreBits*);
  void (*encodeSq8)(const EncodeSq8*);
  void (*scanSq8)(const ScanSq8*);
  void (*rotateQueries)(const RotateQueries*);
  void (*encodeRabitq)(const EncodeRabitq*);
  // Whether all lists are through; false when the budget is spent: call again.
  bool (*scanRabitq)(const ScanRabitq*);
  // How many queries are decided; fewer than nq when the budget is spent: call again.
  size_t (*searchGraph)(const SearchGraph*);
  // The first position that is not done; `to` when all are.
  size_t (*findLinks)(const FindLinks*);
  // The first target that is not done; targetCount when all are.
  size_t (*mergeLinks)(const MergeLinks*);
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
