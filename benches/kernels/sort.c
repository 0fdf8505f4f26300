// Quicksort, insertion sort for short runs, of 32-bit integers.
#include "kernel.h"

static void swap(uint32_t *a, uint32_t *b) {
  uint32_t old = *a;
  *a = *b;
  *b = old;
}

static void sort(uint32_t *a, int32_t from, int32_t to) {
  while (to - from > 16) {
    uint32_t pivot = a[from + (to - from) / 2];
    int32_t i = from, j = to - 1;
    while (i <= j) {
      while (a[i] < pivot)
        i++;
      while (a[j] > pivot)
        j--;
      if (i <= j)
        swap(&a[i++], &a[j--]);
    }
    sort(a, from, j + 1);
    from = i;
  }
  for (int32_t i = from + 1; i < to; i++)
    for (int32_t j = i; j > from && a[j - 1] > a[j]; j--)
      swap(&a[j - 1], &a[j]);
}

int main(int argc, char **argv) {
  uint32_t n = size_argument(argc, argv);
  uint32_t *a = allocate(n, sizeof *a);
  for (uint32_t i = 0; i < n; i++)
    a[i] = next_random();
  sort(a, 0, (int32_t)n);
  uint64_t sum = 0;
  for (uint32_t i = 0; i < n; i++)
    sum = mix(sum, a[i]);
  print_checksum(sum);
}
