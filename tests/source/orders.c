// What the tests of source positions compile: a trap in a function that clang
// inlines, in one that it does not.
#include <stdint.h>
#include <stdio.h>

static inline uint32_t price_of(const uint32_t *prices, uint32_t article) {
  return prices[article]; // HERE: price_of
}

__attribute__((noinline)) static uint32_t total(const uint32_t *prices,
                                                uint32_t article) {
  return 3 * price_of(prices, article); // HERE: total
}

int main(int argc, char **argv) {
  (void)argv;
  uint32_t prices[] = {250, 1999, 75, 12000};
  printf("%u\n", total(prices, argc));
  printf("%u\n", total(prices, 0x20000000)); // HERE: main
  return 0;
}
