// Binary trees built with malloc, walked and freed again.
#include "kernel.h"

typedef struct Node {
  struct Node *left, *right;
} Node;

static Node *build(uint32_t depth) {
  Node *node = malloc(sizeof *node);
  if (node == NULL)
    exit(2);
  node->left = depth ? build(depth - 1) : NULL;
  node->right = depth ? build(depth - 1) : NULL;
  return node;
}

static uint32_t count(const Node *node) {
  return node == NULL ? 0 : 1 + count(node->left) + count(node->right);
}

static void destroy(Node *node) {
  if (node == NULL)
    return;
  destroy(node->left);
  destroy(node->right);
  free(node);
}

int main(int argc, char **argv) {
  uint32_t rounds = size_argument(argc, argv);
  Node *lasting = build(14);
  uint64_t sum = 0;
  for (uint32_t round = 0; round < rounds; round++) {
    Node *tree = build(4 + round % 10);
    sum = mix(sum, count(tree));
    destroy(tree);
  }
  print_checksum(mix(sum, count(lasting)));
}
