// A small virtual machine whose instructions are functions: one indirect call,
// hard to predict, for each.
#include "kernel.h"

typedef struct {
  uint32_t a, b, steps;
} State;
typedef void (*Operation)(State *);

static void add(State *s) { s->a += s->b; }
static void xor(State *s) { s->b ^= s->a; }
static void rotate(State *s) { s->a = s->a << 7 | s->a >> 25; }
static void multiply(State *s) { s->b *= 2654435761u; }
static void exchange(State *s) {
  uint32_t old = s->a;
  s->a = s->b;
  s->b = old;
}
static void count(State *s) { s->steps++; }
static void negate(State *s) { s->a = ~s->a; }
static void shift(State *s) { s->b ^= s->b >> 3; }

int main(int argc, char **argv) {
  enum { LENGTH = 4096 };
  static const Operation operations[8] = {add,      xor,   rotate, multiply,
                                          exchange, count, negate, shift};
  uint32_t rounds = size_argument(argc, argv);
  static Operation program[LENGTH];
  for (int i = 0; i < LENGTH; i++)
    program[i] = operations[next_random() % 8];
  State state = {1, 2, 0};
  for (uint32_t round = 0; round < rounds; round++)
    for (int i = 0; i < LENGTH; i++)
      program[i](&state);
  print_checksum((uint64_t)state.a << 32 | (state.b ^ state.steps));
}
