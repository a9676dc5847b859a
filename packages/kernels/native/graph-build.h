// Building a graph in rounds: a round's rows search what earlier rounds linked, which stays as it
// is meanwhile, so that any number of threads may share a round out (findLinks); then each row that
// was chosen takes the rows that chose it (mergeLinks), one target on its own. Neither depends on
// who does what when.
#pragma once
#include "graph.h"

namespace {

// The part of a key that a row decides when it is the query. A row's key to itself is 0 for
// distances; for inner products the term follows from the sum of the codes alone.
LANES uint32_t queryTermOf(const Graph& g, uint32_t row, const Prepared* prepared) {
  if (g.metric == METRIC_IP) return 255u * (0u - g.terms[row]);
  uint32_t dot = (uint32_t)dotOne(g.codes + (size_t)row * g.stride, prepared, g.stride);
  return 2u * dot - g.terms[row];
}

// Makes a row one that others are compared with; gives its part of their keys.
LANES uint32_t prepareVector(const Graph& g, uint32_t row, uint8_t* to) {
  if (g.codec != CODEC_SQ8) {
    loadNumbers(g, row, (float*)to);
    return g.metric == METRIC_COSINE ? g.terms[row] : 0;
  }
  prepareRow(g.codes + (size_t)row * g.stride, g.stride, (Prepared*)to);
  return queryTermOf(g, row, (const Prepared*)to);
}

LANES void askWithRow(Walk& w, uint32_t row) { w.term = prepareVector(*w.g, row, w.query); }

// The key of a row for one that was prepared.
LANES uint32_t keyFor(const Walk& w, uint32_t row, const uint8_t* asked, uint32_t term) {
  const Graph& g = *w.g;
  if (g.codec != CODEC_SQ8) {
    uint32_t key = 0;
    numberKeys(g, {(const float*)asked, term}, {&row, 1, &key, w.spare});
    return key;
  }
  const uint8_t* codes = g.codes + (size_t)row * g.stride;
  return g.terms[row] + term - 2u * (uint32_t)dotOne(codes, (const Prepared*)asked, g.stride);
}

LANES uint32_t rowOf(const Layer& layer, uint32_t id) {
  return layer.rowOf ? readOnce(layer.rowOf + id) : id;
}

// Keeps of the sorted pool at most `most` nodes that lie in different directions: a node is left
// out when one that was kept is nearer to it than the asking row is. Gives how many are kept.
size_t choose(Walk& w, size_t most, uint32_t* out) {
  const Graph& g = *w.g;
  uint32_t terms[2 * GRAPH_DEGREE_MAX];
  size_t kept = 0;
  for (size_t i = 0; i < w.size && kept < most; i++) {
    const uint32_t id = idOf(w.pool[i]), row = rowOf(w.layer, id);
    if (row >= g.rows) continue;
    if (i + 1 < w.size) {
      const uint32_t next = rowOf(w.layer, idOf(w.pool[i + 1]));
      if (next < g.rows) fetchRow(g, next);
    }
    const uint32_t key = keyOf(w.pool[i]);
    bool apart = true;
    for (size_t k = 0; apart && k < kept; k++)
      apart = keyFor(w, row, w.prepared + k * w.askedBytes, terms[k]) >= key;
    w.distances += (uint32_t)kept;
    if (!apart) continue;
    if (kept + 1 < most) terms[kept] = prepareVector(g, row, w.prepared + kept * w.askedBytes);
    out[kept++] = id;
  }
  return kept;
}

// Offers the earlier rows of the same round, which the graph does not link yet.
LANES void offerRound(const FindLinks* a, Walk& w, size_t position) {
  for (size_t at = a->roundStart; at < position;) {
    size_t n = 0;
    for (; n < GRAPH_BATCH && at < position; at++) {
      const uint32_t row = a->order[at - a->orderStart];
      if (row >= w.g->rows) continue;
      w.rows[n] = row;
      w.ids[n++] = w.layer.rowOf ? (uint32_t)at : row;
    }
    fetchBatch(w, w.rows, n);
    keysOf(w, w.rows, n);
    insertBatch<false>(w, n);
  }
}

void findLinksOf(const FindLinks* a, Walk& w, size_t position) {
  const Graph& g = a->graph;
  const uint32_t row = a->order[position - a->orderStart];
  uint32_t* chosen = a->chosen + (position - a->from) * (a->level + 1) * g.degree;
  for (size_t i = 0; i < (a->level + 1) * g.degree; i++) chosen[i] = NO_LINK;
  if (row >= g.rows) return;
  askWithRow(w, row);
  uint32_t id = 0;
  const bool linked = a->roundStart > 0 && descend(w, a->level, &id);
  uint32_t key = w.keys[0];
  for (size_t layer = a->level + 1; layer-- > 0;) {
    w.layer = layerOf(g, layer);
    w.size = w.kept = w.cursor = 0;
    if (linked) {
      const uint32_t start = layer == 0 ? readOnce(g.upperRows + id) : id;
      if (start < w.layer.count) {
        startWalk(w, start, key);
        if (layer == 0) runWalk<GRAPH_ALL, false>(w, 0xffffffffu);
        else runWalk<GRAPH_ALL, true>(w, 0xffffffffu);
        if (layer > 0) {
          id = idOf(w.pool[0]);
          key = keyOf(w.pool[0]);
        }
      }
    }
    offerRound(a, w, position);
    choose(w, g.degree, chosen + layer * g.degree);
  }
}

size_t findLinks(const FindLinks* a) {
  Walk w = openScratch(a->graph, a->scratch, true);
  w.ef = w.capacity = a->ef;
  size_t spent = 0, position = a->from;
  for (; position < a->to && spent < a->budget; position++) {
    w.distances = 0;
    findLinksOf(a, w, position);
    spent += w.distances + 1;
  }
  return position;
}

LANES void sortIn(Walk& w, uint32_t id, uint32_t key) {
  Entry e = entryOf(key, id) | RESULT;
  size_t at = placeOf(w.pool, w.size, e);
  __builtin_memmove(w.pool + at + 1, w.pool + at, (w.size - at) * sizeof(Entry));
  w.pool[at] = e;
  w.size++;
}

void mergeTarget(const MergeLinks* a, Walk& w, size_t target) {
  const Graph& g = a->graph;
  const uint32_t id = a->targets[target];
  if (id >= w.layer.count) return;
  uint32_t* list = w.layer.links + (size_t)id * w.layer.width;
  size_t n = 0;
  while (n < w.layer.width) {
    uint32_t x = readOnce(list + n);
    if (x >= w.layer.count) break;
    w.ids[n++] = x;
  }
  const size_t had = n;
  size_t end = a->starts[target + 1] < a->sourceCount ? a->starts[target + 1] : a->sourceCount;
  for (size_t i = a->starts[target]; i < end && n < GRAPH_BATCH; i++)
    if (a->sources[i] < w.layer.count) w.ids[n++] = a->sources[i];
  if (n <= w.layer.width) {
    for (size_t i = had; i < n; i++) list[i] = w.ids[i];
    return;
  }
  const uint32_t row = rowOf(w.layer, id);
  if (row >= g.rows) return;
  askWithRow(w, row);
  size_t count = 0;
  for (size_t i = 0; i < n; i++) {
    const uint32_t other = rowOf(w.layer, w.ids[i]);
    if (other >= g.rows) continue;
    w.ids[count] = w.ids[i];
    w.rows[count++] = other;
  }
  fetchBatch(w, w.rows, count);
  keysOf(w, w.rows, count);
  w.size = 0;
  for (size_t i = 0; i < count; i++) sortIn(w, w.ids[i], w.keys[i]);
  uint32_t kept[2 * GRAPH_DEGREE_MAX];
  const size_t links = choose(w, w.layer.width, kept);
  for (size_t i = 0; i < w.layer.width; i++) list[i] = i < links ? kept[i] : NO_LINK;
}

size_t mergeLinks(const MergeLinks* a) {
  Walk w = openScratch(a->graph, a->scratch, true);
  w.layer = layerOf(a->graph, a->layer);
  size_t spent = 0, target = a->from;
  for (; target < a->targetCount && spent < a->budget; target++) {
    w.distances = 0;
    mergeTarget(a, w, target);
    spent += w.distances + 1;
  }
  return target;
}

}  // namespace
