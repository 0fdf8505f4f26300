// Nine of ten units of work are done in `hot`, the tenth in `cold`; `ask` has the
// host do some. What profilers see of it is tested in tests/profile.rs.
#include <stdlib.h>
#include <unistd.h>

static volatile unsigned state;

static inline __attribute__((always_inline)) void unit(void) {
    for (int i = 0; i < 2000000; i++)
        state = state * 5 ^ i;
}

void hot(void) {
    for (int i = 0; i < 9; i++)
        unit();
}

void cold(void) {
    unit();
}

void ask(void) {
    static char bytes[65536];
    for (int i = 0; i < 400; i++)
        getentropy(bytes + i, 256);
}

// Of a depth that only running tells.
int down(int depth) {
    unit();
    return depth == 0 ? *(volatile int *)0x7fffffff : down(depth - 1) + state;
}

// Functions that cannot be inlined.
static void (*volatile work[])(void) = {hot, cold, ask};

int main(int argc, char **argv) {
    for (int rounds = atoi(argv[2]); rounds > 0; rounds--) {
        if (argv[1][0] == 'a') {
            work[2]();
        } else {
            work[0]();
            work[1]();
        }
    }
    switch (argv[1][0]) {
    case 'd':
        return down(700);
    case 'e':
        _Exit(7);
    case 't':
        __builtin_trap();
    }
    return 0;
}
