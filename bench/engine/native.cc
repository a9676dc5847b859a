// The searches of bench/engine/native.ts without Node: the same kernels, compiled the same way, over
// the bytes of the same index. Arguments: file of numbers, graph, rows, queries, inverse norms (or
// "-"). Answers lines on stdin: a number of queries a call -> milliseconds of this thread for a
// pass, then the rows of each query.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include <vector>

#include "kernels.h"

extern "C" const KernelTable* ELANUS_TABLE();

namespace {

// An index lies on large pages in the other process too, rows do not.
enum class Pages { SMALL, LARGE };

template <typename T>
T* readAll(const char* path, size_t* count, Pages pages = Pages::SMALL) {
  FILE* file = fopen(path, "rb");
  if (!file) exit(2);
  fseek(file, 0, SEEK_END);
  const size_t bytes = (size_t)ftell(file);
  rewind(file);
  const size_t page = size_t{2} << 20;
  void* to = aligned_alloc(page, (bytes + page - 1) / page * page);
  if (!to) exit(2);
  if (pages == Pages::LARGE) madvise(to, bytes, MADV_HUGEPAGE);
  if (fread(to, 1, bytes, file) != bytes) exit(2);
  fclose(file);
  *count = bytes / sizeof(T);
  return (T*)to;
}

double milliseconds() {
  timespec now;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

// The order of the numbers is that of bench/engine/native.ts.
SearchGraph searchOf(const double* n, uint8_t* memory) {
  SearchGraph s = {};
  s.graph.rows = (size_t)n[0];
  s.graph.nodes = (size_t)n[1];
  s.graph.stride = (size_t)n[2];
  s.graph.degree = (size_t)n[3];
  s.graph.metric = (uint32_t)n[4];
  s.graph.codec = CODEC_SQ8;
  s.graph.codes = memory + (size_t)n[5];
  s.graph.terms = (const uint32_t*)(memory + (size_t)n[6]);
  s.graph.links = (uint32_t*)(memory + (size_t)n[7]);
  s.graph.upperRows = (const uint32_t*)(memory + (size_t)n[8]);
  s.graph.upperLinks = (uint32_t*)(memory + (size_t)n[9]);
  s.metric = (uint32_t)n[10];
  s.dim = (size_t)n[11];
  s.low = (float)n[12];
  s.step = (float)n[13];
  s.edge = (float)(n[12] < 0 ? -n[12] : n[12]);
  s.mode = GRAPH_ALL;
  s.ef = (size_t)n[14];
  s.capacity = (size_t)n[15];
  s.candidates = (size_t)n[16];
  s.distancesMax = (size_t)n[17];
  s.budget = (size_t)n[18];
  s.min = -__builtin_inff();
  s.max = __builtin_inff();
  s.top.limit = (size_t)n[19];
  return s;
}

}  // namespace

int main(int, char** args) {
  size_t numberCount = 0, bytes = 0, rows = 0, queryFloats = 0, norms = 0;
  const double* n = readAll<double>(args[1], &numberCount);
  uint8_t* memory = readAll<uint8_t>(args[2], &bytes, Pages::LARGE);
  SearchGraph s = searchOf(n, memory);
  s.rows = readAll<float>(args[3], &rows);
  const float* queries = readAll<float>(args[4], &queryFloats);
  if (strcmp(args[5], "-") != 0) s.inverseNorms = readAll<float>(args[5], &norms);
  const size_t nq = queryFloats / s.dim, limit = s.top.limit;
  std::vector<uint32_t> scratch((size_t)n[20] / 4 + 2), found(nq * limit), counts(nq);
  std::vector<uint32_t> outcomes(nq * GRAPH_OUTCOME_WORDS);
  std::vector<float> scores(nq * limit);
  std::vector<uint8_t> tied(nq);
  s.scratch = (uint32_t*)(((uintptr_t)scratch.data() + 7) & ~(uintptr_t)7);
  const KernelTable* table = ELANUS_TABLE();
  char line[64];
  while (fgets(line, sizeof line, stdin)) {
    const size_t batch = strtoul(line, nullptr, 10);
    const double started = milliseconds();
    for (size_t from = 0; from < nq; from += batch) {
      s.nq = nq - from < batch ? nq - from : batch;
      s.queries = queries + from * s.dim;
      s.outcomes = outcomes.data() + from * GRAPH_OUTCOME_WORDS;
      s.top = {limit, scores.data() + from * limit, found.data() + from * limit,
               counts.data() + from, tied.data() + from};
      memset(s.outcomes, 0, s.nq * GRAPH_OUTCOME_WORDS * 4);
      memset(s.top.counts, 0, s.nq * 4);
      memset(s.top.tied, 0, s.nq);
      memset(s.scratch, 0, GRAPH_STATE_WORDS * 4);
      while (table->searchGraph(&s) < s.nq) {}
    }
    printf("%.3f", milliseconds() - started);
    for (uint32_t row : found) printf(" %u", row);
    printf("\n");
    fflush(stdout);
  }
  return 0;
}
