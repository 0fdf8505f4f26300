// Two pictures blended by a third: bytes, in wasm SIMD if it is there.
#include "kernel.h"
#ifdef __wasm_simd128__
#include <wasm_simd128.h>

static v128_t half(v128_t a, v128_t b, v128_t m) {
  v128_t rest = wasm_i16x8_sub(wasm_i16x8_splat(255), m);
  v128_t sum = wasm_i16x8_add(wasm_i16x8_mul(a, m), wasm_i16x8_mul(b, rest));
  return wasm_u16x8_shr(wasm_i16x8_add(sum, wasm_i16x8_splat(255)), 8);
}

static void blend(uint8_t *to, const uint8_t *a, const uint8_t *b,
                  const uint8_t *mask, uint32_t size) {
  for (uint32_t i = 0; i < size; i += 16) {
    v128_t x = wasm_v128_load(a + i), y = wasm_v128_load(b + i);
    v128_t m = wasm_v128_load(mask + i);
    v128_t low = half(wasm_u16x8_extend_low_u8x16(x), wasm_u16x8_extend_low_u8x16(y),
                      wasm_u16x8_extend_low_u8x16(m));
    v128_t high = half(wasm_u16x8_extend_high_u8x16(x), wasm_u16x8_extend_high_u8x16(y),
                       wasm_u16x8_extend_high_u8x16(m));
    wasm_v128_store(to + i, wasm_u8x16_narrow_i16x8(low, high));
  }
}
#else
static void blend(uint8_t *restrict to, const uint8_t *a, const uint8_t *b,
                  const uint8_t *mask, uint32_t size) {
  for (uint32_t i = 0; i < size; i++)
    to[i] = (uint8_t)((uint16_t)(a[i] * mask[i] + b[i] * (255 - mask[i]) + 255) >> 8);
}
#endif

int main(int argc, char **argv) {
  enum { SIZE = 1 << 16 };
  uint32_t rounds = size_argument(argc, argv);
  uint8_t *pictures[4];
  for (int i = 0; i < 4; i++) {
    pictures[i] = allocate(SIZE, 1);
    for (uint32_t j = 0; j < SIZE; j++)
      pictures[i][j] = (uint8_t)next_random();
  }
  for (uint32_t round = 0; round < rounds; round++) {
    blend(pictures[round & 3], pictures[(round + 1) & 3], pictures[(round + 2) & 3],
          pictures[(round + 3) & 3], SIZE);
    pictures[round & 3][next_random() % SIZE] = (uint8_t)round;
  }
  uint64_t sum = 0;
  for (int i = 0; i < 4; i++)
    for (uint32_t j = 0; j < SIZE; j++)
      sum = mix(sum, pictures[i][j]);
  print_checksum(sum);
}
