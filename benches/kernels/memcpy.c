// memcpy and memset of all sizes, most of them small.
#include "kernel.h"

int main(int argc, char **argv) {
  enum { SIZE = 1 << 20 };
  uint32_t count = size_argument(argc, argv);
  uint8_t *from = allocate(SIZE, 1), *to = allocate(SIZE, 1);
  for (uint32_t i = 0; i < SIZE; i++)
    from[i] = (uint8_t)next_random();
  uint64_t sum = 0;
  for (uint32_t i = 0; i < count; i++) {
    // Small sizes are much more frequent, as in real programs.
    uint32_t size = (next_random() & 0xffff) >> (next_random() & 15);
    uint32_t a = next_random() % (SIZE - 65536), b = next_random() % (SIZE - 65536);
    if (i & 7)
      memcpy(to + a, from + b, size);
    else
      memset(to + a, (int)i, size);
    sum += to[a + size / 2];
  }
  for (uint32_t i = 0; i < SIZE; i++)
    sum = mix(sum, to[i]);
  print_checksum(sum);
}
