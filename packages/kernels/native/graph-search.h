// Queries over a graph: placed on the grid, walked, and the candidates scored exactly.
#pragma once
#include "graph.h"

namespace {

LANES float absolute(float x) { return __builtin_fabsf(x); }

struct Placed { uint32_t sum, squares; };

// Codes of up to 16 numbers; what lies outside the grid is added up in lanes.
LANES void placeBlock(const float* x, size_t n, GridScale g, Prepared* to, float* over,
                      Placed* placed) {
  uint32_t sum = 0, squares = 0;
  for (size_t j = 0; j < n; j++) {
    float exact = (x[j] * g.scale - g.low) * g.inverseStep;
    float v = exact > 0.0f ? exact : 0.0f;
    v = v < 255.0f ? v : 255.0f;
    over[j] += absolute(exact - v);
    int32_t code = (int32_t)(v + 0.5f);
    sum += (uint32_t)code;
    squares += (uint32_t)(code * code);
    to[j] = (Prepared)(code - 128);
  }
  placed->sum += sum;
  placed->squares += squares;
}

// Keys of rows that just reach the bounds, with room for what bfloat16 rounds away: a row moves by
// at most a 512th of its length.
LANES uint32_t numberReach(const SearchGraph* a, double norm) {
  const bool rounded = a->graph.codec != CODEC_NUMBERS + a->element;
  const double part = rounded ? 1.0 / 256 : 0;
  if (a->metric == METRIC_L2) {
    if (!(a->max < INF) || !(a->max >= 0)) return 0;
    const double radius = __builtin_sqrt((double)a->max);
    const double wider = radius + part * (norm + radius);
    return distanceKey((float)(rounded ? wider * wider : (double)a->max)) + 1;
  }
  if (!(a->min > -INF)) return 0;
  const double least = (double)a->min;
  const double room = a->metric == METRIC_COSINE ? part : part * 2 * (least < 0 ? -least : least);
  return similarityKey((float)(least - room)) + 1;
}

// A query of a graph whose vectors are numbers; false when it has no direction to go.
APART bool placeNumbers(const SearchGraph* a, const float* x, Walk& w, uint32_t* reach) {
  const size_t dim = a->dim;
  __builtin_memcpy(w.query, x, dim * 4);
  float norm = squaredNorm(x, dim, makeTail(dim & 15));
  if (a->metric != METRIC_L2 && !(norm > 0 && norm < INF)) return false;
  w.term = bitsOf(norm > 0 ? 1.0f / __builtin_sqrtf(norm) : 0.0f);
  *reach = numberReach(a, __builtin_sqrt((double)norm));
  return true;
}

// Places a query on the grid as encodeSq8 places rows; false when it does not fit there.
// L2 keys are squared distances on the grid; COSINE brings the query to the length of the rows;
// for IP any length gives one order, so the query takes as much of the grid as there is.
LANES bool placeQuery(const SearchGraph* a, const float* x, Walk& w, uint32_t* reach) {
  if (w.g->codec != CODEC_SQ8) return placeNumbers(a, x, w, reach);
  const size_t dim = a->dim;
  Tail tail = makeTail(dim & 15);
  float scale = 1;
  if (a->metric != METRIC_L2) {
    float largest = 0;
    for (size_t i = 0; i < dim; i++) largest = absolute(x[i]) > largest ? absolute(x[i]) : largest;
    if (!(largest > 0)) return false;
    scale = a->edge / largest;
    if (a->metric == METRIC_COSINE) {
      float square = squaredNorm(x, dim, tail);
      float unit = square > 0 ? 1.0f / __builtin_sqrtf(square) : 0.0f;
      scale = unit < scale ? unit : scale;
    }
    if (!(scale > 0 && scale < INF)) return false;
  }
  const GridScale grid = {scale, a->low, 1.0f / a->step};
  Prepared* to = (Prepared*)w.query;
  Placed placed = {0, 0};
  float over[16] = {};
  size_t at = 0;
  for (; at + 16 <= dim; at += 16) placeBlock(x + at, 16, grid, to + at, over, &placed);
  placeBlock(x + at, dim - at, grid, to + at, over, &placed);
  for (size_t i = dim; i < w.g->stride; i++) to[i] = 0;
  w.term = w.g->metric == METRIC_IP ? 255u * placed.sum : placed.squares;
  float outside = 0;
  for (size_t j = 0; j < 16; j++) outside += over[j];
  if (!(outside <= OVERSHOOT_MAX)) return false;
  // Keys of rows that just reach the bounds, with room for the error of the codes: their square
  // grows by a tenth of the radius and by a sixth of a step for each number.
  double per = (double)a->step * (double)a->step, room = (double)dim / 6, key = 0;
  if (a->metric == METRIC_L2) key = (double)a->max / per * 1.21 + room;
  else if (a->metric == METRIC_COSINE)
    key = (1.0 - (double)a->min) * 2.0 * (double)scale * (double)scale *
              (double)squaredNorm(x, dim, tail) / per * 1.21 + room;
  else
    key = 32512.5 * (double)dim - (double)a->min * (double)scale * 2.0 / per + 100.0 * room;
  const bool bounded = a->metric == METRIC_L2 ? a->max < INF : a->min > -INF;
  *reach = !bounded || !(key > 0) ? 0 : key < 2147483647.0 ? (uint32_t)key : 2147483647u;
  return true;
}

template <int MODE>
LANES bool walkOn(Walk& w, size_t most) {
  return runWalk<MODE, false>(w, most < 0xffffffffu ? (uint32_t)most : 0xffffffffu);
}

// Begins the walk of the base layer; false when the graph has no way in.
LANES bool enterBase(const SearchGraph* a, Walk& w) {
  uint32_t nearest = 0;
  if (!descend(w, 0, &nearest)) return false;
  uint32_t row = readOnce(w.g->upperRows + nearest), key = w.keys[0];
  if (row >= w.g->rows) return false;
  startWalk(w, row, key);
  if (a->mode == GRAPH_TEST && !hasBit(a->allowed, row)) {
    w.pool[0] &= ~RESULT;
    w.kept = 0;
  }
  return true;
}

// Whether fewer rows around the query are allowed than the filter lets through elsewhere: then the
// nearest allowed rows are far away, and a walk that steps over the others gets stuck on its way.
LANES bool isAgainst(const SearchGraph* a, const Walk& w) {
  uint32_t seen = 0, allowed = 0;
  for (size_t i = 0; i < (w.layer.count + 31) / 32; i++) {
    if (w.visited[i] == 0) continue;
    seen += (uint32_t)__builtin_popcount(w.visited[i]);
    allowed += (uint32_t)__builtin_popcount(w.visited[i] & a->allowed[i]);
  }
  return (float)(allowed + 1) < (float)seen * a->leastShare;
}

// Turns what the short walk found into the beginning of a two-hop walk.
LANES void plantSeeds(const SearchGraph* a, Walk& w) {
  clearVisited(w, w.layer.count);
  w.kept = 0;
  for (size_t i = 0; i < w.size; i++) {
    uint32_t row = idOf(w.pool[i]);
    Entry e = w.pool[i] & ~(VISITED | RESULT);
    if (hasBit(a->allowed, row)) {
      e |= RESULT;
      w.kept++;
    }
    w.pool[i] = e;
    markVisited(w, row);
  }
  w.cursor = 0;
}

// Looks at the allowed rows from s->scanned on; false when the budget ends first. What comes with
// little of the rows costs less so than a walk: the nearest ones are candidates.
bool scanAllowed(const SearchGraph* a, Walk& w, State* s, size_t most) {
  const size_t rows = w.g->rows;
  while (s->scanned < rows) {
    if (w.distances >= most) return false;
    size_t at = s->scanned;
    const size_t n = nextRows(a->allowed, &at, rows, w.ids, SCAN_BATCH);
    s->scanned = (uint32_t)at;
    if (n == 0) break;
    fetchBatch(w, w.ids, n);
    keysOf(w, w.ids, n);
    insertBatch<false>(w, n);
  }
  return true;
}

// Scores candidates exactly from w.cursor on; false when the budget ends first.
bool scoreCandidates(const SearchGraph* a, Walk& w, State* s, size_t most) {
  const size_t q = s->query;
  const float* query = a->queries + q * a->dim;
  const TopK& t = a->top;
  TopK one = {t.limit, t.scores + q * t.limit, t.rows + q * t.limit, t.counts + q, t.tied + q};
  float norm = 0;
  const InverseNorms ofQuery = {ELEMENT_FLOAT32, a->dim, query, 0, 1, &norm};
  if (a->metric == METRIC_COSINE) inverseNorms(&ofQuery);
  RerankRows r = {a->metric, a->element, a->dim, a->rows, a->inverseNorms, w.g->rows, a->rowBase,
                  w.ids, 0, query, norm, a->min, a->max, one, nullptr};
  const size_t rowBytes = a->dim * elementBytes(a->element);
  uint32_t last = 0;
  bool more = true;
  while (more) {
    if (w.distances >= most) return false;
    size_t n = 0;
    for (; n < EXACT_CHUNK && w.cursor < w.size; w.cursor++) {
      Entry e = w.pool[w.cursor];
      if (!(e & RESULT)) continue;
      if (s->scored >= a->candidates && keyOf(e) >= w.reach) break;
      last = keyOf(e);
      s->scored++;
      // A row is fetched while the one before it is scored; its pages are looked up here.
      const uint8_t* row = (const uint8_t*)a->rows + (size_t)idOf(e) * rowBytes;
      for (size_t o = 0; o < rowBytes; o += PAGE_BYTES) __builtin_prefetch(row + o);
      w.ids[n++] = idOf(e) + a->rowBase;
    }
    more = n == EXACT_CHUNK;
    r.listLength = n;
    rerankRows(&r);
    w.distances += (uint32_t)n * EXACT_COST;
  }
  // Rows as near as the last candidate may have been dropped unseen.
  const bool all = a->mode == GRAPH_SCAN && w.size < w.capacity && w.cursor == w.size;
  if (all || one.counts[0] < one.limit) return true;
  const uint32_t worst = one.rows[0] - a->rowBase;
  for (size_t i = w.cursor; i-- > 0;) {
    if (keyOf(w.pool[i]) < last) break;
    if (idOf(w.pool[i]) == worst) one.tied[0] = 1;
  }
  return true;
}

// One query from where it stands; false when the budget ended first.
bool runQuery(const SearchGraph* a, Walk& w, State* s, size_t most) {
  uint32_t* outcome = a->outcomes + (size_t)s->query * GRAPH_OUTCOME_WORDS;
  const size_t limit = a->distancesMax < most ? a->distancesMax : most;
  if (s->phase == PHASE_BEGIN) {
    outcome[0] = GRAPH_OUTSIDE;
    w.distances = w.visits = 0;
    s->scored = 0;
    if (!placeQuery(a, a->queries + (size_t)s->query * a->dim, w, &s->reach)) return true;
    s->term = w.term;
    outcome[0] = GRAPH_GAVE_UP;
    s->scanned = 0;
    w.size = w.kept = w.cursor = 0;
    if (a->mode != GRAPH_SCAN && !enterBase(a, w)) return true;
    s->phase = a->mode == GRAPH_TWO_HOP ? PHASE_SEED : PHASE_WALK;
  }
  if (s->phase == PHASE_SEED) {
    Walk seeds = w;
    seeds.ef = seeds.capacity = SEEDS < a->capacity ? SEEDS : a->capacity;
    seeds.reach = 0;
    const bool finished = walkOn<GRAPH_ALL>(seeds, limit);
    seeds.ef = w.ef;
    seeds.capacity = w.capacity;
    w = seeds;
    if (!finished && w.distances < a->distancesMax) return false;
    outcome[2] = w.distances;
    outcome[3] = w.visits;
    if (isAgainst(a, w)) return true;
    plantSeeds(a, w);
    s->phase = PHASE_WALK;
  }
  w.reach = s->reach;
  if (s->phase == PHASE_WALK) {
    const bool finished = a->mode == GRAPH_ALL    ? walkOn<GRAPH_ALL>(w, limit)
                          : a->mode == GRAPH_TEST ? walkOn<GRAPH_TEST>(w, limit)
                          : a->mode == GRAPH_SCAN ? scanAllowed(a, w, s, limit)
                                                  : walkOn<GRAPH_TWO_HOP>(w, limit);
    if (!finished && w.distances < a->distancesMax) return false;
    outcome[0] = finished ? GRAPH_FOUND : GRAPH_GAVE_UP;
    outcome[1] = (uint32_t)w.kept;
    outcome[2] = w.distances;
    outcome[3] = w.visits;
    if (!finished) return true;
    s->phase = PHASE_EXACT;
    w.cursor = 0;
  }
  return !a->rows || outcome[1] < a->top.limit || scoreCandidates(a, w, s, most);
}

size_t searchGraph(const SearchGraph* a) {
  const Graph& g = a->graph;
  State* s = (State*)a->scratch;
  Walk w = openScratch(g, a->scratch, false);
  w.layer = layerOf(g, 0);
  w.allowed = a->allowed;
  w.ef = a->ef;
  w.capacity = a->capacity;
  if (s->query > a->nq) s->query = 0;
  // A scratch that was used for something else: begin again rather than trust it.
  bool sound = s->phase <= PHASE_EXACT && s->size <= a->capacity && s->cursor <= s->size;
  for (size_t i = 0; sound && s->phase != PHASE_BEGIN && i < s->size; i++)
    sound = idOf(w.pool[i]) < g.rows;
  if (!sound) s->phase = PHASE_BEGIN;
  w.size = s->size;
  w.cursor = s->cursor;
  w.kept = s->kept <= s->size ? s->kept : s->size;
  w.distances = s->distances;
  w.visits = s->visits;
  w.reach = s->reach;
  w.term = s->term;
  size_t spent = 0;
  while (s->query < a->nq && spent < a->budget) {
    const uint32_t before = s->phase == PHASE_BEGIN ? 0 : w.distances;
    const bool decided = runQuery(a, w, s, before + (a->budget - spent));
    spent += w.distances - before + 1;
    // Candidates that stay in the scratch are read before the next query begins.
    if (decided && !a->rows && a->outcomes[s->query * GRAPH_OUTCOME_WORDS] == GRAPH_FOUND) break;
    if (!decided) break;
    s->query++;
    s->phase = PHASE_BEGIN;
  }
  s->size = (uint32_t)w.size;
  s->cursor = (uint32_t)w.cursor;
  s->kept = (uint32_t)w.kept;
  s->distances = w.distances;
  s->visits = w.visits;
  return s->query;
}

}  // namespace
