// Heat in a cube: a seven-point stencil, back and forth between two grids.
#include "kernel.h"

enum { N = 96 };
typedef double Grid[N][N][N];

static void step(Grid to, const Grid from) {
  for (uint32_t i = 1; i < N - 1; i++)
    for (uint32_t j = 1; j < N - 1; j++)
      for (uint32_t k = 1; k < N - 1; k++) {
        double here = from[i][j][k];
        to[i][j][k] =
            here + 0.125 * (from[i + 1][j][k] - 2.0 * here + from[i - 1][j][k]) +
            0.125 * (from[i][j + 1][k] - 2.0 * here + from[i][j - 1][k]) +
            0.125 * (from[i][j][k + 1] - 2.0 * here + from[i][j][k - 1]);
      }
}

int main(int argc, char **argv) {
  uint32_t steps = size_argument(argc, argv);
  double(*a)[N][N] = allocate(1, sizeof(Grid));
  double(*b)[N][N] = allocate(1, sizeof(Grid));
  for (uint32_t i = 0; i < N * N * N; i++)
    ((double *)b)[i] = ((double *)a)[i] = next_double();
  for (uint32_t t = 0; t < steps; t++) {
    step(b, a);
    step(a, b);
  }
  uint64_t sum = 0;
  for (uint32_t i = 0; i < N * N * N; i++)
    sum = mix(sum, bits(((double *)a)[i]));
  print_checksum(sum);
}
