// Merge sort with a comparison function: an indirect call for each comparison.
#include "kernel.h"

typedef struct {
  uint32_t key, serial;
} Item;

// Never equal, so that the order does not depend on the algorithm.
static int compare(const void *left, const void *right) {
  const Item *a = left, *b = right;
  if (a->key != b->key)
    return a->key < b->key ? -1 : 1;
  return a->serial < b->serial ? -1 : a->serial > b->serial;
}

static void sort(Item *a, Item *scratch, uint32_t n,
                 int (*order)(const void *, const void *)) {
  if (n < 2)
    return;
  uint32_t half = n / 2;
  sort(a, scratch, half, order);
  sort(a + half, scratch, n - half, order);
  memcpy(scratch, a, half * sizeof *a);
  uint32_t left = 0, right = half;
  for (uint32_t to = 0; left < half; to++) {
    if (right == n || order(&scratch[left], &a[right]) < 0)
      a[to] = scratch[left++];
    else
      a[to] = a[right++];
  }
}

int main(int argc, char **argv) {
  uint32_t n = size_argument(argc, argv);
  Item *a = allocate(n, sizeof *a), *scratch = allocate(n, sizeof *a);
  for (uint32_t i = 0; i < n; i++)
    a[i] = (Item){next_random() % 65536, i};
  // Chosen at run time, or the call would be inlined.
  int (*volatile order)(const void *, const void *) = compare;
  sort(a, scratch, n, order);
  uint64_t sum = 0;
  for (uint32_t i = 0; i < n; i++)
    sum = mix(sum, a[i].serial);
  print_checksum(sum);
}
