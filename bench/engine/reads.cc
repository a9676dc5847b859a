// What the memory of a machine allows: random reads of rows of codes, as walks of a graph read
// them, by one plain thread and by more. Arguments: rows, bytes of a row. Answers lines on stdin: a
// number of threads -> milliseconds by the clock that as many passes at once take.
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include <thread>
#include <vector>

namespace {

constexpr size_t LINE = 64;
// Rows that a step reads: the links of a node that were not seen before, about.
constexpr size_t GROUP = 16;
// Bytes of a pass: about half a second.
constexpr size_t PASS_BYTES = size_t{3} << 30;

struct Codes {
  const uint8_t* at;
  size_t rows, stride;
};

double milliseconds() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

uint64_t next(uint64_t* state) {
  *state ^= *state << 13;
  *state ^= *state >> 7;
  return *state ^= *state << 17;
}

uint64_t sumOf(const uint8_t* row, size_t bytes) {
  uint64_t sums[8] = {};
  for (size_t o = 0; o < bytes; o += LINE) {
    uint64_t words[8];
    memcpy(words, row + o, LINE);
    for (size_t k = 0; k < 8; k++) sums[k] += words[k];
  }
  uint64_t sum = 0;
  for (const uint64_t s : sums) sum += s;
  return sum;
}

// Which rows come next depends on what was read, as it does in a walk.
void pass(const Codes* codes, uint64_t seed, uint64_t* result) {
  uint64_t state = seed;
  const size_t groups = PASS_BYTES / (GROUP * codes->stride);
  for (size_t group = 0; group < groups; group++) {
    const uint8_t* rows[GROUP];
    for (auto& row : rows) {
      row = codes->at + next(&state) % codes->rows * codes->stride;
      for (size_t o = 0; o < codes->stride; o += LINE) __builtin_prefetch(row + o);
    }
    uint64_t sum = 0;
    for (const uint8_t* row : rows) sum += sumOf(row, codes->stride);
    state += (sum & 1) + 1;
  }
  *result = state;
}

}  // namespace

int main(int count, char** args) {
  if (count < 3) return 2;
  Codes codes = {nullptr, strtoul(args[1], nullptr, 10), strtoul(args[2], nullptr, 10)};
  const size_t page = size_t{2} << 20, bytes = codes.rows * codes.stride;
  uint8_t* memory = (uint8_t*)aligned_alloc(page, (bytes + page - 1) / page * page);
  if (!memory) return 2;
  madvise(memory, bytes, MADV_HUGEPAGE);
  for (size_t i = 0; i < bytes; i++) memory[i] = (uint8_t)(i * 7919);
  codes.at = memory;
  char line[64];
  while (fgets(line, sizeof line, stdin)) {
    const size_t n = strtoul(line, nullptr, 10);
    std::vector<uint64_t> results(n * 8);
    std::vector<std::thread> threads;
    const double started = milliseconds();
    for (size_t i = 0; i < n; i++) threads.emplace_back(pass, &codes, i + 1, &results[i * 8]);
    for (std::thread& thread : threads) thread.join();
    const double ended = milliseconds();
    uint64_t sum = 0;
    for (const uint64_t result : results) sum += result;
    printf("%.3f %llu\n", ended - started, (unsigned long long)sum);
    fflush(stdout);
  }
  return 0;
}
