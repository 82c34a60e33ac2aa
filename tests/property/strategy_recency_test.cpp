// MRU, FILO, TTL, T-LRU and the plain queue of fifo:leaf=off under every accounting they run under against their naive
// twins.
#include "property/twin.h"

namespace strategy_recency_test {

using namespace kvsim;
using namespace kvsim_test;

namespace {

/// Oldest first; the last eligible one goes.
class NaiveMru : public NaiveStrategy {
  public:
    void hit(const std::string& name) override {
        remove(order_, name);
        order_.push_back(name);
    }
    void insert(const std::string& name, size_t) override { order_.push_back(name); }
    void evict(const std::string& name) override { remove(order_, name); }
    void released(const std::string& name) override { hit(name); }
    std::string pick(const std::string&, const std::vector<std::string>& eligible) override {
        return first_of({order_.rbegin(), order_.rend()}, eligible);
    }

  protected:
    std::vector<std::string> order_;
};

class NaiveFilo : public NaiveMru {
  public:
    void hit(const std::string&) override {}
    void released(const std::string&) override {}
};

/// The text of block_ttl.h.
class NaiveTtl : public NaiveLru {
  public:
    NaiveTtl(const NaiveSetting& setting, double seconds, bool from_use)
        : arrival_s_(setting.arrival_s), concurrent_(setting.concurrent), seconds_(seconds), from_use_(from_use) {}

    void request(size_t r) override {
        now_ = std::max(now_, arrival_s_[r]);
        for (const std::string& name : released_) since_[name] = now_;
        released_.clear();
    }
    void hit(const std::string& name) override {
        NaiveLru::hit(name);
        if (from_use_) since_[name] = now_;
    }
    void insert(const std::string& name, size_t depth) override {
        NaiveLru::insert(name, depth);
        inserted_.push_back(name);
        since_[name] = now_;
    }
    void evict(const std::string& name) override {
        NaiveLru::evict(name);
        remove(inserted_, name);
    }
    void released(const std::string& name) override {
        NaiveLru::hit(name);
        if (from_use_ && concurrent_) released_.push_back(name);
    }
    std::string pick(const std::string& incoming, const std::vector<std::string>& eligible) override {
        for (const std::string& name : inserted_)
            if (among(eligible, name) && now_ - since_.at(name) >= seconds_) return name;
        return NaiveLru::pick(incoming, eligible);
    }

  private:
    std::vector<double> arrival_s_;
    bool concurrent_;
    double seconds_;
    bool from_use_;
    double now_ = 0;
    std::vector<std::string> inserted_, released_;
    std::map<std::string, double> since_;
};

Twin ttl(const std::string& eviction, double seconds, bool from_use) {
    return {eviction, [=](const NaiveSetting& s) { return std::make_unique<NaiveTtl>(s, seconds, from_use); }};
}

/// The text of block_tlru.h.
class NaiveTlru : public NaiveLru {
  public:
    NaiveTlru(const NaiveSetting& setting, uint64_t budget, uint64_t next)
        : setting_(setting), budget_(budget), next_(next) {}

    void request(size_t r) override {
        uint64_t tokens = uint64_t{setting_.facts[r].in} + setting_.facts[r].out + next_;
        needed_tokens_ = tokens - std::min(tokens, budget_);
    }
    void hit(const std::string& name) override {
        NaiveLru::hit(name);
        note(name);
    }
    void insert(const std::string& name, size_t depth) override {
        NaiveLru::insert(name, depth);
        depth_[name] = depth;
        note(name);
    }
    void evict(const std::string& name) override {
        NaiveLru::evict(name);
        remove(needed_, name);
    }
    void released(const std::string& name) override { NaiveLru::hit(name); }
    std::string pick(const std::string& incoming, const std::vector<std::string>& eligible) override {
        std::vector<std::string> spare;
        for (const std::string& name : eligible)
            if (!among(needed_, name)) spare.push_back(name);
        return NaiveLru::pick(incoming, spare.empty() ? eligible : spare);
    }

  private:
    void note(const std::string& name) {
        if (depth_.at(name) * setting_.block_size < needed_tokens_ && !among(needed_, name)) needed_.push_back(name);
    }
    NaiveSetting setting_;
    uint64_t budget_, next_, needed_tokens_ = 0;
    std::map<std::string, size_t> depth_;
    std::vector<std::string> needed_;
};

Twin tlru(uint64_t budget, uint64_t next) {
    return {"tlru:budget=" + std::to_string(budget) + ",next=" + std::to_string(next),
            [=](const NaiveSetting& s) { return std::make_unique<NaiveTlru>(s, budget, next); }};
}

/// The text of prefix_plain_queue.h on names.
class NaiveQueue {
  public:
    NaiveQueue(uint64_t capacity, uint32_t block_size) : capacity_(capacity), block_size_(block_size) {}

    NaiveStep serve(const NaiveRequest& r) {
        NaiveStep s;
        bool leading = true;
        for (size_t i = 0; i < r.lookup.size(); ++i) {
            bool hit = resident(r.lookup[i]);
            leading = leading && hit;
            s.hit += leading;
            s.any += hit;
            s.any_tokens += hit ? r.weight[i] : 0;
        }
        for (size_t i = 0; i < r.stored.size(); ++i) {
            const std::string& name = r.stored[i];
            parent_[name] = i == 0 ? "" : r.stored[i - 1];
            tokens_[name] = i + 1 == r.stored.size() ? r.last_tokens : block_size_;
            if (resident(name)) continue;
            if (queue_.size() >= capacity_) {
                queue_.erase(queue_.begin());
                ++evicted_;
            }
            queue_.push_back(name);
        }
        s.evicted = evicted_;
        s.active = std::min<uint64_t>(r.stored.size(), capacity_);
        s.resident = queue_.size();
        for (const std::string& name : queue_) s.tokens += tokens_.at(name);
        return s;
    }
    uint64_t stranded() const {
        uint64_t count = 0;
        for (const std::string& name : queue_) {
            if (name.rfind("unnamed", 0) == 0) continue;
            bool whole = true;
            for (std::string up = parent_.at(name); !up.empty(); up = parent_.at(up)) whole = whole && resident(up);
            count += !whole;
        }
        return count;
    }

  private:
    bool resident(const std::string& name) const {
        return std::find(queue_.begin(), queue_.end(), name) != queue_.end();
    }

    uint64_t capacity_;
    uint32_t block_size_;
    uint64_t evicted_ = 0;
    std::vector<std::string> queue_;
    std::map<std::string, std::string> parent_;
    std::map<std::string, uint64_t> tokens_;
};

void check_queue_case(const StoryWishes& wishes, bool reblock) {
    static const Twin kQueue{"fifo:leaf=off", nullptr};
    Case c = random_case(kQueue, wishes, reblock);
    c.setup = {NaiveKind::tree, "tree"};
    c.running.requests = 1;
    describe(c);
    Trace trace = make_trace(c.story);
    trace.reblock_to(c.block_size);
    NaiveQueue queue(c.capacity, c.block_size);
    kvsim_test::Run naive;
    for (const NaiveRequest& r : naive_requests(c.story, c.block_size, c.decode, false))
        naive.steps.push_back(queue.serve(r));
    naive.stranded = queue.stranded();
    for (uint64_t warmup : {0, 3}) check_run(c, trace, naive, RunPath::blocks, warmup);
}

}  // namespace

TEST_CASE("twin: mru and filo") {
    check_twin(twin_of<NaiveMru>("mru"), 2);
    check_twin(twin_of<NaiveFilo>("filo"), 2);
}

TEST_CASE("twin: ttl") {
    check_twin(ttl("ttl:seconds=3", 3, false), 2);
    check_twin(ttl("ttl:seconds=8,from=insert", 8, false));
    check_twin(ttl("ttl:seconds=2.5,from=use", 2.5, true), 2);
    check_twin(ttl("ttl", 300, false));
}

TEST_CASE("twin: ttl without life is fifo, without end lru") {
    check_twin(twin_of<NaiveFifo>("ttl:seconds=0"));
    check_twin(twin_of<NaiveFifo>("ttl:seconds=0,from=use"));
    check_twin(twin_of<NaiveLru>("ttl:seconds=1e12"));
}

TEST_CASE("twin: tlru") {
    check_twin(tlru(10, 2), 2);
    check_twin(tlru(40, 0), 2);
    check_twin(tlru(2048, 256));
    check_twin(twin_of<NaiveLru>("tlru:budget=0"));
}

TEST_CASE("twin: fifo:leaf=off") {
    StoryWishes plain, ragged, named, content;
    ragged.ragged = ragged.floor_tails = named.named_output = content.content = true;
    ragged.max_blocks = 25;
    for (const StoryWishes& w : {plain, ragged, named, content})
        for (int i = 0; i < 3; ++i)
            CHECK(kvsim_test::random_check("plain queue", [&] { check_queue_case(w, w.ragged); }));
}

TEST_CASE("long: twin: recency strategies with many more cases") {
    check_twin(twin_of<NaiveMru>("mru"), 30);
    check_twin(twin_of<NaiveFilo>("filo"), 30);
    check_twin(ttl("ttl:seconds=3", 3, false), 30);
    check_twin(ttl("ttl:seconds=4,from=use", 4, true), 30);
    for (uint64_t budget : {5, 20, 60}) check_twin(tlru(budget, 3), 20);
    StoryWishes w;
    for (int bits = 0; bits < 16; ++bits) {
        w.ragged = (bits & 1) != 0;
        w.named_output = (bits & 2) != 0;
        w.floor_tails = (bits & 4) != 0;
        for (int i = 0; i < 20; ++i) CHECK(kvsim_test::random_check("plain queue", [&] { check_queue_case(w, (bits & 8) != 0); }));
    }
}

}  // namespace strategy_recency_test
