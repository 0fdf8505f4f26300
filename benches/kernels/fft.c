// Fast Fourier transform, radix two, in place.
#include "kernel.h"
#include <math.h>

typedef struct {
  double re, im;
} Complex;

static Complex times(Complex a, Complex b) {
  return (Complex){a.re * b.re - a.im * b.im, a.re * b.im + a.im * b.re};
}

static void transform(Complex *a, uint32_t n, const Complex *roots) {
  for (uint32_t i = 1, j = 0; i < n; i++) {
    uint32_t bit = n >> 1;
    for (; j & bit; bit >>= 1)
      j ^= bit;
    j ^= bit;
    if (i < j) {
      Complex old = a[i];
      a[i] = a[j];
      a[j] = old;
    }
  }
  for (uint32_t half = 1; half < n; half *= 2)
    for (uint32_t start = 0; start < n; start += 2 * half)
      for (uint32_t k = 0; k < half; k++) {
        Complex x = a[start + k];
        Complex y = times(a[start + k + half], roots[half + k]);
        a[start + k] = (Complex){x.re + y.re, x.im + y.im};
        a[start + k + half] = (Complex){x.re - y.re, x.im - y.im};
      }
}

int main(int argc, char **argv) {
  enum { N = 1 << 13 };
  uint32_t rounds = size_argument(argc, argv);
  Complex *a = allocate(N, sizeof *a), *roots = allocate(N, sizeof *roots);
  // roots[half + k] turns by k / half of a half circle; each level by halving
  // the angle of the one before, which needs only square roots.
  Complex turn = {-1.0, 0.0};
  for (uint32_t half = 1; half < N; half *= 2) {
    roots[half] = (Complex){1.0, 0.0};
    for (uint32_t k = 1; k < half; k++)
      roots[half + k] = k & 1 ? times(roots[half + k - 1], turn) : roots[half / 2 + k / 2];
    turn = half == 1 ? (Complex){0.0, 1.0}
                     : (Complex){sqrt((1.0 + turn.re) / 2.0), sqrt((1.0 - turn.re) / 2.0)};
  }
  for (uint32_t i = 0; i < N; i++)
    a[i] = (Complex){next_double(), next_double()};
  for (uint32_t round = 0; round < rounds; round++) {
    transform(a, N, roots);
    for (uint32_t i = 0; i < N; i++)
      a[i] = (Complex){a[i].re / 90.0, a[i].im / 91.0};
  }
  uint64_t sum = 0;
  for (uint32_t i = 0; i < N; i++)
    sum = mix(mix(sum, bits(a[i].re)), bits(a[i].im));
  print_checksum(sum);
}
