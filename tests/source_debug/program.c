// What tests debug: every kind of C's types, in variables of every kind. The
// first statement of main is where they begin; variables are set where they are
// declared.
enum colour { RED, GREEN = 5, BLUE };
struct point { short x, y; };
struct item {
    int id;
    struct point at;
    double weight;
    enum colour colour;
    struct item *next;
    unsigned flags : 3, more : 7;
    char mark;
};
union number { int i; float f; unsigned char bytes[4]; };
typedef unsigned long long big;

static int calls;
float ratio = 0.25f;
const char *const title = "program";
struct item pool[4];

static int twice(int n) {
    calls++;
    return 2 * n;
}

int fibonacci(int n) {
    if (n < 2)
        return n;
    int a = fibonacci(n - 1);
    int b = fibonacci(n - 2);
    return a + b;
}

double weigh(const struct item *list, int *count, const char *name) {
    double sum = 0;
    char first = name[0];
    for (const struct item *i = list; i; i = i->next) {
        struct point here = i->at;
        sum += i->weight * twice(here.x);
        ++*count;
    }
    if (first == 'w')
        sum = -sum;
    return sum;
}

void fill(void) {
    for (int i = 0; i < 4; i++) {
        struct item *item = &pool[i];
        item->id = i + 10;
        item->at.x = i;
        item->at.y = -i;
        item->weight = 1.5 * i;
        item->colour = i % 2 ? BLUE : GREEN;
        item->flags = i;
        item->more = 100 - i;
        item->mark = 'a' + i;
        item->next = i < 3 ? &pool[i + 1] : 0;
    }
}

int main(void) {
    calls = 0;
    int count = 0;
    big large = 0x123456789abcdefULL;
    fill();
    double total = weigh(pool, &count, "weights");
    int matrix[2][3] = {{1, 2, 3}, {4, 5, 6}};
    int(*row)[3] = &matrix[1];
    int *cell = &matrix[1][2];
    int **to_cell = &cell;
    union number number = {.f = 1.5f};
    struct point corner = {7, -8}, *corners[2] = {&corner, &pool[2].at};
    signed char small = -5;
    _Bool yes = count == 4;
    for (int i = 0; i < 3; i++) {
        big before = large;
        large = large * 3 + (*row)[i];
        ratio *= 2;
        small += **to_cell;
        corners[1]->x += before & 1;
    }
    int result = fibonacci(5);
    if (yes && total < 0)
        result += number.bytes[3] + corner.x + small;
    return result == 0;
}
