// Substring search: Horspool's algorithm over generated text.
#include "kernel.h"

static uint32_t find_all(const uint8_t *text, uint32_t size,
                         const uint8_t *word, uint32_t length) {
  uint8_t skip[256];
  memset(skip, (int)length, sizeof skip);
  for (uint32_t i = 0; i + 1 < length; i++)
    skip[word[i]] = (uint8_t)(length - 1 - i);
  uint32_t found = 0;
  for (uint32_t at = 0; at + length <= size;) {
    uint32_t i = length;
    while (i > 0 && text[at + i - 1] == word[i - 1])
      i--;
    found += i == 0;
    at += skip[text[at + length - 1]];
  }
  return found;
}

int main(int argc, char **argv) {
  enum { SIZE = 1 << 20 };
  uint32_t rounds = size_argument(argc, argv);
  uint8_t *text = allocate(SIZE, 1);
  for (uint32_t i = 0; i < SIZE; i++)
    text[i] = (uint8_t)('a' + next_random() % 6);
  uint64_t sum = 0;
  for (uint32_t round = 0; round < rounds; round++) {
    uint32_t length = 3 + next_random() % 8;
    const uint8_t *word = text + next_random() % (SIZE - length);
    sum = mix(sum, find_all(text, SIZE, word, length));
  }
  print_checksum(sum);
}
