// The strategy that docs/OWN_STRATEGY.md adds from outside, registered as a program of its own would, against a twin.
#include <map>

#include "../../docs/own_strategy/head_clock.h"
#include "property/twin.h"

#include <kvsim/layout/block_row.h>

namespace own_strategy_test {

using namespace kvsim_test;

namespace {

/// Names in the order they came in; the oldest eligible one goes, unless it is marked: then the mark goes and it is
/// the newest.
template <int kHeads>
class NaiveHeadClock : public NaiveStrategy {
  public:
    bool keyed() const override { return false; }
    void hit(const std::string& name) override { marked_[name] = depth_.at(name) < kHeads; }
    void insert(const std::string& name, size_t depth) override {
        order_.push_back(name);
        marked_[name] = false;
        depth_[name] = static_cast<int>(depth);
    }
    void evict(const std::string& name) override { remove(order_, name); }
    std::string pick(const std::string&, const std::vector<std::string>& eligible) override {
        std::string name = first_of(order_, eligible);
        while (!name.empty() && marked_[name]) {
            marked_[name] = false;
            remove(order_, name);
            order_.push_back(name);
            name = first_of(order_, eligible);
        }
        return name;
    }

  private:
    std::vector<std::string> order_;
    std::map<std::string, bool> marked_;
    std::map<std::string, int> depth_;
};

}  // namespace

TEST_CASE("own strategy: as its twin") {
    if (!block_strategies().find("head_clock")) block_strategies().add(block_row<HeadClock>());
    check_twin(twin_of<NaiveHeadClock<16>>("head_clock"));
    check_twin(twin_of<NaiveHeadClock<1>>("head_clock:heads=1"), 2);
    check_twin(twin_of<NaiveHeadClock<2>>("block/head_clock:heads=2"));
    check_twin(twin_of<NaiveHeadClock<0>>("head_clock:heads=0"));
}

}  // namespace own_strategy_test
