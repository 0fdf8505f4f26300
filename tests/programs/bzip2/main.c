// bzip2 round trips over standard input.
#include "bzlib.h"
#include "input.h"

void bz_internal_error(int code) {
  fprintf(stderr, "bzip2: error %d\n", code);
  exit(1);
}

int main(void) {
  size_t size;
  uint8_t *input = read_input(&size);
  unsigned room = size + size / 100 + 600;
  char *compressed = allocate(room), *undone = allocate(size);
  for (int blocks = 1; blocks <= 9; blocks += 8) {
    unsigned used = room, length = size;
    BZ2_bzBuffToBuffCompress(compressed, &used, (char *)input, size, blocks, 0, 30);
    BZ2_bzBuffToBuffDecompress(undone, &length, compressed, used, 0, 0);
    print_compressed(compressed, used, input, undone, size);
  }
}
