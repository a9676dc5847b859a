// Walks over a graph of rows: best-first search of a layer, and the search of queries.
//
// Candidates lie in one sorted pool, nearest first; the cursor goes to the nearest one that was not
// visited, and a walk ends when all that are kept were. Order: key, then id; a total order of exact
// integers, so walks take the same way on every instruction set. Nothing that is read from the
// graph or from the scratch is used as an index before it was compared with the end of its array.
#pragma once
#include "codes.h"
#include "vectors.h"

namespace {

// key (31 bits), id (31 bits), RESULT, VISITED: numbers compare as (key, id).
typedef uint64_t Entry;
constexpr Entry VISITED = 1;  // the links of this node were read
constexpr Entry RESULT = 2;   // may be returned
constexpr uint32_t ID_MAX = 0x7fffffffu;
constexpr uint32_t NO_LINK = 0xffffffffu;

constexpr size_t SEEDS = 10;         // nodes that a two-hop walk begins with
constexpr size_t HOPS_ENOUGH = 32;   // candidates of one step of a two-hop walk
constexpr size_t STEPS_MAX = 4096;   // of a descent in one layer: a sound graph needs a few dozen
constexpr size_t ROWS_AHEAD = 4;     // rows that are fetched before they are multiplied
constexpr size_t SHORT_ROW = 256;    // bytes of a row up to which a whole batch is fetched at once
constexpr size_t LONG_ROW = 2048;    // bytes of a row from which on one is fetched ahead
constexpr size_t LINKS_AHEAD = 8;    // candidates from the cursor on whose links are fetched
constexpr size_t SCAN_BATCH = 256;   // rows that a scan takes together
constexpr size_t EXACT_CHUNK = 64;   // candidates scored between two looks at the budget
constexpr size_t PAGE_BYTES = 2048;   // half a page: a row that crosses into one is seen to
constexpr uint32_t EXACT_COST = 4;   // an exact score reads four times the bytes of a key
constexpr float OVERSHOOT_MAX = 32;  // steps outside the grid that a query may have in all

enum Phase { PHASE_BEGIN = 0, PHASE_SEED = 1, PHASE_WALK = 2, PHASE_EXACT = 3 };

// The first words of the scratch: what a search needs to go on where a call ended.
struct State {
  uint32_t query, phase, size, cursor, kept, distances, visits, reach, term, scored, scanned;
  uint32_t unused[GRAPH_STATE_WORDS - 11];
};

LANES Entry entryOf(uint32_t key, uint32_t id) { return ((Entry)key << 33) | ((Entry)id << 2); }
LANES uint32_t keyOf(Entry e) { return (uint32_t)(e >> 33); }
LANES uint32_t idOf(Entry e) { return (uint32_t)(e >> 2) & ID_MAX; }
LANES bool hasBit(const uint32_t* bits, uint32_t i) { return (bits[i >> 5] >> (i & 31)) & 1; }

// A number that another thread may change meanwhile: what was compared is what is used.
LANES uint32_t readOnce(const uint32_t* at) {
#if defined(__wasm__)
  return *at;
#else
  return __atomic_load_n(at, __ATOMIC_RELAXED);
#endif
}

// Links of a layer; `rowOf` is null in the base layer, whose nodes are rows.
struct Layer {
  uint32_t* links;
  size_t width, count;
  const uint32_t* rowOf;
};

LANES Layer layerOf(const Graph& g, size_t layer) {
  if (layer == 0) return {g.links, 2 * g.degree, g.rows, nullptr};
  uint32_t* links = g.upperLinks;
  for (size_t l = 1; l < layer; l++) links += graphCount(g.nodes, g.degree, l) * g.degree;
  return {links, g.degree, graphCount(g.nodes, g.degree, layer), g.upperRows};
}

LANES size_t layersOf(const Graph& g) {
  size_t layer = 0;
  while (graphCount(g.nodes, g.degree, layer + 1) > 0) layer++;
  return layer;
}

struct Walk {
  const Graph* g;
  Layer layer;
  uint8_t* query;
  uint32_t term;  // the part of a key that only the query decides
  float* spare;   // numbers: room for a vector
  uint32_t* visited;
  const uint32_t* allowed;
  uint32_t *ids, *rows, *keys;  // of a batch
  Entry* pool;
  size_t size, cursor, kept, ef, capacity;
  uint32_t reach;  // keys below it are kept beyond ef
  uint32_t distances, visits;
  uint8_t* prepared;  // builds: [2 degree] rows as queries
  size_t askedBytes;  // of each of them
};

// Carves the scratch up: graphScratchBytes.
LANES Walk openScratch(const Graph& g, uint32_t* scratch, bool build) {
  Walk w = {};
  uint8_t* at = (uint8_t*)(scratch + GRAPH_STATE_WORDS);
  w.g = &g;
  w.askedBytes = graphAskedBytes(&g);
  w.query = at;
  at += w.askedBytes;
  w.spare = (float*)at;
  if (g.codec != CODEC_SQ8) at += w.askedBytes;
  w.prepared = at;
  if (build) at += w.askedBytes * 2 * g.degree;
  w.ids = (uint32_t*)at;
  w.rows = w.ids + GRAPH_BATCH;
  w.keys = w.rows + GRAPH_BATCH;
  w.visited = w.keys + GRAPH_BATCH;
  w.pool = (Entry*)(w.visited + (g.rows + 511) / 512 * 16);
  return w;
}

LANES void clearVisited(Walk& w, size_t count) {
  __builtin_memset(w.visited, 0, (count + 31) / 32 * 4);
}
LANES void markVisited(Walk& w, uint32_t id) { w.visited[id >> 5] |= 1u << (id & 31); }

LANES void fetchRow(const Graph& g, uint32_t row) {
  const uint8_t* at = g.codes + (size_t)row * g.stride;
  for (size_t o = 0; o < g.stride; o += 64) __builtin_prefetch(at + o);
}

// Keys of the n rows of a batch, all of them below g.rows, of which fetchBatch fetched the first
// ones; `soon` are rows that are likely to be wanted after them.
LANES void codeKeys(Walk& w, const uint32_t* rows, size_t n, const uint32_t* soon,
                    size_t soonCount) {
  const Graph& g = *w.g;
  const Prepared* query = (const Prepared*)w.query;
  const size_t stride = g.stride;
  const uint8_t* codes = g.codes;
  size_t i = 0;
  for (; i + 1 < n; i += 4) {
    const uint8_t *at[4], *ahead[4];
    for (size_t k = 0; k < 4; k++) {
      at[k] = codes + rows[i + k < n ? i + k : n - 1] * stride;
      const size_t next = i + 4 + k;
      ahead[k] = next < n ? codes + rows[next] * stride
                 : next - n < soonCount ? codes + soon[next - n] * stride : at[k];
    }
    int32_t dots[4];
    dotFour(at, ahead, query, stride, dots);
    for (size_t k = 0; k < 4 && i + k < n; k++)
      w.keys[i + k] = g.terms[rows[i + k]] + w.term - 2u * (uint32_t)dots[k];
  }
  if (i < n) {
    uint32_t dot = (uint32_t)dotOne(codes + rows[i] * stride, query, stride);
    w.keys[i] = g.terms[rows[i]] + w.term - 2u * dot;
  }
}
LANES void keysOf(Walk& w, const uint32_t* rows, size_t n, const uint32_t* soon, size_t soonCount) {
  if (w.g->codec == CODEC_SQ8) codeKeys(w, rows, n, soon, soonCount);
  else numberKeys(*w.g, {(const float*)w.query, w.term}, {rows, n, w.keys, w.spare});
  w.distances += (uint32_t)n;
}
LANES void keysOf(Walk& w, const uint32_t* rows, size_t n) { keysOf(w, rows, n, nullptr, 0); }

LANES void fetchLinks(const Walk& w, uint32_t id) {
  const uint32_t* list = w.layer.links + (size_t)id * w.layer.width;
  for (size_t o = 0; o < w.layer.width; o += 16) __builtin_prefetch(list + o);
}

LANES void fetchBatch(const Walk& w, const uint32_t* rows, size_t n) {
  const size_t stride = w.g->stride;
  const size_t most = stride <= SHORT_ROW ? n : stride < LONG_ROW ? ROWS_AHEAD : 1;
  if (w.g->terms)
    for (size_t i = 0; i < n; i++) __builtin_prefetch(w.g->terms + rows[i]);
  for (size_t i = 0; i < n && i < most; i++) fetchRow(*w.g, rows[i]);
}

// The links of a node that were not seen before.
template <bool UPPER>
LANES size_t gather(Walk& w, uint32_t id) {
  const uint32_t* list = w.layer.links + (size_t)id * w.layer.width;
  const size_t width = w.layer.width, count = w.layer.count;
  uint32_t *visited = w.visited, *ids = w.ids;
  size_t n = 0;
  for (size_t i = 0; i < width; i++) {
    uint32_t x = readOnce(list + i);
    if (x >= count) break;
    uint32_t old = visited[x >> 5], bit = 1u << (x & 31);
    visited[x >> 5] = old | bit;
    ids[n] = x;
    n += (old & bit) == 0;
  }
  if (!UPPER) return n;
  size_t kept = 0;
  for (size_t i = 0; i < n; i++) {
    uint32_t row = readOnce(w.layer.rowOf + ids[i]);
    if (row >= w.g->rows) continue;
    w.rows[kept] = row;
    ids[kept++] = ids[i];
  }
  return kept;
}

// Allowed rows among the links of a row and, through links that are not allowed, one step further.
LANES size_t gatherTwoHop(Walk& w, uint32_t id) {
  const size_t width = w.layer.width, count = w.layer.count;
  const uint32_t* list = w.layer.links + (size_t)id * width;
  uint32_t through[2 * GRAPH_DEGREE_MAX];
  size_t n = 0, throughs = 0;
  for (size_t i = 0; i < width; i++) {
    uint32_t x = readOnce(list + i);
    if (x >= count) break;
    if (hasBit(w.visited, x)) continue;
    markVisited(w, x);
    if (hasBit(w.allowed, x)) {
      w.ids[n++] = x;
    } else {
      through[throughs++] = x;
      fetchLinks(w, x);
    }
  }
  for (size_t t = 0; t < throughs && n < HOPS_ENOUGH; t++) {
    list = w.layer.links + (size_t)through[t] * width;
    for (size_t i = 0; i < width; i++) {
      uint32_t x = readOnce(list + i);
      if (x >= count) break;
      if (!hasBit(w.allowed, x) || hasBit(w.visited, x)) continue;
      markVisited(w, x);
      w.ids[n++] = x;
    }
  }
  return n;
}

// The place of an entry in the sorted pool.
LANES size_t placeOf(const Entry* pool, size_t size, Entry e) {
  const Entry* base = pool;
  size_t left = size;
  while (left > 1) {
    size_t half = left >> 1;
    base += base[half - 1] <= e ? half : 0;
    left -= half;
  }
  return (size_t)(base - pool) + (left == 1 && *base <= e);
}

// Drops what lies behind the ef-th result and out of reach.
template <bool TEST>
LANES void trim(Walk& w) {
  while (w.size > 0) {
    Entry last = w.pool[w.size - 1];
    if (keyOf(last) < w.reach) return;
    if (w.kept < w.ef || (w.kept == w.ef && (!TEST || (last & RESULT)))) return;
    if (!TEST || (last & RESULT)) w.kept--;
    w.size--;
  }
}

template <bool TEST>
LANES size_t insert(Walk& w, Entry e) {
  const bool full = w.kept >= w.ef || w.size >= w.capacity;
  if (full && w.size > 0 && e > w.pool[w.size - 1]) {
    if (w.size >= w.capacity || keyOf(e) >= w.reach) return w.capacity;
  }
  if (w.size >= w.capacity) {
    if (!TEST || (w.pool[w.size - 1] & RESULT)) w.kept--;
    w.size--;
  }
  size_t at = placeOf(w.pool, w.size, e);
  __builtin_memmove(w.pool + at + 1, w.pool + at, (w.size - at) * sizeof(Entry));
  w.pool[at] = e;
  w.size++;
  if (!TEST || (e & RESULT)) w.kept++;
  if (w.kept >= w.ef) trim<TEST>(w);
  return at;
}

// Offers a batch to the pool; gives the first place that changed.
template <bool TEST>
LANES size_t insertBatch(Walk& w, size_t n) {
  size_t count = n, first = w.capacity;
  if (w.kept >= w.ef && w.size > 0) {
    // Most of a batch is farther than all that is kept: leave that out first, without branches.
    uint32_t last = keyOf(w.pool[w.size - 1]);
    uint32_t bound = last + 1 > w.reach ? last + 1 : w.reach;
    count = 0;
    for (size_t i = 0; i < n; i++) {
      uint32_t key = w.keys[i], id = w.ids[i];
      w.keys[count] = key;
      w.ids[count] = id;
      count += key < bound;
    }
  }
  for (size_t i = 0; i < count; i++) {
    Entry e = entryOf(w.keys[i], w.ids[i]);
    if (!TEST || hasBit(w.allowed, w.ids[i])) e |= RESULT;
    size_t at = insert<TEST>(w, e);
    if (at < w.cursor + LINKS_AHEAD) fetchLinks(w, w.ids[i]);
    if (at < first) first = at;
  }
  return first;
}

// Rows that the walk looks at next unless it finds something nearer now.
LANES size_t guess(const Walk& w, size_t at, uint32_t* soon) {
  while (at < w.size && (w.pool[at] & VISITED)) at++;
  if (at >= w.size) return 0;
  const uint32_t* list = w.layer.links + (size_t)idOf(w.pool[at]) * w.layer.width;
  size_t n = 0;
  for (size_t i = 0; i < w.layer.width && n < ROWS_AHEAD; i++) {
    uint32_t x = readOnce(list + i);
    if (x >= w.layer.count) break;
    soon[n] = x;
    n += !hasBit(w.visited, x);
  }
  return n;
}

// Goes on until all that is kept was visited (true) or `stop` distances were computed.
template <int MODE, bool UPPER>
bool runWalk(Walk& walk, uint32_t stop) {
  constexpr bool TEST = MODE != GRAPH_ALL;
  Walk w = walk;
  bool finished = true;
  while (w.cursor < w.size) {
    Entry e = w.pool[w.cursor];
    if (e & VISITED) {
      w.cursor++;
      continue;
    }
    if (w.distances >= stop) {
      finished = false;
      break;
    }
    w.pool[w.cursor] = e | VISITED;
    w.visits++;
    size_t n = MODE == GRAPH_TWO_HOP ? gatherTwoHop(w, idOf(e)) : gather<UPPER>(w, idOf(e));
    const uint32_t* rows = UPPER ? w.rows : w.ids;
    fetchBatch(w, rows, n);
    uint32_t soon[ROWS_AHEAD];
    keysOf(w, rows, n, soon, MODE == GRAPH_ALL && !UPPER ? guess(w, w.cursor + 1, soon) : 0);
    size_t first = n == 0 ? w.capacity : insertBatch<TEST>(w, n);
    w.cursor = first <= w.cursor ? first : w.cursor + 1;
    size_t next = w.cursor;
    while (next < w.size && (w.pool[next] & VISITED)) next++;
    if (next < w.size) fetchLinks(w, idOf(w.pool[next]));
  }
  walk = w;
  return finished;
}

// From the top layer down to the one above `layer`, each time to the nearest node around.
// Gives the nearest node, by its number in upper layers; false for a graph without one.
bool descend(Walk& w, size_t layer, uint32_t* nearest) {
  const Graph& g = *w.g;
  size_t top = layersOf(g);
  if (top == 0 || g.rows == 0) return false;
  uint32_t row = readOnce(g.upperRows);
  if (row >= g.rows) return false;
  w.rows[0] = row;
  keysOf(w, w.rows, 1);
  uint32_t best = w.keys[0], id = 0;
  // A node that was seen before is no nearer than the best: its key is not computed again.
  clearVisited(w, layerOf(g, 1).count);
  for (size_t l = top; l > layer; l--) {
    Layer at = layerOf(g, l);
    bool nearer = true;
    for (size_t step = 0; nearer && step < STEPS_MAX; step++) {
      nearer = false;
      size_t n = 0;
      for (size_t i = 0; i < at.width; i++) {
        uint32_t x = readOnce(at.links + (size_t)id * at.width + i);
        if (x >= at.count) break;
        uint32_t to = readOnce(at.rowOf + x);
        if (to >= g.rows) break;
        if (hasBit(w.visited, x)) continue;
        markVisited(w, x);
        w.ids[n] = x;
        w.rows[n++] = to;
      }
      fetchBatch(w, w.rows, n);
      keysOf(w, w.rows, n);
      for (size_t i = 0; i < n; i++) {
        if (w.keys[i] >= best) continue;
        best = w.keys[i];
        id = w.ids[i];
        nearer = true;
      }
    }
  }
  w.keys[0] = best;
  *nearest = id;
  return true;
}

// Begins the walk of a layer at a node whose key is known.
LANES void startWalk(Walk& w, uint32_t id, uint32_t key) {
  clearVisited(w, w.layer.count);
  markVisited(w, id);
  w.pool[0] = entryOf(key, id) | RESULT;
  w.size = w.kept = 1;
  w.cursor = 0;
}

}  // namespace
