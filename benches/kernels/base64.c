// Base64, there and back, byte by byte through tables.
#include "kernel.h"

static const char alphabet[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

static void encode(char *to, const uint8_t *from, uint32_t size) {
  for (uint32_t i = 0; i < size; i += 3) {
    uint32_t group = from[i] << 16 | from[i + 1] << 8 | from[i + 2];
    for (int shift = 18; shift >= 0; shift -= 6)
      *to++ = alphabet[group >> shift & 63];
  }
}

static void decode(uint8_t *to, const char *from, uint32_t size,
                   const uint8_t *values) {
  for (uint32_t i = 0; i < size; i += 4) {
    uint32_t group = 0;
    for (int k = 0; k < 4; k++)
      group = group << 6 | values[(uint8_t)from[i + k]];
    *to++ = (uint8_t)(group >> 16);
    *to++ = (uint8_t)(group >> 8);
    *to++ = (uint8_t)group;
  }
}

int main(int argc, char **argv) {
  enum { SIZE = 3 << 16 };
  uint32_t rounds = size_argument(argc, argv);
  uint8_t *data = allocate(SIZE, 1), values[256] = {0};
  char *text = allocate(SIZE / 3, 4);
  for (int i = 0; i < 64; i++)
    values[(uint8_t)alphabet[i]] = (uint8_t)i;
  for (uint32_t i = 0; i < SIZE; i++)
    data[i] = (uint8_t)next_random();
  uint64_t sum = 0;
  for (uint32_t round = 0; round < rounds; round++) {
    encode(text, data, SIZE);
    sum = mix(sum, (uint8_t)text[round % (SIZE / 3 * 4)]);
    text[next_random() % (SIZE / 3 * 4)] = 'x';
    decode(data, text, SIZE / 3 * 4, values);
    sum = mix(sum, data[next_random() % SIZE]);
  }
  print_checksum(sum);
}
