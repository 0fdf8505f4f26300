// C++ that tests debug.
#include <memory>
#include <string>
#include <vector>
static int calls;
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
        return side * side;
    }
};
template <typename T> struct Pair {
    T first, second;
    T larger() const {
        bool swap = first < second;
        return swap ? second : first;
    }
};
}
enum class Mode : unsigned char { slow, fast = 7 };

template <typename T> T add_all(const std::vector<T> &values, T &largest) {
    T sum{};
    for (const T &value : values) {
        sum += value;
        if (value > largest)
            largest = value;
    }
    return sum;
}

double areas(const std::vector<std::unique_ptr<shapes::Shape>> &all) {
    double sum = 0;
    for (const auto &shape : all) {
        const shapes::Shape *one = shape.get();
        sum += one->area();
    }
    return sum;
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
    }
    double total = areas(all);
    // Each library has an order of its own.
    while (!all.empty())
        all.pop_back();
    Mode mode = total > 5 ? Mode::fast : Mode::slow;
    std::string text = "some text";
    unsigned length = text.size();
    auto twice = [&sum](int n) {
        int result = 2 * n + sum;
        return result;
    };
    int both = twice(length);
    return both + static_cast<int>(mode) + static_cast<int>(larger) == 0;
}
