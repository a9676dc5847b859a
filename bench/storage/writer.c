// Bench only: the barest writer with group commit. Writes `groups` times `bytes` behind one another
// and syncs after each; prints the seconds that took.
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static double now(void) {
  struct timespec at;
  clock_gettime(CLOCK_MONOTONIC, &at);
  return at.tv_sec + at.tv_nsec / 1e9;
}

int main(int argc, char** argv) {
  if (argc != 4) return 2;
  const size_t bytes = strtoull(argv[2], NULL, 10);
  const long groups = strtol(argv[3], NULL, 10);
  char* group = malloc(bytes);
  memset(group, 7, bytes);
  const int file = open(argv[1], O_CREAT | O_TRUNC | O_WRONLY, 0644);
  if (file < 0) return 1;
  const double begin = now();
  for (long n = 0; n < groups; n++) {
    size_t done = 0;
    while (done < bytes) {
      const ssize_t wrote = pwrite(file, group + done, bytes - done, (off_t)(n * bytes + done));
      if (wrote < 0) return 1;
      done += (size_t)wrote;
    }
    if (fdatasync(file) != 0) return 1;
  }
  printf("%.6f\n", now() - begin);
  return close(file);
}
