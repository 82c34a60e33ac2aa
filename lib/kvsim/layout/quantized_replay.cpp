#include <kvsim/core/error.h>
#include <kvsim/layout/quantized_replay.h>

#include <algorithm>

namespace kvsim {

void QuantizedReplay::run(const Trace& trace, const RunOptions& options, RunResult& result) {
    trace_ = &trace;
    options_ = options;
    result_ = &result;
    block_size_ = trace.block_size;
    sequences_.resize(trace.requests());
    for (uint32_t r = 0; r < trace.requests(); ++r) {
        budgets_.push_back(budget_of_(length(r)));
    }
    if (trace.events.empty()) {
        serve_requests();
    } else {
        serve_events();
    }
    end_run(trace.requests(), options, result);
    result.state_bytes = sequences_.size() * sizeof(Sequence) + budgets_.size() * sizeof(uint64_t);
}

uint64_t QuantizedReplay::length(uint32_t r) const {
    return uint64_t{trace_->prompt_tokens[r]} + (options_.decode ? trace_->output_tokens[r] : 0);
}

void QuantizedReplay::note_peak() {
    if (!counted()) return;
    result_->peak_active_blocks = std::max(result_->peak_active_blocks, used_blocks_);
    result_->peak_resident_blocks = result_->peak_active_blocks;
}

// More tokens for a sequence; what is beyond its budget leaves. False, and nothing is changed, where there is no room.
bool QuantizedReplay::grow(uint32_t id, uint64_t tokens) {
    Sequence& s = sequences_[id];
    uint64_t kept = std::min(s.kept + tokens, budgets_[id]);
    uint64_t more = s.samples * (blocks_of(kept) - blocks_of(s.kept));
    if (options_.capacity_blocks != kUnlimited && more > options_.capacity_blocks - used_blocks_) return false;
    used_blocks_ += more;
    kept_tokens_ += s.samples * (kept - s.kept);
    result_->total.evicted_tokens += s.samples * (s.kept + tokens - kept);
    s.tokens += tokens;
    s.kept = kept;
    s.alive = true;
    note_peak();
    return true;
}

void QuantizedReplay::release(uint32_t id) {
    Sequence& s = sequences_[id];
    used_blocks_ -= s.samples * blocks_of(s.kept);
    kept_tokens_ -= s.samples * s.kept;
    if (trace_->events.empty()) running_.erase(s.admitted);
    s = {};
}

void QuantizedReplay::reject(uint32_t id) {
    if (sequences_[id].alive) release(id);
    result_->rejected.resize(trace_->requests());
    result_->rejected[id] = true;
}

void QuantizedReplay::serve_requests() {
    for (uint32_t r = 0; r < trace_->requests(); ++r) {
        begin_request(request_ = r, options_, *result_);
        if (options_.concurrency == kByTrace) {
            while (!ends_.empty() && ends_.begin()->first <= trace_->arrival_s[r]) {
                uint32_t ended = ends_.begin()->second;
                ends_.erase(ends_.begin());
                if (sequences_[ended].alive) release(ended);
            }
        } else {
            while (running_.size() >= options_.concurrency) release(running_.begin()->second);
        }
        uint64_t samples = trace_->samples.has(r) ? static_cast<uint64_t>(trace_->samples[r]) : 1;
        uint64_t need = blocks_of(std::min(length(r), budgets_[r]));
        if (need > options_.capacity_blocks / samples) {
            reject(r);
            continue;
        }
        sequences_[r].samples = samples;
        bool waited = false;
        while (!grow(r, length(r))) {
            waited = true;
            release(running_.begin()->second);
        }
        result_->total.waited += waited;
        result_->total.forks += samples - 1;
        result_->total.copied_tokens += (samples - 1) * std::min<uint64_t>(trace_->prompt_tokens[r], budgets_[r]);
        sequences_[r].admitted = admissions_;
        running_.emplace(admissions_++, r);
        if (options_.concurrency == kByTrace) ends_.insert({trace_->end_s[r], r});
        result_->sampled(r, used_blocks_, used_blocks_);
        result_->admitted(counted(), used_blocks_, used_blocks_, kept_tokens_);
    }
}

void QuantizedReplay::serve_events() {
    for (const Event& e : trace_->events) {
        bool begins = e.kind == EventKind::prompt || e.kind == EventKind::fork;
        if (begins) begin_request(request_ = e.sequence, options_, *result_);
        serve(e);
    }
}

void QuantizedReplay::serve(const Event& e) {
    if (result_->is_rejected(e.sequence)) return;
    bool fits = true;
    switch (e.kind) {
        case EventKind::prompt: fits = grow(e.sequence, e.tokens); break;
        case EventKind::decode: fits = !options_.decode || grow(e.sequence, e.tokens); break;
        case EventKind::fork:
            if (result_->is_rejected(e.other)) return reject(e.sequence);
            fits = grow(e.sequence, sequences_[e.other].kept);
            if (fits) {
                sequences_[e.sequence].tokens = sequences_[e.other].tokens;
                ++result_->total.forks;
                result_->total.copied_tokens += sequences_[e.sequence].kept;
            }
            break;
        case EventKind::free:
            if (sequences_[e.sequence].alive) release(e.sequence);
            return;
    }
    if (!fits) return reject(e.sequence);
    if (e.kind == EventKind::decode) return;
    result_->sampled(e.sequence, used_blocks_, used_blocks_);
    result_->admitted(counted(), used_blocks_, used_blocks_, kept_tokens_);
}

void QuantizedReplay::check_invariants() const {
    uint64_t used = 0, kept = 0;
    for (const Sequence& s : sequences_) {
        if (!s.alive) continue;
        used += s.samples * blocks_of(s.kept);
        kept += s.samples * s.kept;
        if (s.kept > s.tokens) throw_failed("quantized: a sequence keeps more than it has");
    }
    if (used != used_blocks_ || kept != kept_tokens_) throw_failed("quantized: blocks or tokens do not add up");
    if (options_.capacity_blocks != kUnlimited && used > options_.capacity_blocks)
        throw_failed("quantized: more blocks than the capacity has");
}

}  // namespace kvsim
