// What broken DWARF is made from: a little of everything, without a library.
struct list { int value; struct list *next; char mark; };
static int total;
static inline int square(int n) { int r = n * n; total += r; return r; }
int sum(struct list *l) {
    int s = 0;
    for (struct list *i = l; i; i = i->next) {
        int one = square(i->value);
        s += one;
    }
    return s;
}
int both(int a, int b) {
    struct list second = {b, 0, 'b'}, first = {a, &second, 'a'};
    return sum(&first) + total;
}
