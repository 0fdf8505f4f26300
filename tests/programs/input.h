// What programs in C share.
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static inline void *allocate(size_t size) {
  void *memory = malloc(size);
  if (!memory) {
    fputs("out of memory\n", stderr);
    exit(1);
  }
  return memory;
}

// All of standard input, at most 8 MiB.
static inline uint8_t *read_input(size_t *size) {
  const size_t most = 8 << 20;
  uint8_t *input = allocate(most);
  *size = 0;
  for (size_t read; (read = fread(input + *size, 1, most - *size, stdin)) > 0;)
    *size += read;
  return input;
}

static inline uint64_t fnv1a(const uint8_t *bytes, size_t size) {
  uint64_t hash = 14695981039346656037u;
  for (size_t i = 0; i < size; i++)
    hash = (hash ^ bytes[i]) * 1099511628211u;
  return hash;
}

// Prints a checksum of what compressing was undone to; ends the program if that is not
// the input.
static inline void print_undone(const uint8_t *input, const void *undone, size_t size) {
  printf("%016llx\n", (unsigned long long)fnv1a(undone, size));
  if (memcmp(input, undone, size) != 0) {
    fputs("decompressed to other bytes\n", stderr);
    exit(1);
  }
}

static inline void print_compressed(const void *compressed, size_t compressed_size,
                                    const uint8_t *input, const void *undone, size_t size) {
  printf("%zu bytes, %016llx\n", compressed_size,
         (unsigned long long)fnv1a(compressed, compressed_size));
  print_undone(input, undone, size);
}
