// Powers modulo primes: 64-bit division.
#include "kernel.h"

static uint64_t power(uint64_t base, uint32_t exponent, uint64_t modulus) {
  uint64_t result = 1;
  for (; exponent != 0; exponent >>= 1) {
    if (exponent & 1)
      result = result * base % modulus;
    base = base * base % modulus;
  }
  return result;
}

int main(int argc, char **argv) {
  uint32_t count = size_argument(argc, argv);
  uint64_t sum = 0;
  for (uint32_t i = 0; i < count; i++) {
    uint64_t modulus = next_random() | 1;
    sum = mix(sum, power(next_random() % modulus, next_random(), modulus));
  }
  print_checksum(sum);
}
