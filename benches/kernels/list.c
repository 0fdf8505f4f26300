// A linked list walked in an order that no cache foresees, and reversed.
#include "kernel.h"

typedef struct Node {
  struct Node *next;
  uint32_t value;
} Node;

int main(int argc, char **argv) {
  enum { COUNT = 1 << 14 };
  uint32_t rounds = size_argument(argc, argv);
  Node *nodes = allocate(COUNT, sizeof *nodes);
  uint32_t *order = allocate(COUNT, sizeof *order);
  for (uint32_t i = 0; i < COUNT; i++) {
    uint32_t j = next_random() % (i + 1);
    order[i] = order[j];
    order[j] = i;
  }
  Node *head = NULL;
  for (uint32_t i = 0; i < COUNT; i++) {
    nodes[order[i]] = (Node){head, next_random()};
    head = &nodes[order[i]];
  }
  uint64_t sum = 0;
  for (uint32_t round = 0; round < rounds; round++) {
    Node *reversed = NULL;
    while (head != NULL) {
      Node *next = head->next;
      sum += head->value ^ round;
      head->next = reversed;
      reversed = head;
      head = next;
    }
    head = reversed;
  }
  print_checksum(sum);
}
