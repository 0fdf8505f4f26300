// An order printer with a common bug: it believes an index that it reads from
// its input. The last order names an article far outside of the price list, so
// the program traps, three calls below main:
//
//   price_of < order_total < print_orders < main
//
// (clang calls a main without parameters __original_main in a .wasm file.)
#include <stdint.h>
#include <stdio.h>

static const uint32_t PRICES[] = {250, 1999, 75, 12000};

// Each order: how many lines, then that many pairs of article and quantity.
static const uint32_t ORDERS[] = {
    2, 0, 4, 2, 10,         // four for 2.50, ten for 0.75
    1, 3, 1,                // one for 120.00
    2, 1, 2, 0x20000000, 1, // a damaged file
    0,
};

// At -O2 all of this would be inlined into main; a larger program would not.
#define NOINLINE __attribute__((noinline))

NOINLINE static uint32_t price_of(const uint32_t *prices, uint32_t article) {
  return prices[article]; // the bug: no check against the length of the list
}

NOINLINE static uint32_t order_total(const uint32_t *order,
                                     const uint32_t *prices) {
  uint32_t total = 0;
  for (uint32_t line = 0; line < order[0]; line++)
    total += price_of(prices, order[1 + 2 * line]) * order[2 + 2 * line];
  return total;
}

NOINLINE static int print_orders(const uint32_t *order,
                                 const uint32_t *prices) {
  int count = 0;
  for (; order[0]; order += 1 + 2 * order[0]) {
    uint32_t cents = order_total(order, prices);
    printf("order %d: %u.%02u\n", ++count, cents / 100, cents % 100);
  }
  return count;
}

int main(void) {
  // Line by line, so that nothing printed before the trap is lost.
  setvbuf(stdout, NULL, _IOLBF, 0);
  int count = print_orders(ORDERS, PRICES);
  printf("%d orders\n", count);
  return 0;
}
