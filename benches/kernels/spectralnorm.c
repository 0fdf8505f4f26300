// Products with a matrix that is computed, not stored: division bound.
#include "kernel.h"
#include <math.h>

static double entry(uint32_t i, uint32_t j) {
  return 1.0 / ((i + j) * (i + j + 1) / 2 + i + 1);
}

static void times(uint32_t n, double *to, const double *from) {
  for (uint32_t i = 0; i < n; i++) {
    double sum = 0.0;
    for (uint32_t j = 0; j < n; j++)
      sum += entry(i, j) * from[j];
    to[i] = sum;
  }
}

static void transposed_times(uint32_t n, double *to, const double *from) {
  for (uint32_t i = 0; i < n; i++) {
    double sum = 0.0;
    for (uint32_t j = 0; j < n; j++)
      sum += entry(j, i) * from[j];
    to[i] = sum;
  }
}

int main(int argc, char **argv) {
  uint32_t n = size_argument(argc, argv);
  double *u = allocate(n, sizeof *u), *v = allocate(n, sizeof *v);
  double *t = allocate(n, sizeof *t);
  for (uint32_t i = 0; i < n; i++)
    u[i] = 1.0;
  for (int i = 0; i < 10; i++) {
    times(n, t, u);
    transposed_times(n, v, t);
    times(n, t, v);
    transposed_times(n, u, t);
  }
  double uv = 0.0, vv = 0.0;
  for (uint32_t i = 0; i < n; i++) {
    uv += u[i] * v[i];
    vv += v[i] * v[i];
  }
  print_checksum(bits(sqrt(uv / vv)));
}
