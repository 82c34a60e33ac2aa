// Belady under every accounting against its naive twin.
#include "property/twin.h"

using namespace kvsim;
using namespace kvsim_test;

namespace {

/// The text of block_belady.h: every decision scans the rest of the trace.
template <bool kBypass>
class NaiveBelady : public NaiveStrategy {
  public:
    explicit NaiveBelady(const NaiveSetting& setting) : setting_(setting) {}

    void request(size_t r) override {
        now_ = r;
        done_.clear();
    }
    void hit(const std::string& name) override {
        done_.push_back(name);
        touch(name);
    }
    void miss(const std::string& name) override { done_.push_back(name); }
    void insert(const std::string& name, size_t depth) override {
        depth_[name] = depth;
        touch(name);
    }
    void evict(const std::string& name) override { remove(order_, name); }
    void released(const std::string& name) override { touch(name); }
    std::string pick(const std::string& incoming, const std::vector<std::string>& eligible) override {
        std::string victim;
        for (const std::string& name : order_)
            if (among(eligible, name) && (victim.empty() || farther(name, victim))) victim = name;
        bool bypass = setting_.kind == NaiveKind::flat ? kBypass : kBypass && setting_.kind != NaiveKind::pinned;
        if (!bypass || victim.empty()) return victim;
        auto [next, position] = next_use(incoming);
        if (next == kNever) return "";
        return std::pair{next, position} < next_use(victim) ? victim : "";
    }

  private:
    static constexpr size_t kNever = ~size_t{0};

    void touch(const std::string& name) {
        remove(order_, name);
        order_.push_back(name);
    }
    /// The request and the position there. Never: position as first stored.
    std::pair<size_t, size_t> next_use(const std::string& name) const {
        const NaiveRequest& running = setting_.requests[now_];
        // Of the running request those lookups are still to come that have not been passed (flat: one by one).
        if (setting_.kind == NaiveKind::flat) {
            size_t passed = static_cast<size_t>(std::count(done_.begin(), done_.end(), name));
            for (size_t i = 0; i < running.lookup.size(); ++i)
                if (running.lookup[i] == name && passed-- == 0) return {now_, i};
        }
        // A name that the running request has looked up and will store is used again by that only.
        for (size_t r = now_ + 1; r < setting_.requests.size(); ++r) {
            const NaiveRequest& q = setting_.requests[r];
            for (size_t i = 0; i < q.lookup.size(); ++i)
                if (q.lookup[i] == name) return {r, i};
            if (among(q.stored, name)) break;
        }
        return {kNever, 0};
    }
    bool farther(const std::string& a, const std::string& b) const {
        auto [next_a, position_a] = next_use(a);
        auto [next_b, position_b] = next_use(b);
        if (next_a != next_b) return next_a > next_b;
        if (next_a == kNever) return depth_.at(a) > depth_.at(b);
        return position_a > position_b;
    }

    NaiveSetting setting_;
    size_t now_ = 0;
    std::vector<std::string> done_;
    std::vector<std::string> order_;  ///< used longest ago first
    std::map<std::string, size_t> depth_;
};

}  // namespace

TEST_CASE("twin: belady") {
    // Without the parameter: on under tree, off elsewhere.
    Twin usual{"belady", [](const NaiveSetting& s) -> std::unique_ptr<NaiveStrategy> {
                   if (s.kind == NaiveKind::flat) return std::make_unique<NaiveBelady<false>>(s);
                   return std::make_unique<NaiveBelady<true>>(s);
               }};
    check_twin(usual, 3);
}
