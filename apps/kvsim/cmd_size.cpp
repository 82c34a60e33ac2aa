#include "one_trace.h"
#include "outputs.h"

#include <kvsim/core/error.h>
#include <kvsim/core/spec.h>
#include <kvsim/core/suggest.h>
#include <kvsim/core/units.h>
#include <kvsim/report/curve_report.h>

#include <chrono>
#include <cmath>
#include <cstdio>

namespace kvsim::app {

namespace {

class SizeCommand : public Command {
  public:
    explicit SizeCommand(CLI::App& parent)
        : Command(parent, "size", "the smallest capacity that reaches a hit rate, checked by a replay",
                  "  kvsim size conversation_trace.jsonl.zst --goal ceiling=0.9 --model llama-3.1-8b\n"
                  "  kvsim size log.jsonl --goal token_hit_rate=0.3 --concurrency 16 --model qwen3-8b --kv-dtype "
                  "fp8_e4m3") {
        one_.add_to(*this);
        option("--goal", goal_,
               "token_hit_rate=R, block_hit_rate=R, or ceiling=S: a share of the most hit tokens any cache could have",
               "Analysis", "KEY=V");
        outputs_.add_to(*this);
        run = [this] { return execute(); };
    }

  private:
    int execute() {
        outputs_.open(*this, "size", {one_.trace_options.path});
        SizeReport r;
        parse_goal(r);
        one_.load(*this, "size to look for", outputs_.wants_json());
        auto start = std::chrono::steady_clock::now();
        ReplayOutcome unlimited = at_capacity(kUnlimited);
        uint64_t goal = needed_hits(r, unlimited);
        r.peak_active_blocks = unlimited.run.peak_active_blocks;
        r.needed_blocks = smallest(r, goal, unlimited, 0);
        common.console.explain(r.searched ? "search: by halving, a replay at each capacity tried" : "search: on the exact curve, one pass over the trace");
        uint64_t blocks = std::max(r.needed_blocks, r.peak_active_blocks);
        // Without a curve more blocks may hit less.
        if (blocks > r.needed_blocks && r.searched && hits_of(r, at_capacity(blocks)) < goal)
            blocks = smallest(r, goal, unlimited, blocks);
        r.curve_ms = std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count();
        one_.options.run.capacity_blocks = blocks;
        ReplayOptions options = one_.options;
        ReplayOutcome outcome = replay(one_.trace, options);
        if (hits_of(r, outcome) < goal)
            throw_failed("size: the replay at " + std::to_string(blocks) +
                         " blocks misses the goal that was found there");
        r.base = one_.report;
        r.base.options = &options;
        r.base.outcome = &outcome;
        r.base.config = one_.resolved();
        r.base.config.emplace_back("goal", goal_);
        if (one_.report.memory)
            r.bytes.push_back({one_.report.memory->model, one_.model.kv_dtype, one_.report.memory->bytes_per_block});
        if (outputs_.wants_json()) outputs_.write(size_json(r));
        outputs_.print(size_table(r, outputs_.colored()));
        return 0;
    }

    void parse_goal(SizeReport& r) const {
        if (goal_.empty()) throw_input("expected --goal, for example --goal ceiling=0.9");
        size_t equals = goal_.find('=');
        r.goal = goal_.substr(0, equals);
        static const std::vector<std::string> known = {"token_hit_rate", "block_hit_rate", "ceiling"};
        if (std::find(known.begin(), known.end(), r.goal) == known.end())
            throw_input("--goal " + goal_ + ": expected one of " + join(known) + did_you_mean(r.goal, known));
        if (equals == std::string::npos || !parse_number(goal_.substr(equals + 1), r.value) || r.value <= 0 ||
            r.value > 1)
            throw_input("--goal " + goal_ + ": expected a number above 0 and at most 1");
    }

    ReplayOutcome at_capacity(uint64_t blocks) const {
        ReplayOptions o = one_.options;
        o.run.capacity_blocks = blocks;
        o.bounds = false;
        return replay(one_.trace, o);
    }

    static uint64_t hits_of(const SizeReport& r, const ReplayOutcome& out) {
        return r.goal == "block_hit_rate" ? out.metrics.hits.hit_blocks : out.metrics.hits.hit_tokens;
    }

    /// Hits, in blocks or tokens, that the goal stands for. Throws Error(input) where nothing reaches it.
    static uint64_t needed_hits(const SizeReport& r, const ReplayOutcome& unlimited) {
        const HitCounts& h = unlimited.metrics.hits;
        uint64_t most = hits_of(r, unlimited);
        uint64_t whole = r.goal == "ceiling" ? most : r.goal == "block_hit_rate" ? h.lookup_blocks : h.lookup_tokens;
        if (most == 0) throw_input("no capacity hits anything: nothing in the trace repeats");
        // Where a double makes 7.000000000000001 of 0.07 x 100, 7 will do: 7 / 100 is 0.07.
        auto goal = static_cast<uint64_t>(std::ceil(r.value * static_cast<double>(whole)));
        while (goal > 1 && static_cast<double>(goal - 1) / static_cast<double>(whole) >= r.value) --goal;
        if (goal > most)
            throw_input("--goal " + r.goal + ": no capacity reaches it; with nothing ever evicted it is " +
                        format_percent(static_cast<double>(most) / static_cast<double>(whole)));
        return std::max<uint64_t>(goal, 1);
    }

    /// Above `low`, which does not reach the goal.
    uint64_t smallest(SizeReport& r, uint64_t goal, const ReplayOutcome& unlimited, uint64_t low) {
        auto reaches = [&](const CurvePoint& p) {
            return (r.goal == "block_hit_rate" ? p.hit_blocks : p.hit_tokens) >= goal;
        };
        uint64_t high = std::max<uint64_t>(1, unlimited.run.peak_resident_blocks);
        std::optional<LruCurve> curve;
        if (one_.options.cache.eviction == "lru") {
            try {
                CurveOptions o;
                o.accounting = Accounting::parse(one_.options.cache.accounting);
                curve = lru_curve(one_.trace, one_.options.run, o);
            } catch (const Error& e) {
                if (e.kind() != ErrorKind::input) throw;
            }
        }
        r.searched = !curve || curve->exact_from_blocks > 1;
        auto at = [&](uint64_t blocks) {
            if (curve && blocks >= curve->exact_from_blocks) return curve->all.at(blocks);
            ReplayOutcome out = at_capacity(blocks);
            return CurvePoint{blocks, out.metrics.hits.hit_blocks, out.metrics.hits.hit_tokens};
        };
        // `high` does
        while (high - low > 1) {
            uint64_t middle = low + (high - low) / 2;
            (reaches(at(middle)) ? high : low) = middle;
        }
        if (curve && high > curve->exact_from_blocks) r.searched = false;
        return high;
    }

    OneTrace one_;
    Outputs outputs_;
    std::string goal_;
};

}  // namespace

std::unique_ptr<Command> size_command(CLI::App& parent) { return std::make_unique<SizeCommand>(parent); }

}  // namespace kvsim::app
