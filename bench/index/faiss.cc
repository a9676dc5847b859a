// faiss as a peer, its graph over float32 rows: see peer.h.
#include <faiss/IndexHNSW.h>
#include <faiss/index_io.h>
#include <omp.h>

#include <memory>

#include "peer.h"

struct Faiss {
  const Given& given;
  std::unique_ptr<faiss::IndexHNSW> graph;

  void read() { graph.reset(dynamic_cast<faiss::IndexHNSW*>(faiss::read_index(given.file))); }
  void save() { faiss::write_index(graph.get(), given.file); }
  void add(size_t from, size_t to) {
    if (from == 0) {
      const auto metric = given.isL2 ? faiss::METRIC_L2 : faiss::METRIC_INNER_PRODUCT;
      graph = std::make_unique<faiss::IndexHNSWFlat>((int)given.dim, 16, metric);
      graph->hnsw.efConstruction = 200;
    }
    graph->add((faiss::Index::idx_t)(to - from), given.rows.data() + from * given.dim);
  }
  std::vector<size_t> search(size_t ef) {
    graph->hnsw.efSearch = (int)ef;
    std::vector<size_t> found;
    float scores[10];
    faiss::Index::idx_t rows[10];
    for (size_t q = 0; q < given.queryCount(); q++) {
      graph->search(1, &given.queries[q * given.dim], 10, scores, rows);
      for (const auto row : rows) found.push_back(row < 0 ? SIZE_MAX : (size_t)row);
    }
    return found;
  }
};

int main(int, char** args) {
  omp_set_num_threads(1);
  const Given given = readGiven(args);
  Faiss engine{given, nullptr};
  answerCommands(given, engine);
}
