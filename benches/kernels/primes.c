// Primes, found by Miller and Rabin: products of 128 bits, reduced as Montgomery does.
#include "kernel.h"

typedef unsigned __int128 uint128_t;

static uint64_t multiply(uint64_t a, uint64_t b, uint64_t modulus, uint64_t inverse) {
  uint128_t product = (uint128_t)a * b;
  uint64_t times = (uint64_t)product * inverse;
  uint64_t high = product >> 64, less = (uint128_t)times * modulus >> 64;
  return high < less ? high - less + modulus : high - less;
}

static int is_prime(uint64_t n) {
  uint64_t inverse = n;
  for (int i = 0; i < 5; i++)
    inverse *= 2 - n * inverse;
  uint64_t one = -n % n, odd = n - 1;
  int twos = 0;
  for (; odd % 2 == 0; odd /= 2)
    twos++;
  uint64_t minus_one = n - one, base = one;
  for (int witness = 1; witness <= 7; witness++) {
    base = base >= n - one ? base - (n - one) : base + one;
    uint64_t power = one, square = base;
    for (uint64_t bits = odd; bits != 0; bits /= 2) {
      if (bits % 2)
        power = multiply(power, square, n, inverse);
      square = multiply(square, square, n, inverse);
    }
    if (power == one || power == minus_one)
      continue;
    int i = 1;
    for (; i < twos; i++) {
      power = multiply(power, power, n, inverse);
      if (power == minus_one)
        break;
    }
    if (i >= twos)
      return 0;
  }
  return 1;
}

int main(int argc, char **argv) {
  uint32_t count = size_argument(argc, argv);
  uint64_t sum = 0;
  for (uint32_t i = 0; i < count; i++) {
    uint64_t high = next_random();
    uint64_t candidate = (high << 32 | next_random()) / 2 | 1;
    if (is_prime(candidate))
      sum = mix(sum, candidate);
  }
  print_checksum(sum);
}
