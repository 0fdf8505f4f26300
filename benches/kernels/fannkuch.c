// Pancake flips of many permutations: short loops over a small array.
#include "kernel.h"

int main(int argc, char **argv) {
  enum { N = 12 };
  uint32_t permutations = size_argument(argc, argv);
  uint32_t order[N], work[N], count[N] = {0};
  for (uint32_t i = 0; i < N; i++)
    order[i] = i;
  uint32_t most = 0;
  int64_t sum = 0;
  for (uint32_t permutation = 0; permutation < permutations; permutation++) {
    memcpy(work, order, sizeof work);
    uint32_t flips = 0;
    for (uint32_t first = work[0]; first != 0; first = work[0], flips++)
      for (uint32_t i = 0, j = first; i < j; i++, j--) {
        uint32_t old = work[i];
        work[i] = work[j];
        work[j] = old;
      }
    most = flips > most ? flips : most;
    sum += permutation & 1 ? -(int64_t)flips : (int64_t)flips;
    // The next one: rotate ever longer prefixes.
    for (uint32_t length = 1; length < N; length++) {
      uint32_t first = order[0];
      for (uint32_t i = 0; i < length; i++)
        order[i] = order[i + 1];
      order[length] = first;
      if (++count[length] <= length)
        break;
      count[length] = 0;
    }
  }
  print_checksum((uint64_t)sum * 1000 + most);
}
