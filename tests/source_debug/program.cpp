// C++ that tests debug; `probe` as in C.
#include <map>
#include <memory>
#include <string>
#include <vector>
static int calls;
volatile int probed;

__attribute__((noinline)) int probe(int n) {
    if (probed == 1 << 30)
        return probe(n + 1) * probe(n + 2);
    return probed = n;
}

namespace shapes {
struct Shape {
    int id;
    char kind;
    explicit Shape(int id, char kind) : id(id), kind(kind) {}
    virtual ~Shape() = default;
    virtual double area() const = 0;
};
struct Square : Shape {
    double side;
    Square(int id, double side) : Shape(id, 's'), side(side) {}
    double area() const override {
        calls++;
        double area = side * side;
        probe(id);
        return area;
    }
};
struct Circle final : Shape {
    float radius;
    Circle(int id, float radius) : Shape(id, 'c'), radius(radius) {}
    double area() const override {
        const double pi = 3.25;
        double square = radius * radius;
        probe(kind);
        return square * pi;
    }
};
template <typename T> struct Pair {
    T first, second;
    T larger() const {
        bool swap = first < second;
        probe(swap);
        return swap ? second : first;
    }
};
struct Named {
    short tag;
};
struct Counted {
    long long count = 0;
};
struct Both : Named, Counted {
    unsigned char bits : 3;
    static int made;
    Both() : bits(5) {}
    Both &operator+=(int n) {
        count += n;
        tag = static_cast<short>(count + bits);
        made++;
        probe(n);
        return *this;
    }
};
int Both::made = 100;
}
enum class Mode : unsigned char { slow, fast = 7 };

template <typename T> T add_all(const std::vector<T> &values, T &largest) {
    T sum{};
    for (const T &value : values) {
        sum += value;
        if (value > largest)
            largest = value;
        probe(3);
    }
    return sum;
}

double areas(const std::vector<std::unique_ptr<shapes::Shape>> &all) {
    double sum = 0;
    for (const auto &shape : all) {
        const shapes::Shape *one = shape.get();
        sum += one->area();
        probe(one->id);
    }
    return sum;
}

int count_letters(const std::string &text, std::map<char, int> &counts) {
    int most = 0;
    for (char letter : text) {
        int &count = counts[letter];
        count++;
        if (count > most)
            most = count;
        probe(letter);
    }
    return most;
}

int collatz(long long n, int steps) {
    if (n == 1)
        return steps;
    bool odd = n % 2 != 0;
    long long next = odd ? 3 * n + 1 : n / 2;
    int result = collatz(next, steps + 1);
    probe(result);
    return result;
}

template <typename F> int apply(F each, int count) {
    int sum = 0;
    for (int i = 0; i < count; i++) {
        int one = each(i);
        sum += one;
        probe(sum);
    }
    return sum;
}

void exchange(int &a, int &&b, Mode &mode) {
    int c = a;
    a = b;
    b = c;
    mode = a > b ? Mode::fast : Mode::slow;
    probe(c);
}

int sum_matrix() {
    std::vector<std::vector<int>> rows;
    for (int i = 0; i < 3; i++) {
        std::vector<int> row(4, i);
        row[i] += 10;
        rows.push_back(row);
        probe(row[i]);
    }
    int sum = 0;
    for (const auto &row : rows)
        for (int cell : row) {
            int before = sum;
            sum += cell * before + 1;
            probe(before);
        }
    return sum;
}

std::string repeat(const char *part, int times) {
    std::string result;
    for (int i = 0; i < times; i++) {
        result += part;
        unsigned length = result.size();
        const char *last = &result[length - 1];
        probe(*last);
    }
    return result;
}

int main() {
    calls = 1;
    std::vector<int> values{3, 9, 4};
    int largest = 0;
    const int *second = &values[1];
    int sum = add_all(values, largest);
    shapes::Pair<long long> pair{sum, 1LL << 40};
    long long larger = pair.larger();
    std::vector<std::unique_ptr<shapes::Shape>> all;
    for (int i = 0; i < 3; i++) {
        double side = i + 0.5;
        all.push_back(std::make_unique<shapes::Square>(i, side));
        float radius = side / 4;
        all.push_back(std::make_unique<shapes::Circle>(i + 10, radius));
    }
    double total = areas(all);
    // Each library has an order of its own.
    while (!all.empty())
        all.pop_back();
    Mode mode = total > 5 ? Mode::fast : Mode::slow;
    std::string text = "some text";
    unsigned length = text.size();
    std::map<char, int> counts;
    int most = count_letters(text, counts);
    auto twice = [&sum](int n) {
        int result = 2 * n + sum;
        return result;
    };
    int both = twice(length);
    shapes::Both mixed;
    mixed += 3;
    mixed += -300;
    int steps = collatz(6, 0);
    int squares = apply([&](int n) { return n * n + both; }, 5);
    int doubled = apply(twice, 4);
    exchange(steps, 40 + 2, mode);
    int matrix = sum_matrix();
    std::string longer = repeat("abc", 9);
    sum += both + static_cast<int>(mode) + static_cast<int>(larger) + mixed.tag;
    probe(sum);
    sum += squares + doubled + matrix + most + *second + static_cast<int>(longer.size());
    return sum == 0;
}
