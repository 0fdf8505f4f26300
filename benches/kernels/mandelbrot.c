// The Mandelbrot set: a loop of floating point without any memory.
#include "kernel.h"

int main(int argc, char **argv) {
  uint32_t n = size_argument(argc, argv);
  uint64_t sum = 0;
  for (uint32_t y = 0; y < n; y++)
    for (uint32_t x = 0; x < n; x++) {
      double cr = 3.0 * x / n - 2.0, ci = 2.0 * y / n - 1.0;
      double zr = 0.0, zi = 0.0;
      uint32_t count = 0;
      while (count < 200 && zr * zr + zi * zi < 4.0) {
        double next = zr * zr - zi * zi + cr;
        zi = 2.0 * zr * zi + ci;
        zr = next;
        count++;
      }
      sum = mix(sum, count);
    }
  print_checksum(sum);
}
