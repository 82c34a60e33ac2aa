// LRU, FIFO and CLOCK under every accounting against their naive twins.
#include "property/twin.h"

namespace accounting_test {

using namespace kvsim;
using namespace kvsim_test;

namespace {

const Twin kLru = twin_of<NaiveLru>("lru");

/// CLOCK (Corbato 1968): see the text of block_clock.h.
class NaiveClock : public NaiveStrategy {
  public:
    bool keyed() const override { return false; }
    void hit(const std::string& name) override { bit_[name] = true; }
    void insert(const std::string& name, size_t) override {
        order_.push_back(name);
        bit_[name] = false;
    }
    void evict(const std::string& name) override { remove(order_, name); }
    std::string pick(const std::string&, const std::vector<std::string>& eligible) override {
        for (std::string name = first_of(order_, eligible); !name.empty(); name = first_of(order_, eligible)) {
            if (!bit_[name]) return name;
            bit_[name] = false;
            remove(order_, name);
            order_.push_back(name);
        }
        return "";
    }

  private:
    std::vector<std::string> order_;
    std::map<std::string, bool> bit_;
};

}  // namespace

TEST_CASE("twin: prefix ids, output without names") {
    CHECK(holds(kLru, "plain", {}, false));
    StoryWishes w;
    w.floor_tails = true;
    CHECK(holds(kLru, "unnamed tails", w, false));
    w.max_blocks = 30;
    CHECK(holds(kLru, "longer chains", w, false, 1));
}

TEST_CASE("twin: the same block filled differently by different requests") {
    StoryWishes w;
    w.ragged = true;
    w.floor_tails = true;
    CHECK(holds(kLru, "ragged", w, false));
}

TEST_CASE("twin: named output") {
    StoryWishes w;
    w.named_output = true;
    CHECK(holds(kLru, "named output", w, false, 12));
    w.floor_tails = true;
    CHECK(holds(kLru, "named output and unnamed tails", w, false, 12));
}

TEST_CASE("twin: re-blocked") {
    StoryWishes w;
    w.floor_tails = true;
    CHECK(holds(kLru, "re-blocked", w, true, 2));
    w.ragged = true;
    CHECK(holds(kLru, "re-blocked ragged", w, true, 2));
}

TEST_CASE("twin: named output, re-blocked") {
    StoryWishes w;
    w.named_output = true;
    CHECK(holds(kLru, "re-blocked named output", w, true, 12));
    w.floor_tails = true;
    CHECK(holds(kLru, "re-blocked named output and unnamed tails", w, true, 12));
}

TEST_CASE("twin: ids that name content") {
    StoryWishes w;
    w.content = true;
    CHECK(holds(kLru, "content", w, false));
}

TEST_CASE("twin: the plainest strategies") {
    check_twin(twin_of<NaiveFifo>("fifo"));
    check_twin(twin_of<NaiveClock>("clock"));
}

TEST_CASE("long: twins with many more cases") {
    for (int bits = 0; bits < 32; ++bits) {
        StoryWishes w;
        w.ragged = (bits & 1) != 0;
        w.named_output = (bits & 2) != 0 && (bits & 16) == 0;
        w.floor_tails = (bits & 4) != 0;
        w.content = (bits & 16) != 0;
        w.max_blocks = (bits & 1) != 0 ? 9 : 25;
        CHECK(holds(kLru, "all", w, (bits & 8) != 0 && (bits & 16) == 0, 40));
    }
}

}  // namespace accounting_test
