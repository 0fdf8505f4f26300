// Factorials in 32-bit limbs: long multiplication and division by small numbers.
#include "kernel.h"

static uint32_t multiply(uint32_t *limbs, uint32_t count, uint32_t by) {
  uint64_t carry = 0;
  for (uint32_t i = 0; i < count; i++) {
    carry += (uint64_t)limbs[i] * by;
    limbs[i] = (uint32_t)carry;
    carry >>= 32;
  }
  if (carry != 0)
    limbs[count++] = (uint32_t)carry;
  return count;
}

static uint32_t divide(uint32_t *limbs, uint32_t count, uint32_t by) {
  uint64_t rest = 0;
  for (uint32_t i = count; i-- > 0;) {
    rest = rest << 32 | limbs[i];
    limbs[i] = (uint32_t)(rest / by);
    rest %= by;
  }
  return (uint32_t)rest;
}

int main(int argc, char **argv) {
  uint32_t n = size_argument(argc, argv);
  uint32_t *limbs = allocate(n, sizeof *limbs), count = 1;
  limbs[0] = 1;
  for (uint32_t i = 2; i <= n; i++)
    count = multiply(limbs, count, i);
  uint64_t sum = 0;
  for (; count > 0; count -= limbs[count - 1] == 0)
    sum = mix(sum, divide(limbs, count, 1000000007));
  print_checksum(sum);
}
