// hnswlib as a peer: see peer.h.
#include "hnswlib/hnswlib.h"

#include <memory>

#include "peer.h"

using Graph = hnswlib::HierarchicalNSW<float>;

struct Hnswlib {
  const Given& given;
  std::unique_ptr<hnswlib::SpaceInterface<float>> space;
  std::unique_ptr<Graph> graph;

  explicit Hnswlib(const Given& of) : given(of) {
    // Rows of COSINE have length 1, so their inner products are it.
    if (of.isL2) space = std::make_unique<hnswlib::L2Space>(of.dim);
    else space = std::make_unique<hnswlib::InnerProductSpace>(of.dim);
  }
  void read() { graph = std::make_unique<Graph>(space.get(), given.file); }
  void save() { graph->saveIndex(given.file); }
  void add(size_t from, size_t to) {
    if (from == 0) graph = std::make_unique<Graph>(space.get(), given.rowCount(), 16, 200);
    for (size_t i = from; i < to; i++) graph->addPoint(&given.rows[i * given.dim], i);
  }
  std::vector<size_t> search(size_t ef) {
    graph->setEf(ef);
    std::vector<size_t> found;
    for (size_t q = 0; q < given.queryCount(); q++) {
      auto heap = graph->searchKnn(&given.queries[q * given.dim], 10);
      for (; !heap.empty(); heap.pop()) found.push_back(heap.top().second);
    }
    return found;
  }
};

int main(int, char** args) {
  const Given given = readGiven(args);
  Hnswlib engine(given);
  answerCommands(given, engine);
}
