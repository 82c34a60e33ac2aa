// Strategies that weigh value against cost, and random, under every accounting against their naive twins.
#include "property/twin.h"

namespace strategy_cost_test {

using namespace kvsim;
using namespace kvsim_test;

namespace {

/// GDSF in doubles as published, rank = L + 10^6 * uses * cost, searched from end to end.
template <int kCost, int kPStar = 30600>  // 0: one, 1: tokens, 2: flops
class NaiveGdsf : public NaiveStrategy {
  public:
    explicit NaiveGdsf(const NaiveSetting& s) : setting_(s) {}
    void request(size_t r) override { request_ = &setting_.requests[r]; }
    void hit(const std::string& name) override {
        Entry& e = entries_[name];
        e = {floor_ + ++e.uses * cost(name, e.depth), e.uses, ++now_, e.depth};
    }
    void miss(const std::string&) override { floor_at_miss_ = floor_; }
    void insert(const std::string& name, size_t depth) override {
        entries_[name] = {floor_at_miss_ + cost(name, depth), 1, ++now_, depth};
    }
    void evict(const std::string& name) override { entries_.erase(name); }
    void released(const std::string& name) override { entries_[name].last = ++now_; }
    std::string pick(const std::string& incoming, const std::vector<std::string>& eligible) override {
        std::string best;
        for (const std::string& name : eligible) {
            if (best.empty() || entries_[name].rank < entries_[best].rank ||
                (!(entries_[best].rank < entries_[name].rank) && entries_[name].last < entries_[best].last))
                best = name;
        }
        if (best.empty()) return "";
        double rank = entries_[best].rank;
        if (setting_.kind == NaiveKind::flat) {
            double own = floor_ + cost(incoming, place_of(incoming));
            if (own < rank) {
                floor_ = own;
                return "";
            }
        }
        if (rank > floor_) floor_ = rank;
        return best;
    }

  private:
    struct Entry {
        double rank = 0, uses = 0;
        uint64_t last = 0;
        size_t depth = 0;
    };
    // Where a block stands first in the whole run so far; content ids may stand elsewhere later.
    size_t place_of(const std::string& name) {
        for (const NaiveRequest& r : setting_.requests) {
            for (size_t i = 0; i < r.lookup.size(); ++i)
                if (r.lookup[i] == name) return i;
            for (size_t i = 0; i < r.stored.size(); ++i)
                if (r.stored[i] == name) return i;
        }
        return 0;
    }
    double cost(const std::string& name, size_t depth) {
        if (kCost == 0) return 1e6;
        if (kCost == 2) return (kPStar + static_cast<double>(depth) * setting_.block_size);
        if (depth < request_->lookup.size()) return 1e6 * static_cast<double>(request_->weight[depth]);
        if (among(request_->lookup, name)) return 1e6 * static_cast<double>(request_->weight[0]);
        return 1e6 * setting_.block_size;
    }

    NaiveSetting setting_;
    const NaiveRequest* request_ = nullptr;
    std::map<std::string, Entry> entries_;
    double floor_ = 0, floor_at_miss_ = 0;
    uint64_t now_ = 0;
};

/// Every priority as a fraction, at every decision.
class NaiveHyperbolic : public NaiveStrategy {
  public:
    void hit(const std::string& name) override {
        ++now_;
        ++blocks_[name].first;
    }
    void insert(const std::string& name, size_t) override { blocks_[name] = {1, ++now_}; }
    void evict(const std::string& name) override { blocks_.erase(name); }
    std::string pick(const std::string&, const std::vector<std::string>& eligible) override {
        std::string best;
        for (const std::string& name : eligible) {
            auto [uses, since] = blocks_[name];
            auto [best_uses, best_since] = blocks_[best.empty() ? name : best];
            uint64_t a = uses * (now_ + 1 - best_since), b = best_uses * (now_ + 1 - since);
            if (best.empty() || a < b || (a == b && since < best_since)) best = name;
        }
        return best;
    }

  private:
    std::map<std::string, std::pair<uint64_t, uint64_t>> blocks_;  ///< uses, number of the use that brought it in
    uint64_t now_ = 0;
};

/// Follows the draws of block_random.h.
template <uint64_t kSeed>
class NaiveRandom : public NaiveStrategy {
  public:
    void hit(const std::string&) override {}
    void insert(const std::string& name, size_t) override { table_.push_back(name); }
    void evict(const std::string& name) override {
        *std::find(table_.begin(), table_.end(), name) = table_.back();
        table_.pop_back();
    }
    std::string pick(const std::string&, const std::vector<std::string>& eligible) override {
        if (table_.empty()) return "";
        size_t place = 0;
        for (int i = 0; i < 4096; ++i) {
            place = static_cast<size_t>(static_cast<unsigned __int128>(number()) * table_.size() >> 64);
            if (among(eligible, table_[place])) return table_[place];
        }
        for (size_t i = 0; i < table_.size(); ++i) {
            place = place + 1 == table_.size() ? 0 : place + 1;
            if (among(eligible, table_[place])) return table_[place];
        }
        return "";
    }

  private:
    uint64_t number() {
        state_ += 0x9E3779B97F4A7C15;
        uint64_t z = (state_ ^ state_ >> 30) * 0xBF58476D1CE4E5B9;
        z = (z ^ z >> 27) * 0x94D049BB133111EB;
        return z ^ z >> 31;
    }
    std::vector<std::string> table_;
    uint64_t state_ = kSeed;
};

}  // namespace

TEST_CASE("twin: gdsf") {
    check_twin(twin_of<NaiveGdsf<0>>("gdsf"));
    check_twin(twin_of<NaiveGdsf<0>>("gdsf:cost=one"));
    check_twin(twin_of<NaiveGdsf<1>>("gdsf:cost=tokens"));
    StoryWishes w;  // the same block filled differently
    w.ragged = true;
    w.floor_tails = true;
    CHECK(holds(twin_of<NaiveGdsf<1>>("gdsf:cost=tokens"), "ragged", w, false, 3));
    check_twin(twin_of<NaiveGdsf<2>>("gdsf:cost=flops"));
    check_twin(twin_of<NaiveGdsf<2, 20>>("gdsf:cost=flops,p_star=20"));
}
TEST_CASE("twin: hyperbolic") { check_twin(twin_of<NaiveHyperbolic>("hyperbolic"), 3); }
TEST_CASE("twin: random") {
    check_twin(twin_of<NaiveRandom<0>>("random"));
    check_twin(twin_of<NaiveRandom<~uint64_t{0}>>("random:seed=18446744073709551615"));
}

TEST_CASE("long: twins of the strategies that weigh cost, many more cases") {
    for (int i = 0; i < 20; ++i) {
        check_twin(twin_of<NaiveGdsf<0>>("gdsf"));
        check_twin(twin_of<NaiveGdsf<1>>("gdsf:cost=tokens"));
        check_twin(twin_of<NaiveGdsf<2, 20>>("gdsf:cost=flops,p_star=20"));
        check_twin(twin_of<NaiveHyperbolic>("hyperbolic"));
        check_twin(twin_of<NaiveRandom<7>>("random:seed=7"));
    }
}

}  // namespace strategy_cost_test
