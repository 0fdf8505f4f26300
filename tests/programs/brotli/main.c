// Brotli round trips over standard input.
#include "brotli/decode.h"
#include "brotli/encode.h"
#include "input.h"

int main(void) {
  size_t size;
  uint8_t *input = read_input(&size);
  size_t room = BrotliEncoderMaxCompressedSize(size);
  uint8_t *compressed = allocate(room), *undone = allocate(size);
  for (int quality = 4; quality <= 6; quality++) {
    size_t used = room;
    BrotliEncoderCompress(quality, 22, BROTLI_MODE_GENERIC, size, input, &used, compressed);
    for (int i = 0; i < 6; i++) {
      size_t length = size;
      BrotliDecoderDecompress(used, compressed, &length, undone);
    }
    print_compressed(compressed, used, input, undone, size);
  }
}
