// Queens on a board: recursion over bit sets.
#include "kernel.h"

static uint32_t place(uint32_t all, uint32_t columns, uint32_t left, uint32_t right) {
  if (columns == all)
    return 1;
  uint32_t solutions = 0;
  for (uint32_t free = all & ~(columns | left | right); free; free &= free - 1) {
    uint32_t queen = free & -free;
    solutions += place(all, columns | queen, (left | queen) << 1, (right | queen) >> 1);
  }
  return solutions;
}

int main(int argc, char **argv) {
  uint32_t n = size_argument(argc, argv);
  print_checksum(place((1u << n) - 1, 0, 0, 0));
}
