// MRU, FILO and the plain queue of fifo:leaf=off under every accounting they run under against their naive twins.
#include "property/twin.h"

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
    bool resident(const std::string& name) const { return std::find(queue_.begin(), queue_.end(), name) != queue_.end(); }

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
    Run naive;
    for (const NaiveRequest& r : naive_requests(c.story, c.block_size, c.decode, false)) naive.steps.push_back(queue.serve(r));
    naive.stranded = queue.stranded();
    for (uint64_t warmup : {0, 3}) check_run(c, trace, naive, RunPath::blocks, warmup);
}

}  // namespace

TEST_CASE("twin: mru and filo") {
    check_twin(twin_of<NaiveMru>("mru"), 2);
    check_twin(twin_of<NaiveFilo>("filo"), 2);
}

TEST_CASE("twin: fifo:leaf=off") {
    StoryWishes plain, ragged, named, content;
    ragged.ragged = ragged.floor_tails = named.named_output = content.content = true;
    ragged.max_blocks = 25;
    for (const StoryWishes& w : {plain, ragged, named, content})
        for (int i = 0; i < 3; ++i)
            CHECK(rc::check("plain queue", [&] { check_queue_case(w, w.ragged); }));
}

TEST_CASE("long: twin: mru, filo and fifo:leaf=off with many more cases") {
    check_twin(twin_of<NaiveMru>("mru"), 30);
    check_twin(twin_of<NaiveFilo>("filo"), 30);
    StoryWishes w;
    for (int bits = 0; bits < 16; ++bits) {
        w.ragged = (bits & 1) != 0;
        w.named_output = (bits & 2) != 0;
        w.floor_tails = (bits & 4) != 0;
        for (int i = 0; i < 20; ++i) CHECK(rc::check("plain queue", [&] { check_queue_case(w, (bits & 8) != 0); }));
    }
}
