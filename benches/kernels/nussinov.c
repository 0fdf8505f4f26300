// RNA folding: dynamic programming over a triangle.
#include "kernel.h"

static int32_t max(int32_t a, int32_t b) { return a > b ? a : b; }

static void fold(int32_t n, const uint8_t *base, int32_t *table) {
  for (int32_t i = n - 2; i >= 0; i--)
    for (int32_t j = i + 1; j < n; j++) {
      int32_t best = max(table[i * n + j - 1], table[(i + 1) * n + j]);
      if (j > i + 1)
        best = max(best, table[(i + 1) * n + j - 1] + (base[i] + base[j] == 3));
      for (int32_t k = i + 1; k < j; k++)
        best = max(best, table[i * n + k] + table[(k + 1) * n + j]);
      table[i * n + j] = best;
    }
}

int main(int argc, char **argv) {
  int32_t n = (int32_t)size_argument(argc, argv);
  uint8_t *base = allocate((size_t)n, 1);
  int32_t *table = allocate((size_t)(n * n), sizeof *table);
  for (int32_t i = 0; i < n; i++)
    base[i] = next_random() & 3;
  fold(n, base, table);
  uint64_t sum = 0;
  for (int32_t i = 0; i < n * n; i++)
    sum = mix(sum, (uint32_t)table[i]);
  print_checksum(sum);
}
