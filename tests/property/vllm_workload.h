// Random workloads and configurations for the tests that hold the vLLM engine against its naive twin.
#pragma once

#include <kvsim/engine/vllm_manager.h>

#include <random>

#include "property/naive_vllm.h"

namespace kvsim_test {

struct VllmWorkload {
    NaiveVllmConfig config;
    std::vector<NaiveVllmRequest> requests;
    int warmup = 0;
    bool decode = true;
};

class VllmTeller {
  public:
    explicit VllmTeller(uint64_t seed) : random_(seed) {}

    VllmWorkload tell(int requests) {
        VllmWorkload w;
        w.config = configuration();
        alphabet_ = 1 + below(3);
        named_ = below(3) != 0;
        salts_ = below(4) == 0 ? 2 : 1;
        priorities_ = 1 + below(4);
        longest_ = w.config.block * (1 + below(10));
        w.decode = below(8) != 0;
        w.warmup = below(3) == 0 ? below(requests) : 0;
        int step = 0, gap = 1 + below(below(2) == 0 ? 2 : 8);
        for (int i = 0; i < requests; ++i) {
            step += below(gap);
            w.requests.push_back(next(w, step));
        }
        // Pools from hopeless to roomy.
        size_t most = 0;
        for (const NaiveVllmRequest& r : w.requests) most = std::max(most, r.prompt.size() + r.output.size());
        int whole = static_cast<int>((most / w.config.block + 1) * w.config.windows.size());
        w.config.usable = below(8) == 0 ? 1 + below(6) : 1 + whole / (1 + below(2)) + below((1 + 2 * below(2)) * whole);
        if (!w.decode)
            for (NaiveVllmRequest& r : w.requests) r.output.assign(1, unique_++);
        return w;
    }

  private:
    int below(int bound) { return static_cast<int>(random_() % static_cast<uint64_t>(bound)); }

    NaiveVllmConfig configuration() {
        static const int kBlocks[] = {1, 2, 3, 4, 5, 8, 16};
        static const double kMarks[] = {0, 0, 0.01, 0.1, 0.3, 0.5, 1};
        NaiveVllmConfig c;
        c.block = kBlocks[below(7)];
        c.classic = below(2) == 0;
        c.caching = below(8) != 0;
        c.reserve_full = below(3) != 0;
        c.by_priority = below(2) == 0;
        c.steps = below(3) != 0;
        c.watermark = kMarks[below(7)];
        c.max_seqs = 1 + below(10);
        c.max_tokens = 1 + below(below(2) == 0 ? 8 : 80);
        auto window = [&] { return 1 + below(c.block * (1 + below(5))); };
        switch (below(9)) {
            case 0: c.windows = {window()}; break;
            case 1: c.windows = {0, window()}; break;
            case 2: c.windows = {0, window(), window()}; break;
            case 3: c.windows = {window(), window()}; break;
            case 4: c.windows = {0, 0, window()}; c.windows.push_back(c.windows[2]); break;
            case 5: c.windows = {0, 0}; break;
            default: break;
        }
        return c;
    }

    std::vector<int> random_tokens(int count) {
        std::vector<int> tokens;
        for (int i = 0; i < count; ++i) tokens.push_back(below(alphabet_));
        return tokens;
    }

    NaiveVllmRequest next(const VllmWorkload& w, int step) {
        NaiveVllmRequest r;
        if (!w.requests.empty() && below(4) != 0) {
            const NaiveVllmRequest& before =
                w.requests[below(2) == 0 ? w.requests.size() - 1
                                         : static_cast<size_t>(below(static_cast<int>(w.requests.size())))];
            r.prompt = before.prompt;
            r.salt = before.salt;
            if (before.named && below(3) != 0)
                r.prompt.insert(r.prompt.end(), before.output.begin(), before.output.end());
            if (below(3) == 0) r.prompt.resize(static_cast<size_t>(below(static_cast<int>(r.prompt.size()) + 1)));
        } else {
            r.salt = below(salts_);
        }
        if (below(3) != 0 || r.prompt.empty()) {
            std::vector<int> more = random_tokens(1 + below(longest_));
            r.prompt.insert(r.prompt.end(), more.begin(), more.end());
        }
        if (below(3) == 0) r.prompt.resize((r.prompt.size() + w.config.block - 1) / w.config.block * w.config.block, 0);
        size_t most = static_cast<size_t>(2 * longest_ + w.config.block);
        if (r.prompt.size() > most) r.prompt.resize(most);
        int made = below(5) == 0 ? 0 : below((1 + below(6)) * w.config.block + 2);
        r.named = named_ && made > 0 && below(3) != 0;
        if (r.named) r.output = random_tokens(made);
        for (int i = 0; !r.named && i < std::max(1, made); ++i) r.output.push_back(unique_++);
        r.step = step;
        if (priorities_ > 1 && below(4) != 0) r.priority = below(priorities_);
        return r;
    }

    std::mt19937_64 random_;
    int alphabet_ = 2, salts_ = 1, priorities_ = 1, longest_ = 1, unique_ = 1000;
    bool named_ = false;
};

inline kvsim::VllmOptions options_of(const NaiveVllmConfig& c) {
    kvsim::VllmOptions o;
    o.classic = c.classic;
    o.caching = c.caching;
    o.reserve_full = c.reserve_full;
    o.by_priority = c.by_priority;
    o.watermark = c.watermark;
    o.max_num_seqs = static_cast<uint64_t>(c.max_seqs);
    o.max_num_batched_tokens = static_cast<uint64_t>(c.max_tokens);
    o.windows.assign(c.windows.begin(), c.windows.end());
    return o;
}

/// Blocks that were never taken stand in the line behind those put in front.
inline NaiveVllmState state_of(const kvsim::VllmPool& pool) {
    NaiveVllmState s;
    size_t front = 0;
    std::vector<kvsim::VllmPool::Id> line = pool.free_line(&front);
    for (size_t i = 0; i < front; ++i) s.free.push_back(static_cast<int>(line[i]));
    for (uint64_t id = pool.fresh_begin(); id <= pool.usable(); ++id) s.free.push_back(static_cast<int>(id));
    for (size_t i = front; i < line.size(); ++i) s.free.push_back(static_cast<int>(line[i]));
    s.references.assign(pool.usable() + 1, 0);
    for (kvsim::VllmPool::Id id = 1; id < pool.blocks(); ++id) s.references[id] = static_cast<int>(pool.references(id));
    return s;
}

}  // namespace kvsim_test
