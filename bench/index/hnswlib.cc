// hnswlib as a peer of bench/index/hnsw.ts: reads rows and queries, answers commands on stdin.
// build -> milliseconds, 0 when the index was read from its file; search EF -> milliseconds, then
// the ten rows of each query. Arguments: rows, queries, dim, metric, file of the index.
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <fstream>
#include <iterator>
#include <memory>
#include <string>
#include <vector>

#include "hnswlib/hnswlib.h"

static std::vector<float> readFloats(const char* path) {
  std::ifstream file(path, std::ios::binary);
  std::vector<char> bytes((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  std::vector<float> out(bytes.size() / 4);
  memcpy(out.data(), bytes.data(), out.size() * 4);
  return out;
}

static double milliseconds() {
  timespec now;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

int main(int, char** args) {
  const std::vector<float> rows = readFloats(args[1]), queries = readFloats(args[2]);
  const size_t dim = std::stoul(args[3]), count = rows.size() / dim;
  std::unique_ptr<hnswlib::SpaceInterface<float>> space;
  // Rows of COSINE have length 1, so their inner products are it.
  if (std::string(args[4]) == "l2") space = std::make_unique<hnswlib::L2Space>(dim);
  else space = std::make_unique<hnswlib::InnerProductSpace>(dim);
  std::unique_ptr<hnswlib::HierarchicalNSW<float>> index;
  char line[64];
  while (fgets(line, sizeof line, stdin)) {
    const double started = milliseconds();
    if (strncmp(line, "build", 5) == 0) {
      if (std::ifstream(args[5]).good()) {
        index = std::make_unique<hnswlib::HierarchicalNSW<float>>(space.get(), args[5]);
        printf("0\n");
      } else {
        index = std::make_unique<hnswlib::HierarchicalNSW<float>>(space.get(), count, 16, 200);
        for (size_t i = 0; i < count; i++) index->addPoint(&rows[i * dim], i);
        printf("%.1f\n", milliseconds() - started);
        index->saveIndex(args[5]);
      }
    } else {
      index->setEf(std::stoul(line + 7));
      std::vector<size_t> found;
      for (size_t q = 0; q < queries.size() / dim; q++) {
        auto heap = index->searchKnn(&queries[q * dim], 10);
        for (; !heap.empty(); heap.pop()) found.push_back(heap.top().second);
      }
      printf("%.3f", milliseconds() - started);
      for (size_t row : found) printf(" %zu", row);
      printf("\n");
    }
    fflush(stdout);
  }
}
