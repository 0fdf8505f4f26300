// LU decomposition in place, without pivoting.
#include "kernel.h"

static void decompose(uint32_t n, double *a) {
  for (uint32_t k = 0; k < n; k++)
    for (uint32_t i = k + 1; i < n; i++) {
      double factor = a[i * n + k] /= a[k * n + k];
      for (uint32_t j = k + 1; j < n; j++)
        a[i * n + j] -= factor * a[k * n + j];
    }
}

int main(int argc, char **argv) {
  uint32_t n = size_argument(argc, argv);
  double *a = allocate(n * n, sizeof *a);
  for (uint32_t i = 0; i < n; i++)
    for (uint32_t j = 0; j < n; j++)
      a[i * n + j] = next_double() + (i == j ? n : 0);
  decompose(n, a);
  uint64_t sum = 0;
  for (uint32_t i = 0; i < n * n; i++)
    sum = mix(sum, bits(a[i]));
  print_checksum(sum);
}
