// What compiled peers of bench/index/peers.ts have in common: they read rows and queries, and
// answer commands on stdin. build -> milliseconds, 0 when the index was read from its file;
// search EF -> milliseconds, then the ten rows of each query; add COUNT -> milliseconds for that many
// more rows of an index that is not kept.
// Arguments of a peer: rows, queries, dim, metric, file of the index.
#pragma once
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <algorithm>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

struct Given {
  std::vector<float> rows, queries;
  size_t dim;
  bool isL2;
  const char* file;

  size_t rowCount() const { return rows.size() / dim; }
  size_t queryCount() const { return queries.size() / dim; }
};

inline std::vector<float> readFloats(const char* path) {
  std::ifstream file(path, std::ios::binary);
  std::vector<char> bytes((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  std::vector<float> out(bytes.size() / 4);
  memcpy(out.data(), bytes.data(), out.size() * 4);
  return out;
}

inline Given readGiven(char** args) {
  return {readFloats(args[1]), readFloats(args[2]), std::stoul(args[3]),
          std::string(args[4]) == "l2", args[5]};
}

inline double milliseconds() {
  timespec now;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

// `read()`, `add(from, to)` and `save()` are of the index; `search(ef)` gives the rows that it found.
template <typename Engine>
void answerCommands(const Given& given, Engine& engine) {
  char line[64];
  size_t added = 0;
  while (fgets(line, sizeof line, stdin)) {
    const double started = milliseconds();
    if (strncmp(line, "add", 3) == 0) {
      const size_t to = std::min(given.rowCount(), added + std::stoul(line + 4));
      engine.add(added, to);
      added = to;
      printf("%.3f\n", milliseconds() - started);
    } else if (strncmp(line, "build", 5) != 0) {
      const std::vector<size_t> found = engine.search(std::stoul(line + 7));
      printf("%.3f", milliseconds() - started);
      for (size_t row : found) printf(" %zu", row);
      printf("\n");
    } else if (std::ifstream(given.file).good()) {
      engine.read();
      printf("0\n");
    } else {
      engine.add(0, given.rowCount());
      printf("%.1f\n", milliseconds() - started);
      engine.save();
    }
    fflush(stdout);
  }
}
