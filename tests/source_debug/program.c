// What tests debug: every kind of C's types, in variables of every kind.
// Variables are set where they are declared; what stands before the first static
// variable is not stopped at. `probe` is called where values are compared in
// optimised programs, too; as it calls itself, nobody inlines it.
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
struct pair { long long wide; int narrow; };
struct vector { float x, y, z; };
struct stack { int depth, values[6]; const char *name; };
typedef unsigned long long big;
typedef int operation(int, int);

static int calls;
float ratio = 0.25f;
const char *const title = "program";
struct item pool[4];
volatile int probed;

__attribute__((noinline)) int probe(int n) {
    if (probed == 1 << 30)
        return probe(n + 1) * probe(n + 2);
    return probed = n;
}

static int twice(int n) {
    calls++;
    return 2 * n;
}

int fibonacci(int n) {
    if (n < 2)
        return n;
    int a = fibonacci(n - 1);
    probe(a);
    int b = fibonacci(n - 2);
    int sum = a + b;
    probe(sum);
    return sum;
}

double weigh(const struct item *list, int *count, const char *name) {
    double sum = 0;
    char first = name[0];
    for (const struct item *i = list; i; i = i->next) {
        struct point here = i->at;
        sum += i->weight * twice(here.x);
        ++*count;
        probe(here.y);
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
        probe(i);
    }
}

static int add(int a, int b) {
    int sum = a + b;
    probe(sum);
    return sum;
}

static int subtract(int a, int b) {
    static int times;
    times += 1;
    int difference = a - b;
    return difference;
}

int fold(operation *each, const int *values, int count, int start) {
    int result = start;
    for (int i = 0; i < count; i++) {
        int before = result;
        result = each(before, values[i]);
        probe(result);
    }
    return result;
}

struct vector scale(struct vector v, float by) {
    struct vector scaled = {v.x * by, v.y * by, v.z * by};
    probe((int)scaled.z);
    return scaled;
}

struct pair divide(long long number, int by) {
    struct pair parts = {number / by, number % by};
    int again = parts.narrow + by;
    probe(again);
    return parts;
}

int push(struct stack *stack, int value) {
    int place = stack->depth;
    if (place == 6)
        return 0;
    stack->values[place] = value;
    stack->depth = place + 1;
    probe(place);
    return 1;
}

unsigned hash(const char *text) {
    unsigned sum = 2166136261u;
    for (const char *c = text; *c; c++) {
        unsigned char byte = *c;
        sum = (sum ^ byte) * 16777619u;
        probe(byte);
    }
    return sum;
}

void sort(int *values, int count) {
    for (int i = 1; i < count; i++) {
        int value = values[i], place = i;
        while (place > 0 && values[place - 1] > value) {
            values[place] = values[place - 1];
            place--;
        }
        values[place] = value;
        probe(place);
    }
}

double mean(const double (*rows)[3], int count) {
    double sum = 0;
    for (int i = 0; i < count; i++) {
        const double *row = rows[i];
        for (int k = 0; k < 3; k++)
            sum += row[k];
        probe(i);
    }
    double result = sum / (3 * count);
    return result;
}

int kinds(union number number, enum colour colour, signed char small) {
    int score = 0;
    switch (colour) {
    case RED:
        score = number.i;
        break;
    case GREEN:
        score = number.bytes[3];
        break;
    default:
        score = small;
    }
    probe(score);
    return score;
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
        probe(small);
    }
    int result = fibonacci(5);
    int values[7] = {5, 3, 9, -1, 0, 12, 4};
    operation *each = add;
    int sum = fold(each, values, 7, result);
    each = subtract;
    int rest = fold(each, values, 4, sum);
    struct vector direction = {1, -2, 0.5f};
    struct vector longer = scale(direction, 3);
    struct pair parts = divide((long long)large, 1000);
    struct pair negative = divide(-77777777777LL, count);
    struct stack stack = {0, {0}, title};
    for (int i = 0; push(&stack, values[i] * i); i++)
        rest += stack.values[i];
    unsigned sums[2] = {hash(title), hash("pi")};
    sort(values, 7);
    double rows[2][3] = {{1, 2, 4}, {0.5, 0.25, 8}};
    double average = mean((const double(*)[3])rows, 2);
    result += kinds(number, RED, small) + kinds(number, GREEN, small);
    result += kinds(number, BLUE, small);
    probe(result);
    if (yes && total < 0)
        result += number.bytes[3] + corner.x + small;
    result += rest + (int)longer.x + (int)average + parts.narrow + negative.narrow;
    return result + (int)sums[0] == 0;
}
