#include "one_trace.h"
#include "outputs.h"

#include <kvsim/core/error.h>
#include <kvsim/core/parallel.h>
#include <kvsim/core/spec.h>
#include <kvsim/core/units.h>
#include <kvsim/report/curve_report.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <thread>

namespace kvsim::app {

namespace {

double ms_since(std::chrono::steady_clock::time_point start) {
    return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count();
}

class CurveCommand : public Command {
  public:
    explicit CurveCommand(CLI::App& parent)
        : Command(parent, "curve",
                  "hit rate at every capacity: LRU in one exact pass, other strategies at chosen points",
                  "  kvsim curve conversation_trace.jsonl.zst --report curve.json\n"
                  "  kvsim curve log.jsonl --eviction s3_fifo --points 20 --model llama-3.1-8b") {
        one_.add_to(*this);
        const std::string group = "Analysis";
        list("--at", at_, "capacities of the table, in blocks: N or P% (default: 24 of them, log-spaced)", group);
        option("--points", points_,
               "log-spaced capacities: of strategies that are replayed at each (default 40); of LRU's columns (default "
               "all)",
               group, "N");
        option("--tiers", tiers_, "F,S: hits of a fast tier of F blocks in front of a slow one of S (LRU)", group,
               "F,S");
        option("--by", by_, "a curve per group (LRU)", group, "category|session|turn|salt|lora");
        option("--jobs", jobs_, "threads (default: one per core)", group, "N");
        outputs_.add_to(*this);
        run = [this] { return execute(); };
    }

  private:
    int execute() {
        outputs_.open(*this, "curve", {one_.trace_options.path});
        at_ = list_items(at_, "--at");
        uint64_t points = points_.empty() ? 0 : whole_option(points_, "--points", 2, 1u << 24);
        job_count_ = jobs_.empty() ? std::max(1u, std::thread::hardware_concurrency())
                                   : static_cast<unsigned>(whole_option(jobs_, "--jobs", 1, 4096));
        if (!tiers_.empty() && split_spec_list(tiers_).size() != 2)
            throw_input("--tiers " + tiers_ + ": expected two capacities, F,S");
        one_.load(*this, "curve", outputs_.wants_json());
        CurveReport r;
        r.base = one_.report;
        ReplayOutcome unlimited = at_capacity(kUnlimited, false);
        r.base.outcome = &unlimited;
        r.base.config = config();
        uint64_t largest = std::max<uint64_t>(1, unlimited.run.peak_resident_blocks);
        auto start = std::chrono::steady_clock::now();
        make_curve(r, points, largest);
        common.console.explain(r.exact ? "curve: exact, one pass over the trace"
                                       : "curve: " + format_count(r.curve.all.knots.size()) + " capacities replayed with " +
                                             std::to_string(job_count_) + " threads, as " + r.why_not);
        r.curve_ms = ms_since(start);
        start = std::chrono::steady_clock::now();
        add_rows(r, largest);
        r.bounds_ms = ms_since(start);
        add_tiers(r);
        if (outputs_.wants_json()) outputs_.write(curve_json(r));
        outputs_.print(curve_table(r));
        return 0;
    }

    ReplayOutcome at_capacity(uint64_t blocks, bool bounds) const {
        ReplayOptions o = one_.options;
        o.run.capacity_blocks = blocks;
        o.bounds = bounds;
        return replay(one_.trace, o);
    }

    static std::vector<uint64_t> log_spaced(uint64_t n, uint64_t largest) {
        std::vector<uint64_t> out;
        double step = std::log(static_cast<double>(largest)) / static_cast<double>(n - 1);
        for (uint64_t i = 0; i < n; ++i) {
            auto blocks =
                i + 1 == n ? largest : static_cast<uint64_t>(std::llround(std::exp(step * static_cast<double>(i))));
            if (out.empty() || blocks > out.back()) out.push_back(blocks);
        }
        return out;
    }

    // LRU has an exact curve; whatever else is replayed at points.
    void make_curve(CurveReport& r, uint64_t points, uint64_t largest) {
        if (one_.options.cache.eviction == "lru") {
            try {
                CurveOptions o;
                o.accounting = Accounting::parse(one_.options.cache.accounting);
                if (!by_.empty()) o.by = parse_group_by(by_, one_.trace);
                r.curve = lru_curve(one_.trace, one_.options.run, o);
                r.thin_to = points;
                return;
            } catch (const Error& e) {
                if (e.kind() != ErrorKind::input || !by_.empty() || !tiers_.empty()) throw;
                r.why_not = e.what();
            }
        } else {
            r.why_not = one_.options.cache.eviction + " has no curve that one pass gives";
        }
        if (!by_.empty() || !tiers_.empty())
            throw_input(std::string(by_.empty() ? "--tiers" : "--by") + " needs the exact curve: " + r.why_not);
        r.exact = false;
        std::vector<uint64_t> capacities = log_spaced(points == 0 ? 40 : points, largest);
        for (const std::string& item : at_)
            if (uint64_t blocks = one_.capacity(item, "--at"); blocks != kUnlimited) capacities.push_back(blocks);
        std::sort(capacities.begin(), capacities.end());
        capacities.erase(std::unique(capacities.begin(), capacities.end()), capacities.end());
        replay_points(r, capacities);
    }

    void replay_points(CurveReport& r, const std::vector<uint64_t>& capacities) {
        std::vector<CurvePoint> found(capacities.size());
        Progress progress(common.console, "replaying", capacities.size());
        HitCounts hits;
        parallel_for(capacities.size(), job_count_, nullptr, [&](size_t i) {
            ReplayOutcome out = at_capacity(capacities[i], false);
            found[i] = {capacities[i], out.metrics.hits.hit_blocks, out.metrics.hits.hit_tokens};
            if (i == 0) hits = out.metrics.hits;
            progress.done().fetch_add(1);
        });
        r.curve.all.requests = hits.requests;
        r.curve.all.lookup_blocks = hits.lookup_blocks;
        r.curve.all.lookup_tokens = hits.lookup_tokens;
        for (const CurvePoint& p : found) r.curve.all.knots.push_back({p, 0, 0});
    }

    void add_rows(CurveReport& r, uint64_t largest) {
        std::vector<uint64_t> capacities;
        for (const std::string& item : at_) {
            uint64_t blocks = one_.capacity(item, "--at");
            capacities.push_back(blocks == kUnlimited ? largest : blocks);
        }
        if (capacities.empty() && r.exact) capacities = log_spaced(24, largest);
        if (capacities.empty())
            for (const Curve::Knot& k : r.curve.all.knots) capacities.push_back(k.at.blocks);
        r.rows.resize(capacities.size());
        std::optional<OfflineBounds> future;
        Accounting accounting = Accounting::parse(one_.options.cache.accounting);
        if (one_.options.bounds) future.emplace(one_.trace, one_.options.run);
        parallel_for(capacities.size(), job_count_, nullptr, [&](size_t i) {
            CurveRow& row = r.rows[i];
            row.at = r.curve.all.at(capacities[i]);
            row.at.blocks = capacities[i];
            if (future) row.bounds = bounds_at(*future, one_.trace, accounting, capacities[i]);
            bool exact = capacities[i] >= r.curve.exact_from_blocks;
            if (exact && !one_.flops) return;
            ReplayOutcome out = at_capacity(capacities[i], false);
            if (!exact) row.at = {capacities[i], out.metrics.hits.hit_blocks, out.metrics.hits.hit_tokens};
            row.value = out.value;
        });
    }

    void add_tiers(CurveReport& r) {
        if (tiers_.empty()) return;
        std::vector<std::string> parts = split_spec_list(tiers_);
        TierHits t;
        t.fast_blocks = one_.capacity(parts[0], "--tiers");
        t.slow_blocks = one_.capacity(parts[1], "--tiers");
        if (t.fast_blocks == kUnlimited || t.slow_blocks == kUnlimited)
            throw_input("--tiers " + tiers_ + ": expected limited capacities");
        auto at = [&](uint64_t blocks) {
            CurvePoint p = r.curve.all.at(blocks);
            p.blocks = blocks;
            return p;
        };
        t.fast = at(t.fast_blocks);
        t.inclusive = at(std::max(t.fast_blocks, t.slow_blocks));
        t.exclusive = at(t.fast_blocks + t.slow_blocks);
        r.tiers = t;
    }

    ConfigEntries config() const {
        ConfigEntries c = one_.resolved();
        if (!at_.empty()) c.emplace_back("at", at_);
        if (!points_.empty()) c.emplace_back("points", points_);
        if (!tiers_.empty()) c.emplace_back("tiers", tiers_);
        if (!by_.empty()) c.emplace_back("by", by_);
        return c;
    }

    OneTrace one_;
    Outputs outputs_;
    std::vector<std::string> at_;
    std::string points_, tiers_, by_, jobs_;
    unsigned job_count_ = 1;
};

}  // namespace

std::unique_ptr<Command> curve_command(CLI::App& parent) { return std::make_unique<CurveCommand>(parent); }

}  // namespace kvsim::app
