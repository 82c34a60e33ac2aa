// SIEVE, segmented LRU, 2Q and QDLP under every accounting against their naive twins.
#include "property/twin.h"

namespace strategy_queue_test {

using namespace kvsim;
using namespace kvsim_test;

namespace {

using Names = std::vector<std::string>;

class NaiveSieve : public NaiveStrategy {
  public:
    bool keyed() const override { return false; }
    void hit(const std::string& name) override { bit_[name] = true; }
    void insert(const std::string& name, size_t) override {
        order_.push_back(name);
        bit_[name] = false;
    }
    void evict(const std::string& name) override {
        auto at = std::find(order_.begin(), order_.end(), name);
        hand_ = at + 1 == order_.end() ? "" : *(at + 1);
        order_.erase(at);
    }
    std::string pick(const std::string&, const Names& eligible) override {
        auto at = std::find(order_.begin(), order_.end(), hand_);
        for (size_t steps = 3 * order_.size(); steps > 0; --steps) {
            if (at == order_.end()) at = order_.begin();
            const std::string& name = *at++;
            if (!among(eligible, name)) continue;
            if (!bit_[name]) return name;
            bit_[name] = false;
        }
        return "";
    }

  private:
    Names order_;
    std::map<std::string, bool> bit_;
    std::string hand_;  ///< "": the oldest
};

class NaiveSlru : public NaiveStrategy {
  public:
    NaiveSlru(uint64_t capacity, size_t segments) : room_(capacity / segments), segments_(segments) {}
    bool keyed() const override { return false; }
    void hit(const std::string& name) override {
        size_t i = where(name);
        remove(segments_[i], name);
        if (i + 1 < segments_.size()) ++i;
        segments_[i].push_back(name);
        while (i > 0 && segments_[i].size() > room_) {
            segments_[i - 1].push_back(segments_[i].front());
            segments_[i].erase(segments_[i].begin());
            --i;
        }
    }
    void insert(const std::string& name, size_t) override {
        for (Names& segment : segments_)
            if (segment.size() < room_) return segment.push_back(name);
        segments_[0].push_back(name);
    }
    void evict(const std::string& name) override { remove(segments_[where(name)], name); }
    void released(const std::string& name) override {
        Names& segment = segments_[where(name)];
        remove(segment, name);
        segment.push_back(name);
    }
    std::string pick(const std::string&, const Names& eligible) override {
        std::string victim;
        for (size_t i = 0; i < segments_.size() && victim.empty(); ++i) victim = first_of(segments_[i], eligible);
        return victim;
    }

  private:
    size_t where(const std::string& name) const {
        size_t i = 0;
        while (!among(segments_[i], name)) ++i;
        return i;
    }
    uint64_t room_;
    std::vector<Names> segments_;
};

/// The key itself: hit twice or more, then the last use.
class NaiveSglangSlru : public NaiveStrategy {
  public:
    void hit(const std::string& name) override {
        ++facts_[name].hits;
        facts_[name].last = ++clock_;
    }
    void insert(const std::string& name, size_t) override { facts_[name] = {0, ++clock_}; }
    void evict(const std::string& name) override { facts_.erase(name); }
    void released(const std::string& name) override { facts_[name].last = ++clock_; }
    std::string pick(const std::string&, const Names& eligible) override {
        std::string best;
        for (const std::string& name : eligible)
            if (best.empty() || key(name) < key(best)) best = name;
        return best;
    }

  private:
    struct Facts {
        int hits = 0, last = 0;
    };
    std::pair<bool, int> key(const std::string& name) const {
        return {facts_.at(name).hits >= 2, facts_.at(name).last};
    }
    std::map<std::string, Facts> facts_;
    int clock_ = 0;
};

bool has_name(const std::string& name) { return name.rfind("unnamed", 0) != 0; }
uint64_t share(double part, uint64_t capacity) {
    double share = part * static_cast<double>(capacity);
    return share < 1e18 ? static_cast<uint64_t>(share) : ~uint64_t{0};  // no limit has no share
}

class NaiveTwoQ : public NaiveStrategy {
  public:
    NaiveTwoQ(uint64_t capacity, double in, double out)
        : in_room_(share(in, capacity)), ghosts_(share(out, capacity)) {}
    bool keyed() const override { return false; }
    void hit(const std::string& name) override {
        if (among(in_, name)) return;
        remove(main_, name);
        main_.push_back(name);
    }
    void miss(const std::string& name) override {
        back_ = among(out_, name);
        remove(out_, name);
    }
    void insert(const std::string& name, size_t) override { (back_ ? main_ : in_).push_back(name); }
    void evict(const std::string& name) override {
        remove(main_, name);
        if (!among(in_, name)) return;
        remove(in_, name);
        if (has_name(name)) out_.push_back(name);
        if (out_.size() > ghosts_) out_.erase(out_.begin());
    }
    void released(const std::string& name) override { hit(name); }
    std::string pick(const std::string&, const Names& eligible) override {
        std::string oldest_in = first_of(in_, eligible), oldest_main = first_of(main_, eligible);
        if (oldest_in.empty() || oldest_main.empty()) return oldest_in + oldest_main;
        return in_.size() > in_room_ ? oldest_in : oldest_main;
    }

  private:
    uint64_t in_room_, ghosts_;
    Names in_, out_, main_;
    bool back_ = false;
};

class NaiveQdlp : public NaiveStrategy {
  public:
    NaiveQdlp(uint64_t capacity, double small, double ghost, int promote)
        : capacity_(capacity),
          clock_room_(capacity - share(small, capacity)),
          ghosts_(share(ghost, capacity)),
          promote_(promote) {}
    bool keyed() const override { return false; }
    void hit(const std::string& name) override { ++count_[name]; }
    void miss(const std::string& name) override {
        back_ = among(gone_, name);
        remove(gone_, name);
    }
    bool wants_room() const override { return back_ && clock_.size() >= clock_room_; }
    void insert(const std::string& name, size_t) override {
        (back_ ? clock_ : fifo_).push_back(name);
        count_[name] = 0;
    }
    void evict(const std::string& name) override {
        remove(clock_, name);
        if (!among(fifo_, name)) return;
        remove(fifo_, name);
        if (has_name(name)) gone_.push_back(name);
        if (gone_.size() > ghosts_) gone_.erase(gone_.begin());
    }
    std::string pick(const std::string&, const Names& eligible) override {
        bool full = fifo_.size() + clock_.size() >= capacity_;
        std::string name = full ? first_of(fifo_, eligible) : "";
        for (; !name.empty(); name = first_of(fifo_, eligible)) {
            if (count_[name] < promote_) return name;
            std::string victim = clock_.size() >= clock_room_ ? of_clock(eligible) : "";
            remove(fifo_, name);
            clock_.push_back(name);
            count_[name] = 0;
            if (!victim.empty()) return victim;
        }
        return of_clock(eligible);
    }

  private:
    std::string of_clock(const Names& eligible) {
        for (std::string name = first_of(clock_, eligible); !name.empty(); name = first_of(clock_, eligible)) {
            int count = std::min(count_[name], 3);
            if (count == 0) return name;
            count_[name] = count - 1;
            remove(clock_, name);
            clock_.push_back(name);
        }
        return "";
    }
    uint64_t capacity_, clock_room_, ghosts_;
    int promote_;
    Names fifo_, clock_, gone_;
    std::map<std::string, int> count_;
    bool back_ = false;
};

Twin slru(const std::string& eviction, size_t segments) {
    return {eviction, [=](const NaiveSetting& s) { return std::make_unique<NaiveSlru>(s.capacity, segments); }};
}
Twin two_q(const std::string& eviction, double in, double out) {
    return {eviction, [=](const NaiveSetting& s) { return std::make_unique<NaiveTwoQ>(s.capacity, in, out); }};
}
Twin qdlp(const std::string& eviction, double small, double ghost, int promote) {
    return {eviction, [=](const NaiveSetting& s) {
                return std::make_unique<NaiveQdlp>(s.capacity, small, ghost, promote);
            }};
}

}  // namespace

TEST_CASE("twin: sieve") { check_twin(twin_of<NaiveSieve>("sieve"), 2); }

TEST_CASE("twin: slru") {
    check_twin(slru("slru", 4));
    check_twin(slru("slru:segments=2", 2));
    check_twin(slru("slru:segments=7", 7));
    check_twin(twin_of<NaiveSglangSlru>("slru:variant=sglang"));
    check_twin(twin_of<NaiveLru>("slru:segments=1"));
}

TEST_CASE("twin: two_q") {
    check_twin(two_q("two_q", 0.25, 0.5));
    check_twin(two_q("two_q:in=0.6,out=3", 0.6, 3));
    check_twin(two_q("two_q:in=0,out=1", 0, 1));
    check_twin(twin_of<NaiveFifo>("two_q:out=0"));
}

TEST_CASE("twin: qdlp") {
    check_twin(qdlp("qdlp", 0.1, 0.9, 1));
    check_twin(qdlp("qdlp:small=0.5,ghost=2", 0.5, 2, 1));
    check_twin(qdlp("qdlp:small=0.3,promote=2,ghost=0", 0.3, 0, 2));
    check_twin(qdlp("qdlp:small=0.7,promote=0", 0.7, 0.9, 0));
}

TEST_CASE("long: twins of queues with many more cases") {
    check_twin(twin_of<NaiveSieve>("sieve"), 40);
    check_twin(slru("slru", 4), 40);
    check_twin(slru("slru:segments=3", 3), 40);
    check_twin(twin_of<NaiveSglangSlru>("slru:variant=sglang"), 40);
    check_twin(two_q("two_q:in=0.5,out=2", 0.5, 2), 40);
    check_twin(qdlp("qdlp:small=0.4,ghost=2", 0.4, 2, 1), 40);
    check_twin(qdlp("qdlp:small=0.6,promote=3", 0.6, 0.9, 3), 40);
}

}  // namespace strategy_queue_test
