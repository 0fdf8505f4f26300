// Lua reports errors by these, which WASI does not have: an error ends the program.
typedef int jmp_buf[1];
#define setjmp(buffer) 0
#define longjmp(buffer, value) __builtin_trap()
