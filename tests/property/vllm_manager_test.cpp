// vLLM's manager alone, against the naive one: several requests at once, in any order, each given tokens bit by bit,
// freed and looked up again. After every call: block tables, the line of free blocks, reference counts, and all copies
// of every key.
#include <doctest/doctest.h>
#include <kvsim/engine/vllm_manager.h>
#include "support/random_check.h"

#include "property/vllm_workload.h"

namespace vllm_manager_test {

using namespace kvsim;
using namespace kvsim_test;

namespace {

// What a trace would call the full blocks of requests: all whose tokens it names.
class BlockNames {
  public:
    std::vector<uint32_t> of(const NaiveVllmRequest& r, int block) {
        std::vector<int> tokens = r.prompt;
        if (r.named) tokens.insert(tokens.end(), r.output.begin(), r.output.end());
        std::vector<uint32_t> names;
        for (int end = block; end <= count(tokens); end += block) {
            std::vector<int> path = {r.salt};
            path.insert(path.end(), tokens.begin(), tokens.begin() + end);
            names.push_back(ids_.emplace(path, static_cast<uint32_t>(ids_.size())).first->second);
        }
        return names;
    }
    uint64_t size() const { return ids_.size(); }

  private:
    std::map<std::vector<int>, uint32_t> ids_;
};

struct Pair {
    NaiveVllm::Request naive;
    VllmSequence ours;
};

class Play {
  public:
    explicit Play(uint64_t seed) : random_(seed), w_(VllmTeller(seed).tell(12)), naive_(config()) {
        naive_.out = naive_outcome(w_.requests.size());
        for (const NaiveVllmRequest& r : w_.requests) names_.of(r, w_.config.block);
        manager_.emplace(options_of(w_.config), static_cast<uint64_t>(w_.config.usable),
                         static_cast<uint32_t>(w_.config.block), names_.size());
        for (size_t i = 0; i < w_.requests.size(); ++i) begin(static_cast<int>(i));
    }

    void run() {
        for (int call = 0; call < 60; ++call) {
            Pair& p = pairs_[random_() % pairs_.size()];
            if (!p.naive.holds) {
                admit(p);
            } else if (random_() % 5 == 0) {
                naive_.free(p.naive);
                manager_->free(p.ours);
            } else {
                extend(p);
            }
            compare();
        }
    }

  private:
    NaiveVllmConfig config() {
        w_.config.steps = true;  // the whole prompt is reserved
        return w_.config;
    }

    void begin(int i) {
        const NaiveVllmRequest& told = w_.requests[i];
        pairs_.push_back({naive_.make(i, told), {}});
        VllmSequence& s = pairs_.back().ours;
        manager_->reset(s, static_cast<uint32_t>(i), told.prompt.size());
        s.names = names_.of(told, w_.config.block);
        s.own_keys = manager_->add_own_keys(told.output.size() / w_.config.block + 1);
    }

    void admit(Pair& p) {
        NaiveVllm::Hits hits = naive_.lookup(p.naive);
        auto found = static_cast<int>(manager_->look_up(p.ours));
        RC_ASSERT(found == count(hits[0]));
        int n = 1 + static_cast<int>(random_() % (count(p.naive.tokens) - found * w_.config.block));
        VllmManager::Admission admission;
        admission.others_running = random_() % 2 == 0;
        admission.batch_tokens = static_cast<uint64_t>(w_.config.max_tokens);
        bool room = naive_.allocate(p.naive, n, hits, true, admission.others_running);
        RC_ASSERT(room == manager_->admit(p.ours, static_cast<uint64_t>(n), admission));
        if (room) computed(p, found * w_.config.block + n);
    }

    void extend(Pair& p) {
        int left = count(p.naive.tokens) - p.naive.computed;
        if (left == 0) {
            if (p.naive.made == count(p.naive.told->output)) return;
            p.naive.tokens.push_back(p.naive.told->output[p.naive.made++]);
            p.ours.length = p.naive.tokens.size();
            left = 1;
        }
        int n = 1 + static_cast<int>(random_() % left);
        bool room = naive_.allocate(p.naive, n, NaiveVllm::Hits(w_.config.windows.size()), false, false);
        RC_ASSERT(room == manager_->extend(p.ours, static_cast<uint64_t>(n)));
        if (room) computed(p, p.naive.computed + n);
    }

    static void computed(Pair& p, int tokens) {
        p.naive.computed = tokens;
        p.ours.computed = static_cast<uint64_t>(tokens);
    }

    void compare() {
        RC_ASSERT(state_of(manager_->pool()) == naive_.state());
        manager_->pool().check();
        size_t published = 0;
        for (const Pair& p : pairs_)
            for (int g = 0; g < naive_.groups(); ++g) {
                const auto& table = p.ours.groups[g].table;
                RC_ASSERT(std::vector<int>(table.begin(), table.end()) == p.naive.table[g]);
                for (int k = 0; (k + 1) * w_.config.block <= count(p.naive.tokens); ++k) {
                    auto key = static_cast<VllmPool::Key>(
                        manager_->key(p.ours, static_cast<uint64_t>(k), static_cast<size_t>(g)));
                    std::vector<VllmPool::Id> ours = manager_->pool().copies(key);
                    auto naive = naive_.copies.find(naive_.hash_of(p.naive, k, g));
                    RC_ASSERT(std::vector<int>(ours.begin(), ours.end()) ==
                              (naive == naive_.copies.end() ? std::vector<int>{} : naive->second));
                }
            }
        for (const auto& hash : naive_.hash) published += hash.has_value();
        RC_ASSERT(manager_->pool().published() == published);
    }

    std::mt19937_64 random_;
    VllmWorkload w_;
    NaiveVllm naive_;
    BlockNames names_;
    std::optional<VllmManager> manager_;
    std::vector<Pair> pairs_;
};

}  // namespace

TEST_CASE("vllm manager: tables, line and copies are those of the naive one after every call") {
    for (int i = 0; i < 3; ++i) CHECK(random_check([] { Play(*rc::gen::arbitrary<uint64_t>()).run(); }));
}

TEST_CASE("long: vllm manager: more of the same") {
    for (int i = 0; i < 100; ++i) CHECK(random_check([] { Play(*rc::gen::arbitrary<uint64_t>()).run(); }));
}

}  // namespace vllm_manager_test
