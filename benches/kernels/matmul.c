// Product of two dense matrices of doubles, rows times rows.
#include "kernel.h"

static void multiply(uint32_t n, double *restrict c, const double *restrict a,
                     const double *restrict b) {
  for (uint32_t i = 0; i < n; i++)
    for (uint32_t k = 0; k < n; k++)
      for (uint32_t j = 0; j < n; j++)
        c[i * n + j] += a[i * n + k] * b[k * n + j];
}

int main(int argc, char **argv) {
  uint32_t n = size_argument(argc, argv);
  double *a = allocate(n * n, sizeof *a), *b = allocate(n * n, sizeof *b);
  double *c = allocate(n * n, sizeof *c);
  for (uint32_t i = 0; i < n * n; i++) {
    a[i] = next_double();
    b[i] = next_double();
  }
  multiply(n, c, a, b);
  uint64_t sum = 0;
  for (uint32_t i = 0; i < n * n; i++)
    sum = mix(sum, bits(c[i]));
  print_checksum(sum);
}
