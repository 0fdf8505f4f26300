// LZ4 round trips over standard input, fast and thorough. Prints nothing of what is
// compressed: with words of 64 bits it becomes other bytes.
#include "input.h"
#include "lz4.h"
#include "lz4hc.h"

int main(void) {
  size_t size;
  uint8_t *input = read_input(&size);
  int room = LZ4_compressBound((int)size), used = 0;
  char *compressed = allocate(room), *undone = allocate(size);
  for (int i = 0; i < 20; i++) {
    used = LZ4_compress_default((char *)input, compressed, (int)size, room);
    for (int j = 0; j < 6; j++)
      LZ4_decompress_safe(compressed, undone, used, (int)size);
  }
  print_undone(input, undone, size);
  used = LZ4_compress_HC((char *)input, compressed, (int)size, room, 9);
  LZ4_decompress_safe(compressed, undone, used, (int)size);
  print_undone(input, undone, size);
}
