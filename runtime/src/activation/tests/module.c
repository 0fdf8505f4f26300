// Stands for a compiled module in tests: C functions in place of wasm ones,
// their line numbers in place of wasm offsets. The test fills in the descriptor.

#include <stdint.h>
#include <string.h>

typedef struct { uint64_t low, high; } slot;
typedef struct { void (*trap)(void *vmctx, uint32_t code, uint64_t detail); } builtins;
typedef struct binding binding;
struct binding { void (*call)(void); };
typedef struct { const builtins *builtins; volatile uint8_t *memory; binding *host; } context;
typedef void function(context *, slot *);

#define WASM __attribute__((noinline, noclone, optimize("no-optimize-sibling-calls")))

_Alignas(16) char wasm2so_module_v1[4096];

void entry(const void *code, void *vmctx, slot *slots) {
  ((function *)code)(vmctx, slots);
  __asm__ volatile("");
}

// Calls the host in the wasm convention.
#define HOST(callee, slots)                                                        \
  do {                                                                             \
    register struct binding *instance __asm__("r13") = (callee);                   \
    register slot *argument __asm__("rdi") = (slots);                              \
    __asm__ volatile("mov %%rsp, %%rbx\n\tand $-16, %%rsp\n\tcall *(%0)\n\t"       \
                     "mov %%rbx, %%rsp"                                            \
                     : "+r"(instance), "+r"(argument)                              \
                     :                                                             \
                     : "rax", "rbx", "rcx", "rdx", "rsi", "r8", "r9", "r10",       \
                       "r11", "xmm0", "xmm1", "memory", "cc");                     \
  } while (0)

// Where a function's first line stands for its body's first byte.
#line 100
WASM void leaf(context *c, slot *s) {
#line 110
  s[0].low = c->memory[s[0].low];
#line 120
  __asm__ volatile("");
}

#line 200
static inline __attribute__((always_inline)) void inlined(context *c, slot *s) {
#line 210
  leaf(c, s);
#line 220
  __asm__ volatile("");
}

#line 300
WASM void outer(context *c, slot *s) {
#line 310
  inlined(c, s);
#line 320
  __asm__ volatile("");
}

#line 400
WASM void unreachable(context *c, slot *s) {
#line 410
  if (s[0].low) c->builtins->trap(c, s[0].low, s[0].high);
#line 420
  s[0].low = 42;
}

#line 500
WASM void recurse(context *c, slot *s) {
#line 510
  volatile char frame[100];
  frame[0] = 1;
#line 520
  if (s[0].low--) recurse(c, s);
#line 530
  frame[1] = 1;
}

#line 600
WASM void copy(context *c, slot *s) {
#line 610
  memset((void *)(c->memory + s[0].low), 1, s[0].high);
#line 620
  __asm__ volatile("");
}

#line 700
WASM void call_host(context *c, slot *s) {
#line 710
  HOST(c->host, s);
#line 720
  __asm__ volatile("");
}

#line 800
WASM void calls_host(context *c, slot *s) {
#line 810
  call_host(c, s);
#line 820
  __asm__ volatile("");
}

#line 860
WASM void calls_host_often(context *c, slot *s) {
  for (int i = 0; i < 1000000; i++) HOST(c->host, s);
}

#line 880
WASM void recurse_host(context *c, slot *s) {
#line 885
  HOST(c->host, s);
#line 890
  if (s[0].low++ < 1 << 30) recurse_host(c, s);
#line 895
  __asm__ volatile("");
}

// The same from a stack pointer `s[0].high` lower.
#line 980
WASM void recurse_host_lower(context *c, slot *s) {
#line 985
  volatile char *room = __builtin_alloca(s[0].high);
  room[0] = 1;
#line 990
  recurse_host(c, s);
#line 995
  room[0] = 1;
}

#line 900
WASM void wild(context *c, slot *s) {
#line 910
  *(volatile int *)s[0].low = 1;
#line 920
  __asm__ volatile("");
}

// Needs to be large: its prologue is what overflows.
#line 1100
WASM void large(context *c, slot *s) {
#line 1110
  volatile char frame[200000];
  frame[s[0].low] = 1;
#line 1120
  __asm__ volatile("");
}
