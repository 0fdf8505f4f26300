// What the kernels share. Each takes its size from the command line, so that no
// compiler can compute the answer, and prints a checksum that every build must
// agree on: no libm beyond sqrt, no reordering of floating-point operations,
// and nothing that depends on the width of a pointer.
#pragma once
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static inline uint32_t size_argument(int argc, char **argv) {
  uint32_t size = argc == 2 ? (uint32_t)strtoul(argv[1], NULL, 10) : 0;
  if (size == 0) {
    fprintf(stderr, "usage: %s SIZE\n", argv[0]);
    exit(2);
  }
  return size;
}

static inline void *allocate(size_t count, size_t size) {
  void *memory = calloc(count, size);
  if (memory == NULL) {
    fprintf(stderr, "out of memory\n");
    exit(2);
  }
  return memory;
}

static inline uint32_t next_random(void) {
  static uint32_t state = 2463534242u;
  state ^= state << 13;
  state ^= state >> 17;
  state ^= state << 5;
  return state;
}

// In [0, 1).
static inline double next_double(void) { return next_random() / 4294967296.0; }

static inline uint64_t bits(double value) {
  uint64_t bits;
  memcpy(&bits, &value, sizeof bits);
  return bits;
}

static inline uint64_t mix(uint64_t sum, uint64_t value) {
  return (sum ^ value) * 1099511628211u;
}

static inline void print_checksum(uint64_t sum) {
  printf("%016llx\n", (unsigned long long)sum);
}
