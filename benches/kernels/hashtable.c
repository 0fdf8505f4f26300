// A hash table with open addressing, mostly missing the cache.
#include "kernel.h"

enum { LOG_SLOTS = 20, SLOTS = 1 << LOG_SLOTS };
typedef struct {
  uint64_t key;
  uint64_t count;
} Slot;

static uint64_t hash(uint64_t key) {
  key ^= key >> 33;
  key *= 0xff51afd7ed558ccdu;
  key ^= key >> 29;
  key *= 0xc4ceb9fe1a85ec53u;
  return key ^ key >> 32;
}

static Slot *find(Slot *slots, uint64_t key) {
  uint32_t at = (uint32_t)(hash(key) & (SLOTS - 1));
  while (slots[at].key != 0 && slots[at].key != key)
    at = (at + 1) & (SLOTS - 1);
  return &slots[at];
}

int main(int argc, char **argv) {
  uint32_t count = size_argument(argc, argv);
  Slot *slots = allocate(SLOTS, sizeof *slots);
  uint64_t sum = 0;
  for (uint32_t i = 0; i < count; i++) {
    uint64_t key = 1 + next_random() % (SLOTS / 2);
    Slot *slot = find(slots, key);
    slot->key = key;
    sum = mix(sum, ++slot->count);
  }
  print_checksum(sum);
}
