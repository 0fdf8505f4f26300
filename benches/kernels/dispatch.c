// An interpreter with one big switch: br_table, hard to predict.
#include "kernel.h"

enum { ADD, SUB, XOR, MUL, LOAD, STORE, ROTATE, SKIP, CONST, SWAP, KINDS };

int main(int argc, char **argv) {
  enum { LENGTH = 1 << 12, CELLS = 64 };
  uint32_t rounds = size_argument(argc, argv);
  static uint8_t program[LENGTH][2];
  uint32_t cells[CELLS] = {1}, a = 1, b = 2;
  for (int i = 0; i < LENGTH; i++) {
    program[i][0] = (uint8_t)(next_random() % KINDS);
    program[i][1] = (uint8_t)next_random();
  }
  for (uint32_t round = 0; round < rounds; round++)
    for (uint32_t pc = 0; pc < LENGTH; pc++) {
      uint32_t operand = program[pc][1];
      switch (program[pc][0]) {
      case ADD: a += b + operand; break;
      case SUB: a -= b ^ operand; break;
      case XOR: b ^= a; break;
      case MUL: a *= b | 1; break;
      case LOAD: b += cells[operand % CELLS]; break;
      case STORE: cells[operand % CELLS] = a; break;
      case ROTATE: a = a << 5 | a >> 27; break;
      case SKIP: pc += a & 1; break;
      case CONST: b = operand; break;
      case SWAP: { uint32_t old = a; a = b; b = old; break; }
      }
    }
  print_checksum((uint64_t)a << 32 | b);
}
