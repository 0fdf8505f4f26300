// Dot products of floats in four lanes, in wasm SIMD if it is there.
#include "kernel.h"
#ifdef __wasm_simd128__
#include <wasm_simd128.h>

static void dot(float *lanes, const float *a, const float *b, uint32_t n) {
  v128_t sum = wasm_f32x4_splat(0.0f);
  for (uint32_t i = 0; i < n; i += 4)
    sum = wasm_f32x4_add(sum, wasm_f32x4_mul(wasm_v128_load(a + i), wasm_v128_load(b + i)));
  wasm_v128_store(lanes, sum);
}
#else
static void dot(float *lanes, const float *a, const float *b, uint32_t n) {
  float sum[4] = {0};
  for (uint32_t i = 0; i < n; i += 4)
    for (int lane = 0; lane < 4; lane++)
      sum[lane] += a[i + lane] * b[i + lane];
  memcpy(lanes, sum, sizeof sum);
}
#endif

int main(int argc, char **argv) {
  enum { ROWS = 64, N = 1 << 12 };
  uint32_t rounds = size_argument(argc, argv);
  float *a = allocate(ROWS * N, sizeof *a), *b = allocate(N, sizeof *b);
  for (uint32_t i = 0; i < ROWS * N; i++)
    a[i] = (float)next_double();
  uint64_t sum = 0;
  for (uint32_t round = 0; round < rounds; round++) {
    for (uint32_t i = 0; i < N; i += 1 + (round & 63))
      b[i] = (float)next_double();
    for (uint32_t row = 0; row < ROWS; row++) {
      float lanes[4];
      dot(lanes, a + row * N, b, N);
      for (int lane = 0; lane < 4; lane++)
        sum = mix(sum, bits(lanes[lane]));
    }
  }
  print_checksum(sum);
}
