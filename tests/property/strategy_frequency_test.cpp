// Strategies that count uses under every accounting against their naive twins: keys are recomputed from a diary of what
// happened to each block, and the smallest is searched from end to end.
#include "property/twin.h"
#include "unit/strategy_key.h"

namespace strategy_frequency_test {

using namespace kvsim;
using namespace kvsim_test;

namespace {

/// Uses and the number of the latest one; who has the fewest uses goes, then the one used longest ago.
class NaiveLfu : public NaiveStrategy {
  public:
    void hit(const std::string& name) override {
        ++uses_[name];
        last_[name] = ++now_;
    }
    void insert(const std::string& name, size_t depth) override {
        ++uses_[name];
        last_[name] = ++now_;
        depth_[name] = depth;
    }
    void evict(const std::string& name) override { uses_[name] = 0; }
    void released(const std::string& name) override { last_[name] = ++now_; }
    std::string pick(const std::string&, const std::vector<std::string>& eligible) override {
        std::string best;
        for (const std::string& name : eligible)
            if (best.empty() || sooner(name, best)) best = name;
        return best;
    }

  protected:
    virtual bool sooner(const std::string& a, const std::string& b) {
        if (uses_[a] != uses_[b]) return uses_[a] < uses_[b];
        return last_[a] < last_[b];
    }

    std::map<std::string, uint64_t> uses_, last_;
    std::map<std::string, size_t> depth_;
    uint64_t now_ = 0;
};

/// The rule in the other words it is known by: a queue per number of uses, a use moves the block to the end of the next
/// queue, the front of the first queue goes. Without releases that must be the same.
class NaiveLfuByLevels : public NaiveStrategy {
  public:
    void hit(const std::string& name) override {
        size_t level = level_of(name);
        remove(levels_[level], name);
        if (level + 2 > levels_.size()) levels_.resize(level + 2);
        levels_[level + 1].push_back(name);
    }
    void insert(const std::string& name, size_t) override { levels_[1].push_back(name); }
    void evict(const std::string& name) override { remove(levels_[level_of(name)], name); }
    void released(const std::string& name) override {
        size_t level = level_of(name);
        remove(levels_[level], name);
        levels_[level].push_back(name);
    }
    std::string pick(const std::string&, const std::vector<std::string>& eligible) override {
        for (const auto& level : levels_)
            if (std::string name = first_of(level, eligible); !name.empty()) return name;
        return "";
    }

  private:
    size_t level_of(const std::string& name) const {
        for (size_t i = 0; i < levels_.size(); ++i)
            if (among(levels_[i], name)) return i;
        return 0;
    }
    std::vector<std::vector<std::string>> levels_ = std::vector<std::vector<std::string>>(2);
};

class NaiveLfuHistory : public NaiveLfu {
  public:
    void evict(const std::string&) override {}
};

class NaiveLate : public NaiveLfu {
  protected:
    bool sooner(const std::string& a, const std::string& b) override {
        if (uses_[a] == uses_[b] && depth_[a] != depth_[b]) return depth_[a] > depth_[b];
        return NaiveLfu::sooner(a, b);
    }
};

class NaiveEarly : public NaiveLfu {
  protected:
    bool sooner(const std::string& a, const std::string& b) override {
        if (uses_[a] == uses_[b] && depth_[a] != depth_[b]) return depth_[a] < depth_[b];
        return NaiveLfu::sooner(a, b);
    }
};

/// The lowest level is that of all residents, 0 until somebody has gone.
class NaiveLfuda : public NaiveLfu {
  public:
    void hit(const std::string& name) override {
        uses_[name] = std::min(uses_[name] + lowest(), kHighest);
        last_[name] = ++now_;
    }
    void insert(const std::string& name, size_t) override {
        uses_[name] = std::min(lowest() + 1, kHighest);
        last_[name] = ++now_;
    }
    void evict(const std::string& name) override {
        evicted_ = true;
        lowest();
        uses_.erase(name);
    }

  private:
    static constexpr uint64_t kHighest = 4611686018427387904;
    uint64_t lowest() {
        if (!evicted_) return 0;
        if (uses_.empty()) return before_;
        before_ = ~uint64_t{0};
        for (const auto& one : uses_) before_ = std::min(before_, one.second);
        return before_;
    }
    bool evicted_ = false;
    uint64_t before_ = 0;
};

}  // namespace

TEST_CASE("twin: lfu") {
    check_twin(twin_of<NaiveLfu>("lfu"), 2);
    check_twin(twin_of<NaiveLfuByLevels>("lfu"));
}
TEST_CASE("twin: lfu_history") { check_twin(twin_of<NaiveLfuHistory>("lfu_history"), 2); }
TEST_CASE("twin: lfuda") { check_twin(twin_of<NaiveLfuda>("lfuda"), 2); }
TEST_CASE("twin: length_aware") {
    check_twin(twin_of<NaiveLate>("length_aware"));
    check_twin(twin_of<NaiveLate>("length_aware:prefer=late"));
    check_twin(twin_of<NaiveEarly>("length_aware:prefer=early"));
}

// Few blocks and many accesses: levels double until they end, far beyond those that are counted at a time.
TEST_CASE("twin: lfuda in the long run") {
    for (uint64_t seed = 0; seed < 6; ++seed) {
        std::mt19937_64 random(seed);
        const size_t capacity = 2 + seed % 4;
        NaiveLfuda naive;
        std::vector<std::string> resident;
        std::string ids, expected;
        for (int i = 0; i < 3000; ++i) {
            std::string id(1, static_cast<char>('0' + std::min(random() % 9, random() % (5 + seed))));
            bool hit = std::find(resident.begin(), resident.end(), id) != resident.end();
            if (hit) naive.hit(id);
            if (!hit && resident.size() == capacity) {
                std::string victim = naive.pick(id, resident);
                naive.evict(victim);
                resident.erase(std::find(resident.begin(), resident.end(), victim));
            }
            if (!hit) {
                naive.insert(id, 0);
                resident.push_back(id);
            }
            ids += id;
            expected += hit ? 'h' : '.';
        }
        CHECK(hits(ids, "lfuda", "flat", capacity) == expected);
    }
}

TEST_CASE("long: twins of the strategies that count uses, many more cases") {
    for (int i = 0; i < 20; ++i) {
        check_twin(twin_of<NaiveLfu>("lfu"));
        check_twin(twin_of<NaiveLfuHistory>("lfu_history"));
        check_twin(twin_of<NaiveLfuda>("lfuda"));
        check_twin(twin_of<NaiveLate>("length_aware"));
        check_twin(twin_of<NaiveEarly>("length_aware:prefer=early"));
    }
}

}  // namespace strategy_frequency_test
