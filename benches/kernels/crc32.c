// CRC-32, four bytes at a time through four tables.
#include "kernel.h"

static uint32_t table[4][256];

static void make_table(void) {
  for (uint32_t i = 0; i < 256; i++) {
    uint32_t value = i;
    for (int bit = 0; bit < 8; bit++)
      value = value >> 1 ^ (value & 1 ? 0xedb88320u : 0);
    table[0][i] = value;
  }
  for (int t = 1; t < 4; t++)
    for (int i = 0; i < 256; i++)
      table[t][i] = table[t - 1][i] >> 8 ^ table[0][table[t - 1][i] & 255];
}

static uint32_t crc32(const uint32_t *words, uint32_t count, uint32_t crc) {
  for (uint32_t i = 0; i < count; i++) {
    crc ^= words[i];
    crc = table[3][crc & 255] ^ table[2][crc >> 8 & 255] ^
          table[1][crc >> 16 & 255] ^ table[0][crc >> 24];
  }
  return crc;
}

int main(int argc, char **argv) {
  enum { WORDS = 1 << 16 };
  uint32_t rounds = size_argument(argc, argv);
  make_table();
  uint32_t *words = allocate(WORDS, sizeof *words);
  for (uint32_t i = 0; i < WORDS; i++)
    words[i] = next_random();
  uint32_t crc = ~0u;
  for (uint32_t round = 0; round < rounds; round++)
    crc = crc32(words, WORDS, crc);
  print_checksum(~crc);
}
