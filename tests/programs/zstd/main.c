// Zstandard round trips over generated data. Prints the compressed size and a
// checksum of the compressed bytes, so a one-bit difference anywhere shows.
// The argument is the number of bytes, 1 MiB if it is missing.
#include "input.h"
#include "zstd.h"

static uint32_t state = 2463534242u;

static uint32_t next_random(void) {
  state ^= state << 13;
  state ^= state >> 17;
  state ^= state << 5;
  return state;
}

static void gen_noise(uint8_t *out, size_t n) {
  for (size_t i = 0; i < n; i++)
    out[i] = (uint8_t)next_random();
}

static void gen_zeros(uint8_t *out, size_t n) {
  memset(out, 0, n);
  for (size_t i = 0; i < n; i += 1 + next_random() % 5000)
    out[i] = (uint8_t)next_random();
}

static void gen_text(uint8_t *out, size_t n) {
  char words[512][12];
  for (int w = 0; w < 512; w++) {
    int len = 2 + (int)(next_random() % 9);
    for (int i = 0; i < len; i++)
      words[w][i] = (char)('a' + next_random() % 26);
    words[w][len] = 0;
  }
  for (size_t i = 0; i < n;) {
    // The product favours low numbers: a few words are much more frequent.
    uint32_t w = (next_random() % 512) * (next_random() % 512) / 512;
    for (const char *p = words[w]; *p && i < n; p++)
      out[i++] = (uint8_t)*p;
    if (i < n)
      out[i++] = next_random() % 12 ? ' ' : '\n';
  }
}

static void gen_records(uint8_t *out, size_t n) {
  uint32_t id = 1000, value = 0;
  for (size_t i = 0; i < n; i++) {
    switch (i % 16) {
    case 0: id += 1 + next_random() % 3; break;
    case 8: value += next_random() % 1024; break;
    }
    out[i] = (uint8_t)(i % 16 < 4    ? id >> 8 * (i % 4)
                       : i % 16 < 8  ? 0
                       : i % 16 < 12 ? value >> 8 * (i % 4)
                                     : 0x5a);
  }
}

static void fail(const char *what, size_t code) {
  printf("%s failed: %s\n", what, ZSTD_getErrorName(code));
  exit(1);
}

static size_t checked(const char *what, size_t code) {
  if (ZSTD_isError(code))
    fail(what, code);
  return code;
}

static size_t compress_stream(ZSTD_CCtx *c, uint8_t *out, size_t room,
                              const uint8_t *in, size_t n) {
  ZSTD_outBuffer o = {out, room, 0};
  size_t fed = 0, left = 1;
  while (left) {
    size_t step = n - fed < 7777 ? n - fed : 7777;
    ZSTD_inBuffer i = {in + fed, step, 0};
    ZSTD_EndDirective mode = fed + step == n ? ZSTD_e_end : ZSTD_e_continue;
    left = checked("stream", ZSTD_compressStream2(c, &o, &i, mode));
    fed += i.pos;
    left |= mode != ZSTD_e_end;
  }
  return o.pos;
}

int main(int argc, char **argv) {
  size_t size = argc > 1 ? strtoul(argv[1], NULL, 10) : 1 << 20;
  static const struct {
    const char *name;
    void (*generate)(uint8_t *, size_t);
  } kinds[] = {{"noise", gen_noise},
               {"zeros", gen_zeros},
               {"text", gen_text},
               {"records", gen_records}};
  static const int levels[] = {-5, 1, 3, 6, 9, 13};
  size_t room = ZSTD_compressBound(size);
  uint8_t *in = malloc(size), *packed = malloc(room), *back = malloc(size);
  ZSTD_CCtx *c = ZSTD_createCCtx();
  ZSTD_DCtx *d = ZSTD_createDCtx();
  if (!in || !packed || !back || !c || !d)
    return 1;

  for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++) {
    kinds[k].generate(in, size);
    printf("%s %016llx\n", kinds[k].name, (unsigned long long)fnv1a(in, size));
    for (size_t l = 0; l < sizeof levels / sizeof *levels; l++) {
      size_t n = checked("compress",
                         ZSTD_compressCCtx(c, packed, room, in, size, levels[l]));
      printf("  level %2d: %7zu %016llx\n", levels[l], n,
             (unsigned long long)fnv1a(packed, n));
      memset(back, 0xee, size);
      size_t m = checked("decompress",
                         ZSTD_decompressDCtx(d, back, size, packed, n));
      if (m != size || memcmp(in, back, size))
        fail("round trip", 0);
    }

    ZSTD_CCtx_reset(c, ZSTD_reset_session_and_parameters);
    ZSTD_CCtx_setParameter(c, ZSTD_c_compressionLevel, 4);
    ZSTD_CCtx_setParameter(c, ZSTD_c_checksumFlag, 1);
    ZSTD_CCtx_setParameter(c, ZSTD_c_enableLongDistanceMatching, 1);
    size_t n = compress_stream(c, packed, room, in, size);
    printf("  streamed: %7zu %016llx\n", n,
           (unsigned long long)fnv1a(packed, n));
    if (checked("decompress", ZSTD_decompressDCtx(d, back, size, packed, n)) !=
            size || memcmp(in, back, size))
      fail("round trip", 0);

    // Damage has to be found by the checksum, or earlier.
    packed[n / 2] ^= 0x10;
    size_t code = ZSTD_decompressDCtx(d, back, size, packed, n);
    printf("  damaged: %s\n", ZSTD_isError(code) ? "refused" : "accepted");
  }
  ZSTD_freeCCtx(c);
  ZSTD_freeDCtx(d);
  return 0;
}
