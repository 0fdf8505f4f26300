// Containers that tests print.
#include <array>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>
struct Part {
    int id;
    std::string name;
};

int main() {
    std::vector<int> numbers{3, 1, 4, 1, 5};
    std::vector<int> none;
    std::vector<std::string> words{"some", "words that do not fit into the string"};
    std::vector<std::vector<short>> rows{{1, 2}, {}, {3}};
    std::map<int, std::string> names{{2, "two"}, {1, "one"}, {3, "three"}};
    std::map<std::string, std::vector<int>> lists{{"odd", {1, 3}}, {"even", {2}}};
    std::map<char, int> empty;
    std::set<long long> sorted{9, -1, 1LL << 40};
    std::unique_ptr<Part> part = std::make_unique<Part>(Part{7, "wheel"});
    std::unique_ptr<Part> nothing;
    std::shared_ptr<int> shared = std::make_shared<int>(12);
    std::shared_ptr<int> other = shared;
    std::string_view view = std::string_view("a view of something").substr(2, 4);
    std::string text = "a \"quoted\" text";
    std::vector<int> long_one(300, 8);
    long_one[0] = 1;
    std::vector<bool> flags{true, false, true};
    return numbers.size() + text.size() == view.size(); // stop
}
