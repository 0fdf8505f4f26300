// A recursive parser of JSON: branches, bytes, and a tree of small nodes.
#include "kernel.h"

typedef struct Node {
  struct Node *next, *child;
  double number;
  uint32_t kind, length;
} Node;

static char *text;
static Node *nodes;
static uint32_t used;

static char *write_value(char *out, int depth) {
  uint32_t kind = depth == 0 ? next_random() % 3 : 3 + next_random() % 2;
  if (kind == 0)
    return out + sprintf(out, "%u.%u", next_random() % 1000, next_random() % 100);
  if (kind == 1)
    return out + sprintf(out, next_random() & 1 ? "true" : "null");
  if (kind == 2) {
    *out++ = '"';
    for (uint32_t n = next_random() % 24; n > 0; n--)
      *out++ = (char)('a' + next_random() % 26);
    *out++ = '"';
    return out;
  }
  *out++ = kind == 3 ? '[' : '{';
  for (int i = 0; i < 4; i++) {
    if (i > 0) {
      *out++ = ',';
      *out++ = ' ';
    }
    if (kind == 4)
      out += sprintf(out, "\"key%d\": ", i);
    out = write_value(out, depth - 1);
  }
  *out++ = kind == 3 ? ']' : '}';
  return out;
}

static const char *space(const char *at) {
  while (*at == ' ' || *at == '\n')
    at++;
  return at;
}

static const char *string(const char *at, uint32_t *length) {
  const char *start = ++at;
  while (*at != '"')
    at++;
  *length = (uint32_t)(at - start);
  return at + 1;
}

static const char *parse(const char *at, Node **out) {
  Node *node = *out = &nodes[used++];
  *node = (Node){0};
  at = space(at);
  node->kind = (uint8_t)*at;
  if (*at == '"')
    return string(at, &node->length);
  if (*at == 't' || *at == 'n')
    return at + 4;
  if (*at >= '0' && *at <= '9') {
    double scale = 1.0;
    for (; *at >= '0' && *at <= '9'; at++)
      node->number = node->number * 10.0 + (*at - '0');
    if (*at == '.')
      for (at++; *at >= '0' && *at <= '9'; at++)
        node->number += (*at - '0') * (scale *= 0.1);
    return at;
  }
  char close = *at++ == '[' ? ']' : '}';
  Node **link = &node->child;
  for (;;) {
    if (close == '}')
      at = space(string(space(at), &node->length)) + 1;
    at = space(parse(at, link));
    link = &(*link)->next;
    if (*at++ == close)
      return at;
  }
}

static double total(const Node *node) {
  double sum = node->number + node->length + node->kind;
  for (const Node *child = node->child; child; child = child->next)
    sum += total(child);
  return sum;
}

int main(int argc, char **argv) {
  enum { DEPTH = 8, NODES = 1 << 17 };
  uint32_t rounds = size_argument(argc, argv);
  text = allocate(8 << 20, 1);
  nodes = allocate(NODES, sizeof *nodes);
  write_value(text, DEPTH);
  uint64_t sum = 0;
  for (uint32_t round = 0; round < rounds; round++) {
    Node *root;
    used = 0;
    parse(text, &root);
    sum = mix(sum, bits(total(root)));
  }
  print_checksum(sum);
}
