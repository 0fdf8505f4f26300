// Deflate round trips over standard input.
#include "input.h"
#include "zlib.h"

int main(void) {
  size_t size;
  uint8_t *input = read_input(&size);
  uLong room = compressBound(size), used = room;
  uint8_t *compressed = allocate(room), *undone = allocate(size);
  for (int level = 1; level <= 7; level += 3) {
    used = room;
    compress2(compressed, &used, input, size, level);
    for (int i = 0; i < 10; i++) {
      uLong length = size;
      uncompress(undone, &length, compressed, used);
    }
    print_compressed(compressed, used, input, undone, size);
  }
}
