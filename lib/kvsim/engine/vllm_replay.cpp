#include <kvsim/core/error.h>
#include <kvsim/engine/vllm_replay.h>

#include <algorithm>

namespace kvsim {

VllmReplay::VllmReplay(const Trace& t, const VllmOptions& o, const RunOptions& r, VllmManager& m, RunResult& out)
    : trace(t), options(o), run(r), manager(m), result(out) {
    result.hit_blocks.assign(trace.requests(), 0);
    result.engine.emplace();
}

void VllmReplay::begin(VllmSequence& s, uint32_t r) {
    manager.reset(s, r, prompt(r));
    uint32_t row = trace.stored_row(r, run.decode);
    // A partly filled last block of the prompt may have a name, but only full blocks are ever published.
    uint64_t tokens = prompt(r) + (row == trace.lookup_row(r) ? 0 : outputs(r));
    uint64_t full = std::min<uint64_t>(tokens / manager.block_tokens(), trace.chains[row].length);
    trace.chains.segments(row, static_cast<uint32_t>(full), segments_);
    s.names.resize(full);
    uint32_t* out = s.names.data();
    for (const Segment& segment : segments_)
        for (uint32_t i = 0; i < segment.count; ++i) *out++ = segment.begin + i;
}

void VllmReplay::sample_admission(const VllmSequence& s) {
    const VllmPool& pool = manager.pool();
    result.admitted(counted(s.request), pool.used(), pool.used() + pool.published_free(),
                    pool.published() * manager.block_tokens() + manager.loose_tokens());
}

void VllmReplay::admitted(const VllmSequence& s, uint64_t hit_blocks, uint64_t evictions) {
    if (!past_warmup_ && counted(s.request)) {
        past_warmup_ = true;
        result.total.evicted_blocks = evictions;
        result.warmup = result.total;
    }
    result.hit_blocks[s.request] = static_cast<uint32_t>(hit_blocks);
    if (counted(s.request)) {
        queries_ += s.length;
        hits_ += hit_blocks * manager.block_tokens();
    }
    result.sampled(s.request, manager.pool().used(), manager.pool().used() + manager.pool().published_free());
    sample_admission(s);
}

void VllmReplay::readmitted(const VllmSequence& s, uint64_t hit_blocks, uint64_t lost) {
    uint64_t hit = hit_blocks * manager.block_tokens();
    result.engine->readmission_hit_tokens[s.request] += hit;
    result.total.recomputed_tokens += lost > hit ? lost - hit : 0;
    if (counted(s.request)) {
        again_queries_ += s.length;
        again_hits_ += hit;
    }
    sample_admission(s);
}

void VllmReplay::reject(uint32_t r) {
    if (result.rejected.empty()) result.rejected.resize(trace.requests());
    result.rejected[r] = true;
}

void VllmReplay::preempted(uint32_t r) {
    ++result.engine->preemptions[r];
    ++result.total.preempted;
}

void VllmReplay::sample_usage(bool is_counted) {
    if (!is_counted) return;
    const VllmPool& pool = manager.pool();
    uint64_t used = pool.used();
    ++samples_;
    used_ += static_cast<double>(used);
    result.peak_active_blocks = std::max(result.peak_active_blocks, used);
    result.peak_resident_blocks = std::max(result.peak_resident_blocks, used + pool.published_free());
}

// Blocks of the first group, where it sees everything: behind the null blocks of a window nothing is stranded.
uint64_t VllmReplay::stranded() const {
    const VllmPool& pool = manager.pool();
    if (pool.evictions() == 0 || manager.windows()[0] != 0) return 0;
    uint64_t groups = manager.windows().size(), stranded = 0;
    std::vector<BlockId> parents = trace.chains.parents();
    std::vector<uint8_t> cut(parents.size());  // it or an ancestor is missing
    for (BlockId name = 0; name < parents.size(); ++name) {
        auto key = static_cast<VllmPool::Key>(name * groups);
        bool missing = pool.find(key) == VllmPool::kNull, behind = parents[name] != kNone && cut[parents[name]] != 0;
        cut[name] = missing || behind;
        if (behind && !missing) stranded += pool.copies(key).size();
    }
    return stranded;
}

void VllmReplay::number(const char* key, const char* what, std::variant<uint64_t, double> value) {
    result.engine->numbers.push_back({key, what, value});
}

void VllmReplay::finish(std::optional<uint64_t> steps) {
    const VllmPool& pool = manager.pool();
    result.total.evicted_blocks = pool.evictions();
    if (!past_warmup_) result.warmup = result.total;
    result.stranded_blocks = stranded();
    uint64_t total = manager.num_gpu_blocks();
    if (total != 0) number("num_gpu_blocks", "blocks of the pool, the null block included", total);
    bool names = !trace.lengths_only;  // else nothing can be said about hits
    if (names) number("prefix_cache_queries", "tokens of requests when they were admitted for the first time", queries_);
    if (names) number("prefix_cache_hits", "of these, hit", hits_);
    if (steps && names) {
        number("preempted_prefix_cache_queries",
               "tokens, output included, of requests admitted again after a preemption", again_queries_);
        number("preempted_prefix_cache_hits", "of these, hit", again_hits_);
    }
    if (total != 0) {
        auto usable = static_cast<double>(pool.usable());
        const char* when = steps ? "held blocks / usable ones, largest after any step was scheduled"
                                 : "held blocks / usable ones, largest after any admission and at the end of any request";
        number("kv_cache_usage_peak", when, static_cast<double>(result.peak_active_blocks) / usable);
        number("kv_cache_usage_mean", "the same, mean",
               samples_ != 0 ? used_ / static_cast<double>(samples_) / usable : 0.0);
    }
    number("evictions", "published blocks taken for something else", result.counted().evicted_blocks);
    number("duplicate_blocks", "of the whole run: blocks published while a copy of them was there", pool.duplicates());
    number("cached_blocks", "published blocks at the end, all of them free", pool.published());
    if (steps) {
        number("preemptions", "running requests that lost their blocks to another or to themselves",
               result.counted().preempted);
        number("steps", "of the whole run: steps that computed something", *steps);
    }
    if (unfinished != 0)
        number("unfinished", "admitted, but ended before their output was stored for lack of room", unfinished);
}

}  // namespace kvsim
