// The sieve of Eratosthenes over bytes.
#include "kernel.h"

int main(int argc, char **argv) {
  enum { LIMIT = 1 << 21 };
  uint32_t rounds = size_argument(argc, argv);
  uint8_t *composite = allocate(LIMIT, 1);
  uint64_t sum = 0;
  for (uint32_t round = 0; round < rounds; round++) {
    memset(composite, 0, LIMIT);
    for (uint32_t i = 2; i * i < LIMIT; i++)
      if (!composite[i])
        for (uint32_t j = i * i + round; j < LIMIT; j += i)
          composite[j] = 1;
    for (uint32_t i = 2; i < LIMIT; i++)
      sum += composite[i];
  }
  print_checksum(sum);
}
