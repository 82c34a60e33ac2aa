#include <kvsim/core/error.h>
#include <kvsim/engine/sglang.h>

#include <algorithm>

namespace kvsim {

/// Of a request's output, what its admission budgets for.
static constexpr int64_t kMostBudgeted = 4096;
static constexpr int64_t kNoLimit = int64_t{1} << 62;

void SglangCache::begin(const Trace& trace, const RunOptions& options, RunResult& result) {
    if (trace.block_size != config_.page)
        throw_input("engine sglang: pages of " + std::to_string(config_.page) + " tokens, but blocks of " +
                    std::to_string(trace.block_size) + " in the trace");
    for (uint32_t r = 0; r < trace.requests(); ++r)
        if ((uint64_t{trace.prompt_tokens[r]} + trace.output_tokens[r]) / config_.page >= kNone)
            throw_input("engine sglang: request " + std::to_string(r) + " (" + trace.sequence_name(r) + ") has more than " +
                        std::to_string(kNone) + " pages");
    trace_ = &trace;
    options_ = &options;
    result_ = &result;
    page_ = config_.page;
    bool limited = options.capacity_blocks < static_cast<uint64_t>(kNoLimit / page_);
    capacity_ = limited ? static_cast<int64_t>(options.capacity_blocks) * page_ : kNoLimit;
    used_ = peak_protected_ = peak_usage_ = 0;
    counts_ = warmup_ = {};
    paths_.reset(trace, options.decode);
    tree_.reset(paths_);
    result.hit_blocks.assign(trace.requests(), 0);
}

void SglangCache::run(const Trace& trace, const RunOptions& options, RunResult& result) {
    begin(trace, options, result);
    for (uint32_t r = 0; r < trace.requests(); ++r) {
        begin_request(r, options, result);
        if (r == options.warmup_requests) warmup_ = counts_;
        serving_ = r;
        Request q;
        q.id = r;
        q.prompt = trace.prompt_tokens[r];
        q.outputs = options.decode ? std::max<int64_t>(1, trace.output_tokens[r]) : 1;
        q.priority = trace.priority.has(r) ? trace.priority[r] : 0;
        if (!admit(q)) continue;
        prefill(q);
        decode(q);
        sample(q);
        finish(q);
    }
    end_run(trace.requests(), options, result);
    if (options.warmup_requests >= trace.requests()) warmup_ = counts_;
    result.state_bytes = tree_.state_bytes() + paths_.state_bytes();
    result.engine = numbers();
}

bool SglangCache::admit(Request& q) {
    path_.open(paths_, q.id);
    // The last token of a prompt is always computed. A tail that only the output's name covers is not looked up.
    auto pages = static_cast<uint32_t>(std::max<int64_t>(q.prompt - 1, 0) / page_);
    bool names_output = trace_->has_named_output() && trace_->stored_rows[q.id] != kNone;
    if (names_output) pages = std::min(pages, trace_->lookup_blocks(q.id));
    SglangTree::Found hit = tree_.match(path_, pages);
    q.own = hit.pages * page_;
    counts_.prompt_tokens += static_cast<uint64_t>(q.prompt);
    int64_t budget = q.prompt - q.own + std::min(q.outputs, kMostBudgeted) + page_;
    bool room = fits(budget);
    if (room) {
        tree_.lock(hit.node);
        room = fits(budget);
        if (!room) tree_.unlock();
    }
    if (!room) {
        ++counts_.rejected;
        result_->rejected.resize(trace_->requests());
        result_->rejected[q.id] = true;
        return false;
    }
    result_->hit_blocks[q.id] = hit.pages;
    counts_.cached_tokens += static_cast<uint64_t>(q.own);
    if (options_->engine_observer) options_->engine_observer->admitted(q.id, static_cast<uint64_t>(q.own), false);
    return true;
}

// The whole need is evicted, not what is missing of it.
void SglangCache::need(int64_t tokens) {
    if (available() >= tokens) return;
    for (int64_t freed = 0; freed < tokens;) {
        std::optional<SglangNode> gone = tree_.evict();
        if (!gone) return;
        int64_t size = gone->pages() * page_;
        freed += size;
        used_ -= size;
        ++counts_.evicted_nodes;
        result_->total.evicted_blocks += gone->pages();
        result_->total.evicted_tokens += static_cast<uint64_t>(size);
        if (options_->engine_observer)
            options_->engine_observer->evicted(gone->owner, uint64_t{gone->begin} * config_.page,
                                               uint64_t{gone->end} * config_.page, serving_);
    }
}

// Its first `tokens` tokens, as far as they fill pages. Copies of what is there already are freed.
void SglangCache::insert(Request& q, int64_t tokens, bool chunked) {
    auto pages = static_cast<uint32_t>(tokens / page_);
    uint32_t there = tree_.insert(path_, pages, q.priority, chunked).pages;
    int64_t copies = std::max<int64_t>(0, there * page_ - q.own);
    used_ -= copies;
    counts_.duplicate_tokens += static_cast<uint64_t>(copies);
    if (options_->engine_observer && there < pages)
        options_->engine_observer->stored(q.id, uint64_t{there} * config_.page, uint64_t{pages} * config_.page);
}

void SglangCache::publish(Request& q, int64_t tokens, bool chunked) {
    insert(q, tokens, chunked);
    SglangTree::Found end = tree_.match(path_, static_cast<uint32_t>(tokens / page_));
    q.own = end.pages * page_;
    tree_.unlock();
    tree_.lock(end.node);
}

void SglangCache::prefill(Request& q) {
    auto chunk = static_cast<int64_t>(config_.chunk);
    int64_t start = q.own;
    int64_t end = q.prompt;
    if (chunk != 0 && ceil_page(q.prompt - start) > chunk) end = floor_page(start + floor_page(chunk));
    for (;;) {
        need(end - start + (page_ == 1 ? 0 : page_));  // with pages one more is asked for than can be needed
        used_ += ceil_page(end) - ceil_page(start);
        if (end == q.prompt) break;
        publish(q, end, true);
        start = end;
        end = start + std::min(q.prompt - start, chunk);
    }
    q.committed = q.prompt;
}

// Each step asks for room for a page, and takes one where the last is full. So steps within a page are all alike; whole
// pages go in one as long as a page is left after each; and once nothing is left to evict, that stays so.
void SglangCache::decode(Request& q) {
    if (q.outputs == 1) return;
    publish(q, q.prompt, false);
    int64_t left = q.outputs - 1;
    while (left > 0) {
        need(page_);
        bool room = available() >= page_;
        int64_t filled = q.committed % page_;
        int64_t steps = page_ - filled;
        if (filled == 0) steps = std::max<int64_t>(1, std::min(left / page_, available() / page_ - 1) * page_);
        steps = room ? std::min(left, steps) : left;
        int64_t taken = ceil_page(q.committed + steps) - ceil_page(q.committed);
        if (!room) counts_.out_of_room += static_cast<uint64_t>(taken / page_);
        used_ += taken;
        q.committed += steps;
        left -= steps;
    }
}

void SglangCache::finish(Request& q) {
    insert(q, q.committed, false);
    used_ -= ceil_page(q.committed) - floor_page(q.committed);
    tree_.unlock();
}

// All that the request takes and all that others left, before its own last page and copies are given back.
void SglangCache::sample(const Request& q) {
    int64_t holds = ceil_page(q.committed);
    bool counted = q.id >= options_->warmup_requests;
    result_->sampled(q.id, static_cast<uint64_t>(holds / page_), static_cast<uint64_t>(used_ / page_));
    result_->admitted(counted, static_cast<uint64_t>(holds / page_), static_cast<uint64_t>(used_ / page_),
                      static_cast<uint64_t>(used_ - (holds - q.committed)));
    if (!counted) return;
    peak_protected_ = std::max(peak_protected_, static_cast<int64_t>(tree_.locked_pages()) * page_);
    peak_usage_ = std::max(peak_usage_, used_ - evictable_tokens());
}

EngineRun SglangCache::numbers() const {
    EngineRun run;
    auto add = [&](const char* key, const char* what, std::variant<uint64_t, double> value) {
        run.numbers.push_back({key, what, value});
    };
    Tally sum = result_->counted();
    add("prompt_tokens", "tokens of prompts, of rejected requests too", counts_.prompt_tokens - warmup_.prompt_tokens);
    if (!trace_->lengths_only) add("cached_tokens", "hit tokens of admitted requests", counts_.cached_tokens - warmup_.cached_tokens);
    add("rejected_requests", "requests whose budget did not fit", counts_.rejected - warmup_.rejected);
    add("evicted_tokens", "tokens of evicted nodes", sum.evicted_tokens);
    add("evicted_nodes", "nodes of the radix tree that were evicted, each as a whole",
        counts_.evicted_nodes - warmup_.evicted_nodes);
    add("duplicate_tokens", "tokens computed although the tree held them by the time they were inserted; freed then",
        counts_.duplicate_tokens - warmup_.duplicate_tokens);
    add("decode_out_of_room", "pages that decoding took although nothing was left to evict",
        counts_.out_of_room - warmup_.out_of_room);
    if (capacity_ != kNoLimit) {
        auto size = static_cast<double>(std::max<int64_t>(capacity_, 1));
        double samples = static_cast<double>(std::max<uint64_t>(sum.admissions, 1)) * size;
        add("token_usage_peak", "largest (max_total_num_tokens - available_size - evictable_size) / max_total_num_tokens "
                                "at the end of a request's decoding", static_cast<double>(peak_usage_) / size);
        add("token_usage_mean", "mean of the same over admitted requests",
            static_cast<double>(sum.active_blocks) * static_cast<double>(page_) / samples);
        add("max_total_num_tokens", "the capacity in tokens", static_cast<uint64_t>(capacity_));
        add("available_size", "free tokens at the end of the run",
            static_cast<uint64_t>(std::max<int64_t>(0, available())));
    }
    add("evictable_size", "tokens of the tree at the end of the run", static_cast<uint64_t>(evictable_tokens()));
    add("protected_size_peak", "most tokens of the tree locked at the end of a request's decoding",
        static_cast<uint64_t>(peak_protected_));
    add("tree_nodes", "nodes of the radix tree at the end of the run, without its root", tree_.nodes());
    add("tree_leaves", "of these, leaves", tree_.leaves());
    add("tree_splits", "nodes split since the start, the warm-up included", tree_.splits());
    return run;
}

void SglangCache::check_invariants() const {
    tree_.check_invariants();
    if (tree_.locked_pages() != 0) throw_failed("sglang: nodes locked though no request runs");
    if (used_ != static_cast<int64_t>(tree_.pages()) * page_)
        throw_failed("sglang: used tokens are not those of the tree");
}

}  // namespace kvsim
