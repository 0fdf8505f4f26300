// All shortest paths of a dense graph.
#include "kernel.h"

static void shorten(uint32_t n, uint32_t *d) {
  for (uint32_t k = 0; k < n; k++)
    for (uint32_t i = 0; i < n; i++)
      for (uint32_t j = 0; j < n; j++) {
        uint32_t through = d[i * n + k] + d[k * n + j];
        if (through < d[i * n + j])
          d[i * n + j] = through;
      }
}

int main(int argc, char **argv) {
  uint32_t n = size_argument(argc, argv);
  uint32_t *d = allocate(n * n, sizeof *d);
  for (uint32_t i = 0; i < n * n; i++)
    d[i] = i % (n + 1) == 0 ? 0 : 1 + next_random() % 100000;
  shorten(n, d);
  uint64_t sum = 0;
  for (uint32_t i = 0; i < n * n; i++)
    sum = mix(sum, d[i]);
  print_checksum(sum);
}
