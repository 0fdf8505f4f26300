// LZ77: match finding by hash chains, then decoding.
#include "kernel.h"

enum { SIZE = 1 << 18, HASHES = 1 << 14, FAR = 1 << 15 };

static uint32_t hash(const uint8_t *at) {
  uint32_t value;
  memcpy(&value, at, 4);
  return value * 2654435761u >> 18;
}

static uint32_t compress(uint8_t *out, const uint8_t *in, int32_t *head, int32_t *chain) {
  uint8_t *start = out;
  memset(head, 0xff, HASHES * sizeof *head);
  for (int32_t at = 0; at < SIZE;) {
    int32_t best = 0, from = 0;
    if (at + 4 <= SIZE) {
      int32_t candidate = head[hash(in + at)];
      for (int tries = 8; tries > 0 && candidate >= 0 && at - candidate < FAR; tries--) {
        int32_t length = 0;
        while (length < 130 && at + length < SIZE && in[candidate + length] == in[at + length])
          length++;
        if (length > best) {
          best = length;
          from = at - candidate;
        }
        candidate = chain[candidate];
      }
    }
    int32_t taken = best >= 4 ? best : 1;
    if (best >= 4) {
      *out++ = (uint8_t)(128 + best - 4);
      *out++ = (uint8_t)from;
      *out++ = (uint8_t)(from >> 8);
    } else {
      *out++ = in[at] & 127;
    }
    for (; taken > 0; taken--, at++)
      if (at + 4 <= SIZE) {
        uint32_t slot = hash(in + at);
        chain[at] = head[slot];
        head[slot] = at;
      }
  }
  return (uint32_t)(out - start);
}

static void expand(uint8_t *out, const uint8_t *in, uint32_t size) {
  for (const uint8_t *end = in + size; in < end;) {
    uint32_t token = *in++;
    if (token < 128) {
      *out++ = (uint8_t)token;
      continue;
    }
    uint32_t from = in[0] | (uint32_t)in[1] << 8;
    in += 2;
    for (uint32_t length = token - 128 + 4; length > 0; length--, out++)
      *out = *(out - from);
  }
}

int main(int argc, char **argv) {
  uint32_t rounds = size_argument(argc, argv);
  uint8_t *plain = allocate(SIZE, 1), *packed = allocate(SIZE, 3), *again = allocate(SIZE, 1);
  int32_t *head = allocate(HASHES, sizeof *head), *chain = allocate(SIZE, sizeof *chain);
  for (uint32_t i = 0; i < SIZE; i++)
    plain[i] = i > 64 && next_random() % 9 ? plain[i - 7 - next_random() % 3] : next_random() & 127;
  uint64_t sum = 0;
  for (uint32_t round = 0; round < rounds; round++) {
    plain[next_random() % SIZE] = next_random() & 127;
    uint32_t size = compress(packed, plain, head, chain);
    expand(again, packed, size);
    sum = mix(sum, size + (uint32_t)memcmp(plain, again, SIZE));
  }
  print_checksum(sum);
}
