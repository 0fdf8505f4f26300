// Recursion with an array in each frame, which for wasm is a stack of its own.
#include "kernel.h"

__attribute__((noinline)) static uint32_t total(const uint32_t *a, uint32_t n) {
  uint32_t sum = 0;
  for (uint32_t i = 0; i < n; i++)
    sum += a[i];
  return sum;
}

__attribute__((noinline)) static uint32_t split(const uint32_t *a, uint32_t depth) {
  uint32_t parts[4];
  for (uint32_t i = 0; i < 4; i++)
    parts[i] = a[i & 1] * (i + depth) + a[(i + 1) & 3];
  if (depth == 0)
    return total(parts, 4);
  uint32_t left = split(parts, depth - 1);
  parts[0] ^= left;
  return left + split(parts, depth - 1);
}

int main(int argc, char **argv) {
  uint32_t start[4] = {1, 2, 3, 4};
  print_checksum(split(start, size_argument(argc, argv)));
}
