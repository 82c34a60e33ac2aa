#include <kvsim/core/error.h>
#include <kvsim/core/spec.h>
#include <kvsim/core/suggest.h>
#include <kvsim/core/units.h>
#include <kvsim/sim/explain.h>

#include <algorithm>

namespace kvsim {

const char* id_of(MissCause cause) {
    static constexpr const char* ids[] = {"rejected", "caching_off", "last_token", "not_full", "never_seen", "shorter_than_block",
                                          "evicted",  "not_stored_yet", "scope", "window", "unnamed"};
    return ids[static_cast<size_t>(cause)];
}

uint32_t find_request(const Trace& trace, const std::string& text) {
    uint64_t rank = 0;
    if (parse_whole(text, rank) && rank < trace.requests()) return static_cast<uint32_t>(rank);
    for (uint32_t r = 0; r < trace.requests(); ++r)
        if (trace.sequence_name(r) == text) return r;
    throw_input("--explain " + text + ": expected first-difference, the name of a sequence, or a request from 0 to " +
                std::to_string(trace.requests() - 1) + did_you_mean(text, {"first-difference"}));
}

namespace {

/// What became of the blocks of one request's chain before it was looked up.
class Watcher final : public EngineObserver {
  public:
    struct History {
        uint32_t copies = 0, stored_by = kNone, evicted_for = kNone;
    };
    Watcher(const ExplainInput& in, uint32_t request)
        : in_(in), request_(request), row_(in.trace.lookup_row(request)), history(in.trace.chains[row_].length),
          before(in.trace.requests()) {}

    void stored(uint32_t owner, uint64_t begin, uint64_t end) override {
        each(owner, begin, end, [&](History& h) {
            ++h.copies;
            h.stored_by = owner;
        });
    }
    void evicted(uint32_t owner, uint64_t begin, uint64_t end, uint32_t by) override {
        if (by == request_) return;  // room for what missed already
        each(owner, begin, end, [&](History& h) {
            h.copies -= h.copies > 0;
            h.evicted_for = by;
        });
    }
    void admitted(uint32_t request, uint64_t, bool) override {
        looked_up_ = looked_up_ || request == request_;
        if (!looked_up_) before[request] = true;
    }

  private:
    template <class F>
    void each(uint32_t owner, uint64_t begin, uint64_t end, F&& f) {
        if (looked_up_ || owner == request_) return;
        uint32_t row = in_.trace.stored_row(owner, in_.run.decode), size = in_.trace.block_size;
        uint64_t common = row == row_ ? history.size() : in_.trace.chains.common_prefix(row, row_);
        for (uint64_t k = begin / size; k < std::min<uint64_t>(end / size, common); ++k) f(history[k]);
    }

    const ExplainInput& in_;
    uint32_t request_, row_;
    bool looked_up_ = false;

  public:
    std::vector<History> history;
    std::vector<bool> before;  ///< requests that were admitted before it
};

class Explainer {
  public:
    Explainer(const ExplainInput& in, uint32_t request) : in_(in), r_(request), watcher_(in, request) {}

    Explanation explain() {
        RunOptions run = in_.run;
        run.engine_observer = &watcher_;
        run.progress = nullptr;
        RunResult& result = result_;
        cache_row(in_.cache).make(in_.cache, in_.trace, run, RunPath::fastest)->run(in_.trace, run, result);
        e_.request = r_;
        e_.prompt_tokens = in_.trace.prompt_tokens[r_];
        e_.missed_block = result.hit_blocks[r_];
        e_.missed_token = e_.hit_tokens = e_.missed_block * in_.trace.block_size;
        if (in_.trace.cached_tokens.has(r_)) e_.cached_tokens = in_.trace.cached_tokens[r_];
        e_.text = reason(result.is_rejected(r_));
        if (e_.cached_tokens && *e_.cached_tokens != e_.hit_tokens) e_.difference = difference();
        return e_;
    }

  private:
    struct Shared {
        uint32_t request = kNone;
        uint64_t tokens = 0;
    };
    std::string name(uint32_t r) const { return "request " + std::to_string(r) + " (" + in_.trace.sequence_name(r) + ")"; }
    static std::string tokens(uint64_t n) { return format_count(n) + (n == 1 ? " token" : " tokens"); }
    std::string block(uint64_t k) const {
        uint64_t begin = k * in_.trace.block_size;
        if (in_.trace.block_size == 1) return "token " + std::to_string(k);
        return "block " + std::to_string(k) + " (tokens " + std::to_string(begin) + " to " +
               std::to_string(begin + in_.trace.block_size - 1) + ")";
    }
    std::string because(MissCause cause, std::string text) {
        e_.cause = cause;
        return text;
    }

    /// Who comes before and shares most, the first of equals. `stored`: of those that got room.
    Shared nearest(const Trace& t, bool stored) const {
        Shared best;
        for (uint32_t q = 0; q < t.requests(); ++q) {
            bool came = watcher_.before[q] || (!stored && q < r_ && result_.is_rejected(q));
            if (!came) continue;
            uint64_t common = std::min<uint64_t>(t.chains.common_prefix(t.stored_row(q, in_.run.decode), t.lookup_row(r_)),
                                                 e_.prompt_tokens);
            if (common > best.tokens) best = {q, common};
        }
        return best;
    }

    std::string reason(bool rejected) {
        uint64_t size = in_.trace.block_size, k = e_.missed_block, end = (k + 1) * size;
        if (rejected)
            return because(MissCause::rejected, "it never got room: " + tokens(e_.prompt_tokens) + " of prompt and " +
                                                    tokens(in_.run.decode ? in_.trace.output_tokens[r_] : 1) +
                                                    " of output to come, a capacity of " + tokens(in_.run.capacity_blocks * size));
        Spec engine = Spec::parse(in_.cache.engine);
        if (engine.has("caching") && !engine.on_off("caching", true))
            return because(MissCause::caching_off, "caching is off: nothing is looked up");
        if (end > e_.prompt_tokens) {
            uint64_t left = e_.prompt_tokens - e_.hit_tokens;
            if (left == 0) return because(MissCause::last_token, "every token was hit");
            return because(MissCause::not_full, (e_.hit_tokens == 0 ? "the prompt" : "all full blocks were hit, and what is left") +
                                                    std::string(" has ") + tokens(left) + ", fewer than a block of " + std::to_string(size));
        }
        if (k >= watcher_.history.size())
            return because(MissCause::unnamed, "the trace does not name " + block(k) + ": nothing can match it");
        const Watcher::History& h = watcher_.history[k];
        if (end == e_.prompt_tokens && h.copies > 0) {
            e_.other = h.stored_by;
            return because(MissCause::last_token, block(k) + " was there, stored by " + name(h.stored_by) +
                                                      ", but holds the prompt's last token, which is always computed");
        }
        if (h.copies > 0) {
            e_.other = h.stored_by;
            return because(MissCause::window, block(k) + " was there, stored by " + name(h.stored_by) +
                                                  ", but not for every group of layers: a hit needs the last blocks of each window too");
        }
        if (h.evicted_for != kNone) {
            e_.other = h.evicted_for;
            return because(MissCause::evicted, block(k) + " was stored by " + name(h.stored_by) + " and evicted to make room for " + name(h.evicted_for));
        }
        return never_stored(k, end);
    }

    std::string never_stored(uint64_t k, uint64_t end) {
        Shared near = nearest(in_.tokens, false);
        if (in_.unscoped && near.tokens < end) {
            Shared other = nearest(*in_.unscoped, true);
            if (other.tokens >= end) {
                e_.other = other.request;
                return because(MissCause::scope, "the same tokens of " + block(k) + " were in " + name(other.request) +
                                                     ", which has another salt or adapter");
            }
        }
        if (near.tokens <= e_.missed_token)
            return because(MissCause::never_seen, block(k) + " was never seen before" +
                                                      (near.tokens == 0 ? std::string(": no earlier request begins with the same token")
                                                                        : ": no earlier request shares more than " + tokens(near.tokens)));
        e_.other = near.request;
        if (near.tokens < end)
            return because(MissCause::shorter_than_block,
                           name(near.request) + " shares " + tokens(near.tokens) + ", but a hit takes whole blocks of " +
                               std::to_string(in_.trace.block_size) + ": " + block(k) + " differs at token " + std::to_string(near.tokens));
        uint64_t held = in_.tokens.prompt_tokens[near.request] + uint64_t{in_.run.decode ? std::max(1u, in_.tokens.output_tokens[near.request]) : 1u} - 1;
        const char* why = result_.is_rejected(near.request) ? "it was rejected"
                          : end > held                      ? "its last output token, which is never stored, stands there"
                                                            : "it had not computed them yet, or lost them before they filled a block";
        return because(MissCause::not_stored_yet, name(near.request) + " has the same tokens of " + block(k) + ", but had not stored them: " + why);
    }

    std::string difference() const {
        uint64_t reported = *e_.cached_tokens, size = in_.trace.block_size;
        std::string text = "the trace reports " + tokens(reported) + ", the rules say " + std::to_string(e_.hit_tokens) + ": ";
        if (reported > e_.hit_tokens) return text + "the engine still had what the rules miss";
        uint64_t k = reported / size;
        Watcher::History h;
        if (k < watcher_.history.size()) h = watcher_.history[k];
        text += "the engine missed " + block(k);
        if (reported % size != 0) text += " (" + std::to_string(reported) + " is no multiple of " + std::to_string(size) + ")";
        return text + (h.stored_by == kNone ? "" : ", which " + name(h.stored_by) + " had stored");
    }

    const ExplainInput& in_;
    uint32_t r_;
    Watcher watcher_;
    RunResult result_;
    Explanation e_;
};

}  // namespace

Explanation explain_request(const ExplainInput& input, uint32_t request) { return Explainer(input, request).explain(); }

}  // namespace kvsim
