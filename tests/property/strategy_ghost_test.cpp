// Strategies that remember what has gone against naive twins, written from the texts that open their files.
#include <cmath>

#include "property/twin.h"

namespace strategy_ghost_test {

using namespace kvsim;
using namespace kvsim_test;

namespace {

using Names = std::vector<std::string>;  // oldest first

bool unnamed(const std::string& name) { return name.rfind("unnamed", 0) == 0; }

std::string oldest_among(const Names& names, const Names& eligible) {
    for (const std::string& name : names)
        if (std::find(eligible.begin(), eligible.end(), name) != eligible.end()) return name;
    return "";
}

class NaiveArc : public NaiveStrategy {
  public:
    explicit NaiveArc(const NaiveSetting& s) : c_(s.capacity) {}
    bool keyed() const override { return false; }
    void hit(const std::string& name) override {
        remove(t1_, name);
        remove(t2_, name);
        t2_.push_back(name);
    }
    void miss(const std::string& name) override {
        second_ = in_b2_ = without_trace_ = false;
        double b1 = static_cast<double>(b1_.size()), b2 = static_cast<double>(b2_.size());
        if (among(b1_, name)) {
            p_ = std::min(p_ + std::max(b2 / b1, 1.0), static_cast<double>(c_));
            remove(b1_, name);
            second_ = true;
        } else if (among(b2_, name)) {
            p_ = std::max(p_ - std::max(b1 / b2, 1.0), 0.0);
            remove(b2_, name);
            second_ = in_b2_ = true;
        } else if (t1_.size() + b1_.size() == c_) {
            without_trace_ = b1_.empty();
            if (!b1_.empty()) b1_.erase(b1_.begin());
        } else if (c_ != kUnlimited && t1_.size() + t2_.size() + b1_.size() + b2_.size() == 2 * c_) {
            b2_.erase(b2_.begin());
        }
    }
    void insert(const std::string& name, size_t) override { (second_ ? t2_ : t1_).push_back(name); }
    std::string pick(const std::string&, const Names& eligible) override {
        double t1 = static_cast<double>(t1_.size());
        bool first = t2_.empty() || (t1 > 0 && (t1 > p_ || (t1 == p_ && in_b2_)));
        std::string name = oldest_among(first || without_trace_ ? t1_ : t2_, eligible);
        return !name.empty() ? name : oldest_among(first || without_trace_ ? t2_ : t1_, eligible);
    }
    void evict(const std::string& name) override {
        Names& ghosts = among(t1_, name) ? b1_ : b2_;
        remove(t1_, name);
        remove(t2_, name);
        if (!unnamed(name) && !without_trace_) ghosts.push_back(name);
    }

  private:
    uint64_t c_;
    double p_ = 0;
    bool second_ = false, in_b2_ = false, without_trace_ = false;
    Names t1_, t2_, b1_, b2_;
};

class NaiveVllmArc : public NaiveStrategy {
  public:
    explicit NaiveVllmArc(const NaiveSetting& s) : c_(s.capacity) {}
    bool keyed() const override { return false; }
    void hit(const std::string& name) override {
        remove(t1_, name);
        remove(t2_, name);
        t2_.push_back(name);
    }
    void miss(const std::string& name) override {
        double b1 = static_cast<double>(b1_.size()), b2 = static_cast<double>(b2_.size());
        if (among(b1_, name)) {
            target_ = std::min(target_ + std::max(1.0, b2 / b1), static_cast<double>(c_));
            remove(b1_, name);
            b1_.push_back(name);
        } else if (among(b2_, name)) {
            target_ = std::max(target_ - std::max(1.0, b1 / b2), 0.0);
            remove(b2_, name);
            b2_.push_back(name);
        }
    }
    void insert(const std::string& name, size_t) override {
        remove(b1_, name);
        remove(b2_, name);
        t1_.push_back(name);
    }
    std::string pick(const std::string&, const Names& eligible) override {
        bool first = static_cast<double>(t1_.size()) >= std::floor(target_);
        std::string name = oldest_among(first ? t1_ : t2_, eligible);
        return !name.empty() ? name : oldest_among(first ? t2_ : t1_, eligible);
    }
    void evict(const std::string& name) override {
        Names& ghosts = among(t1_, name) ? b1_ : b2_;
        remove(t1_, name);
        remove(t2_, name);
        if (unnamed(name)) return;
        ghosts.push_back(name);
        if (ghosts.size() > c_) ghosts.erase(ghosts.begin());
    }

  private:
    uint64_t c_;
    double target_ = 0;
    Names t1_, t2_, b1_, b2_;
};

class NaiveS3Fifo : public NaiveStrategy {
  public:
    NaiveS3Fifo(const NaiveSetting& s, double small, double ghost, uint64_t promote, bool v1)
        : promote_(promote), v1_(v1) {
        double c = static_cast<double>(std::min<uint64_t>(s.capacity, 1u << 20));
        small_size_ = std::floor(c * small);
        main_size_ = c - small_size_;
        ghost_size_ = std::floor(c * ghost);
    }
    bool keyed() const override { return false; }
    void hit(const std::string& name) override { ++count_[name]; }
    void miss(const std::string& name) override {
        back_ = among(ghosts_, name);
        remove(ghosts_, name);
    }
    void insert(const std::string& name, size_t) override {
        count_[name] = 0;
        bool small_full = static_cast<double>(small_.size()) >= small_size_;
        (back_ || (v1_ && !anything_evicted_ && small_full) ? main_ : small_).push_back(name);
    }
    std::string pick(const std::string&, const Names& eligible) override {
        std::string name;
        if (static_cast<double>(main_.size()) > main_size_ || small_.empty()) name = from_main(eligible);
        if (name.empty()) name = from_small(eligible);
        if (name.empty()) name = from_main(eligible);
        return name;
    }
    void evict(const std::string& name) override {
        anything_evicted_ = true;
        bool remember = among(small_, name) && !unnamed(name);
        remove(small_, name);
        remove(main_, name);
        if (remember) ghosts_.push_back(name);
        if (static_cast<double>(ghosts_.size()) > ghost_size_) ghosts_.erase(ghosts_.begin());
    }

  private:
    std::string from_main(const Names& eligible) {
        for (;;) {
            std::string name = oldest_among(main_, eligible);
            if (name.empty() || count_[name] == 0) return name;
            count_[name] = std::min<uint64_t>(count_[name], 3) - 1;
            remove(main_, name);
            main_.push_back(name);
        }
    }
    std::string from_small(const Names& eligible) {
        for (;;) {
            std::string name = oldest_among(small_, eligible);
            if (name.empty() || count_[name] < promote_) return name;
            count_[name] = 0;
            remove(small_, name);
            main_.push_back(name);
        }
    }
    double small_size_, main_size_, ghost_size_;
    uint64_t promote_;
    bool v1_;
    bool anything_evicted_ = false, back_ = false;
    Names small_, main_, ghosts_;
    std::map<std::string, uint64_t> count_;
};

Twin s3_fifo(const std::string& eviction, double small, double ghost, uint64_t promote, bool v1) {
    return {eviction, [=](const NaiveSetting& s) -> std::unique_ptr<NaiveStrategy> {
                return std::make_unique<NaiveS3Fifo>(s, small, ghost, promote, v1);
            }};
}

class NaiveLirs : public NaiveStrategy {
  public:
    NaiveLirs(const NaiveSetting& s, double hir) : c_(std::min<uint64_t>(s.capacity, 1u << 20)) {
        uint64_t h = std::max<uint64_t>(1, static_cast<uint64_t>(std::floor(hir * static_cast<double>(c_))));
        most_lir_ = c_ - h;
    }
    bool keyed() const override { return false; }
    void hit(const std::string& name) override {
        bool in_stack = among(stack_, name);
        remove(stack_, name);
        stack_.push_back(name);
        if (among(queue_, name)) {
            remove(queue_, name);
            if (in_stack) {
                lir_.push_back(name);
            } else {
                queue_.push_back(name);
            }
        }
        settle();
    }
    void insert(const std::string& name, size_t) override {
        bool again = among(stack_, name);
        remove(stack_, name);
        remove(gone_, name);
        stack_.push_back(name);
        (again || lir_.size() < most_lir_ ? lir_ : queue_).push_back(name);
        settle();
    }
    std::string pick(const std::string&, const Names& eligible) override {
        std::string name = oldest_among(queue_, eligible);
        for (const std::string& low : stack_)
            if (name.empty() && among(lir_, low) && among(eligible, low)) name = low;
        return name;
    }
    void evict(const std::string& name) override {
        bool stays = among(queue_, name) && among(stack_, name) && !unnamed(name);
        remove(queue_, name);
        remove(lir_, name);
        if (stays) {
            gone_.push_back(name);
        } else {
            remove(stack_, name);
        }
        settle();
    }

  private:
    void settle() {
        while (lir_.size() > most_lir_) {
            for (size_t i = 0; i < stack_.size(); ++i) {
                std::string low = stack_[i];
                if (!among(lir_, low)) continue;
                remove(stack_, low);
                remove(lir_, low);
                queue_.push_back(low);
                break;
            }
        }
        while (!stack_.empty() && !among(lir_, stack_[0])) {
            remove(gone_, stack_[0]);
            stack_.erase(stack_.begin());
        }
        while (stack_.size() > 2 * c_ && !gone_.empty()) {
            remove(stack_, gone_[0]);
            gone_.erase(gone_.begin());
        }
    }
    uint64_t c_, most_lir_;
    Names stack_, queue_, lir_, gone_;
};

Twin lirs(const std::string& eviction, double hir) {
    return {eviction, [=](const NaiveSetting& s) -> std::unique_ptr<NaiveStrategy> {
                return std::make_unique<NaiveLirs>(s, hir);
            }};
}

/// Counts uses; what that is differs below.
class NaiveUses {
  public:
    virtual ~NaiveUses() = default;
    virtual void add(const std::string& name) = 0;
    virtual uint64_t of(const std::string& name) = 0;
};

class NaiveTable : public NaiveUses {
  public:
    explicit NaiveTable(uint64_t capacity) : period_(10 * capacity) {}
    void add(const std::string& name) override {
        if (uses_[name] == 15) return;
        ++uses_[name];
        if (++added_ < period_) return;
        for (auto& one : uses_) one.second /= 2;
        added_ /= 2;
    }
    uint64_t of(const std::string& name) override { return uses_[name]; }

  private:
    std::map<std::string, uint64_t> uses_;
    uint64_t period_, added_ = 0;
};

/// frequency_sketch.h: four rows of counters, of which the hash chooses one each.
class NaiveSketch : public NaiveUses {
  public:
    NaiveSketch(const NaiveSetting& s, uint64_t capacity) : period_(10 * capacity), lines_((capacity + 7) / 8) {
        for (const NaiveRequest& r : s.requests)
            for (const std::string& name : r.lookup) id_.emplace(name, id_.size());
        for (auto& row : rows_) row.assign(lines_ * 32, 0);
    }
    void add(const std::string& name) override {
        std::vector<uint64_t*> four = counters(id_.at(name));
        bool raised = false;
        for (uint64_t* counter : four) {
            raised = raised || *counter < 15;
            *counter = std::min<uint64_t>(15, *counter + 1);
        }
        added_ += raised ? 1 : 0;
        if (!raised || added_ < period_) return;
        for (auto& row : rows_)
            for (uint64_t& counter : row) counter /= 2;
        added_ /= 2;
    }
    uint64_t of(const std::string& name) override {
        uint64_t least = 15;
        for (uint64_t* counter : counters(id_.at(name))) least = std::min(least, *counter);
        return least;
    }

  private:
    std::vector<uint64_t*> counters(uint64_t id) {
        uint64_t z = id + 0x9E3779B97F4A7C15ull;
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ull;
        z = (z ^ (z >> 27)) * 0x94D049BB133111EBull;
        z ^= z >> 31;
        uint64_t line = static_cast<uint64_t>((static_cast<unsigned __int128>(z >> 32) * lines_) >> 32);
        std::vector<uint64_t*> four;
        for (unsigned i = 0; i < 4; ++i) {
            uint64_t byte = z / (uint64_t{1} << (8 * i)) % 256;
            four.push_back(&rows_[i][line * 32 + byte % 2 * 16 + byte / 2 % 16]);
        }
        return four;
    }
    std::map<std::string, uint64_t> id_;  ///< ids are given in the order of first sight
    std::vector<uint64_t> rows_[4];
    uint64_t period_, lines_, added_ = 0;
};

class NaiveWTinyLfu : public NaiveStrategy {
  public:
    NaiveWTinyLfu(const NaiveSetting& s, double window, double kept, bool exact) {
        uint64_t capacity = std::min<uint64_t>(s.capacity, 1u << 10);
        auto c = static_cast<double>(capacity);
        window_size_ = std::max(1.0, c - std::floor((1 - window) * c));
        main_size_ = c - window_size_;
        protected_size_ = std::floor(kept * main_size_);
        if (exact) {
            uses_ = std::make_unique<NaiveTable>(capacity);
        } else {
            uses_ = std::make_unique<NaiveSketch>(s, capacity);
        }
    }
    bool keyed() const override { return false; }
    void hit(const std::string& name) override {
        miss(name);
        Names& to = among(window_, name) ? window_ : protected_;
        remove(window_, name);
        remove(probation_, name);
        remove(protected_, name);
        to.push_back(name);
        while (static_cast<double>(protected_.size()) > protected_size_) {
            probation_.push_back(protected_[0]);
            protected_.erase(protected_.begin());
        }
    }
    void miss(const std::string& name) override {
        if (!unnamed(name)) uses_->add(name);
    }
    void insert(const std::string& name, size_t) override {
        window_.push_back(name);
        bool room = static_cast<double>(probation_.size() + protected_.size()) < main_size_;
        if (static_cast<double>(window_.size()) <= window_size_ || !room) return;
        probation_.push_back(window_[0]);
        window_.erase(window_.begin());
    }
    std::string pick(const std::string&, const Names& eligible) override {
        std::string mine = oldest_among(window_, eligible), other = oldest_among(probation_, eligible);
        if (other.empty()) other = oldest_among(protected_, eligible);
        if (mine.empty() || other.empty()) return mine + other;
        if (uses(mine) <= uses(other)) return mine;
        remove(window_, mine);
        probation_.push_back(mine);
        return other;
    }
    void evict(const std::string& name) override {
        remove(window_, name);
        remove(probation_, name);
        remove(protected_, name);
    }

  private:
    uint64_t uses(const std::string& name) { return unnamed(name) ? 1 : uses_->of(name); }
    double window_size_, main_size_, protected_size_;
    Names window_, probation_, protected_;
    std::unique_ptr<NaiveUses> uses_;
};

Twin w_tinylfu(const std::string& eviction, double window, double kept, bool exact) {
    return {eviction, [=](const NaiveSetting& s) -> std::unique_ptr<NaiveStrategy> {
                return std::make_unique<NaiveWTinyLfu>(s, window, kept, exact);
            }};
}

}  // namespace

TEST_CASE("twin: arc") {
    check_twin(twin_of<NaiveArc>("arc"), 2);
    check_twin(twin_of<NaiveArc>("arc:variant=paper"));
    check_twin(twin_of<NaiveVllmArc>("arc:variant=vllm"), 2);
}

TEST_CASE("twin: s3_fifo") {
    check_twin(s3_fifo("s3_fifo", 0.1, 0.9, 2, true));
    check_twin(s3_fifo("s3_fifo:variant=v0", 0.1, 0.9, 2, false));
    check_twin(s3_fifo("s3_fifo:small=0.3,promote=1,ghost=0.7", 0.3, 0.7, 1, true));
    check_twin(s3_fifo("s3_fifo:small=0.5,ghost=2,variant=v0,promote=3", 0.5, 2, 3, false));
    check_twin(s3_fifo("s3_fifo:small=1,ghost=0", 1, 0, 2, true));
    check_twin(s3_fifo("s3_fifo:small=0,promote=63", 0, 0.9, 63, true));
    check_twin(s3_fifo("s3_fifo:small=0,promote=1,variant=v0", 0, 0.9, 1, false));
}

TEST_CASE("twin: lirs") {
    check_twin(lirs("lirs", 0.01), 4);
    check_twin(lirs("lirs:hir=0.3", 0.3));
    check_twin(lirs("lirs:hir=1", 1));
}

TEST_CASE("twin: w_tinylfu") {
    check_twin(w_tinylfu("w_tinylfu:counts=exact", 0.01, 0.8, true), 3);
    check_twin(w_tinylfu("w_tinylfu:counts=exact,window=0.5,protected=0.5", 0.5, 0.5, true));
    check_twin(w_tinylfu("w_tinylfu:counts=exact,window=1", 1, 0.8, true));
    check_twin(w_tinylfu("w_tinylfu:counts=exact,window=0,protected=1", 0, 1, true));
    // With the sketch where ids are known: given in the order in which blocks are first seen.
    StoryWishes w;
    CHECK(holds(w_tinylfu("w_tinylfu", 0.01, 0.8, false), "sketch", w, false, 8));
    w.max_blocks = 25;
    CHECK(holds(w_tinylfu("w_tinylfu:window=0.3", 0.3, 0.8, false), "sketch, longer chains", w, false, 6));
}

}  // namespace strategy_ghost_test
