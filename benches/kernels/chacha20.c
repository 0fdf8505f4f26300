// ChaCha20's block function: adds, xors and rotations in registers.
#include "kernel.h"

#define ROTATE(value, by) ((value) << (by) | (value) >> (32 - (by)))
#define QUARTER(a, b, c, d)                                                    \
  (a += b, d = ROTATE(d ^ a, 16), c += d, b = ROTATE(b ^ c, 12), a += b,      \
   d = ROTATE(d ^ a, 8), c += d, b = ROTATE(b ^ c, 7))

static void block(uint32_t *out, const uint32_t *in) {
  uint32_t x[16];
  memcpy(x, in, sizeof x);
  for (int i = 0; i < 10; i++) {
    QUARTER(x[0], x[4], x[8], x[12]);
    QUARTER(x[1], x[5], x[9], x[13]);
    QUARTER(x[2], x[6], x[10], x[14]);
    QUARTER(x[3], x[7], x[11], x[15]);
    QUARTER(x[0], x[5], x[10], x[15]);
    QUARTER(x[1], x[6], x[11], x[12]);
    QUARTER(x[2], x[7], x[8], x[13]);
    QUARTER(x[3], x[4], x[9], x[14]);
  }
  for (int i = 0; i < 16; i++)
    out[i] = x[i] + in[i];
}

int main(int argc, char **argv) {
  uint32_t blocks = size_argument(argc, argv);
  uint32_t state[16], stream[16];
  for (int i = 0; i < 16; i++)
    state[i] = next_random();
  uint64_t sum = 0;
  for (uint32_t i = 0; i < blocks; i++) {
    state[12]++;
    block(stream, state);
    sum = mix(sum, stream[i & 15]);
  }
  print_checksum(sum);
}
