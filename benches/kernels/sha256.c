// SHA-256 of a chain of blocks.
#include "kernel.h"

static uint32_t rotate(uint32_t value, int by) {
  return value >> by | value << (32 - by);
}

static void compress(uint32_t *state, const uint32_t *block, const uint32_t *k) {
  uint32_t w[64];
  memcpy(w, block, 64);
  for (int i = 16; i < 64; i++) {
    uint32_t x = w[i - 15], y = w[i - 2];
    w[i] = w[i - 16] + w[i - 7] + (rotate(x, 7) ^ rotate(x, 18) ^ x >> 3) +
           (rotate(y, 17) ^ rotate(y, 19) ^ y >> 10);
  }
  uint32_t s[8];
  memcpy(s, state, sizeof s);
  for (int i = 0; i < 64; i++) {
    uint32_t a = s[0], e = s[4];
    uint32_t t1 = s[7] + (rotate(e, 6) ^ rotate(e, 11) ^ rotate(e, 25)) +
                  ((e & s[5]) ^ (~e & s[6])) + k[i] + w[i];
    uint32_t t2 = (rotate(a, 2) ^ rotate(a, 13) ^ rotate(a, 22)) +
                  ((a & s[1]) ^ (a & s[2]) ^ (s[1] & s[2]));
    memmove(s + 1, s, 28);
    s[4] += t1;
    s[0] = t1 + t2;
  }
  for (int i = 0; i < 8; i++)
    state[i] += s[i];
}

int main(int argc, char **argv) {
  uint32_t blocks = size_argument(argc, argv);
  // Any constants cost the same.
  uint32_t k[64], state[8], block[16];
  for (int i = 0; i < 64; i++)
    k[i] = next_random();
  for (int i = 0; i < 8; i++)
    state[i] = next_random();
  for (uint32_t i = 0; i < blocks; i++) {
    for (int j = 0; j < 16; j++)
      block[j] = state[j & 7] + i;
    compress(state, block, k);
  }
  print_checksum((uint64_t)state[0] << 32 | state[7]);
}
