// Sound at another rate: conversions between integers and floating point.
#include "kernel.h"

static void resample(int16_t *to, uint32_t count, const int16_t *from, double step) {
  for (uint32_t i = 0; i < count; i++) {
    double position = i * step;
    int32_t at = (int32_t)position;
    double between = position - at;
    double value = from[at] * (1.0 - between) + from[at + 1] * between;
    to[i] = (int16_t)value;
  }
}

int main(int argc, char **argv) {
  enum { IN = 1 << 16, OUT = 48000 };
  uint32_t rounds = size_argument(argc, argv);
  int16_t *from = allocate(IN, sizeof *from), *to = allocate(OUT, sizeof *to);
  for (uint32_t i = 0; i < IN; i++)
    from[i] = (int16_t)next_random();
  uint64_t sum = 0;
  for (uint32_t round = 0; round < rounds; round++) {
    resample(to, OUT, from, 0.5 + 0.8 * next_double());
    sum = mix(sum, (uint16_t)to[next_random() % OUT]);
  }
  print_checksum(sum);
}
