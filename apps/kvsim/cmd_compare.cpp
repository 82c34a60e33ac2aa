#include "compare_axes.h"
#include "outputs.h"

#include <kvsim/core/error.h>
#include <kvsim/core/suggest.h>
#include <kvsim/core/units.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <map>
#include <optional>
#include <thread>

namespace kvsim::app {

namespace {

class CompareCommand : public Command {
  public:
    explicit CompareCommand(CLI::App& parent)
        : Command(
              parent, "compare", "many configurations side by side: strategies, engines, capacities, traces, layouts",
              "  kvsim compare conversation_trace.jsonl.zst --eviction lru,s3_fifo,sieve --blocks 1000,10000\n"
              "  kvsim compare a.jsonl b.jsonl --accounting pinned,tree --memory 40GiB,80GiB --model llama-3.1-8b\n"
              "  kvsim compare a.jsonl --engine vllm,vllm_classic,sglang --memory 40GiB --model llama-3.1-8b") {
        axes_.add_to(*this);
        const std::string group = "Analysis";
        option("--bounds", bounds_, "all (default) or none: offline bounds and explained misses", group, "all|none");
        option("--versus", axes_.versus, "strategy or engine that the others are compared with (default: lru; the first engine where only engines hit)",
               group, "ID");
        option("--bootstrap-block", bootstrap_block_,
               "requests that stay together in a draw of the bootstrap; 0: no confidence intervals", group, "N");
        option("--blame", blame_, "the N prefixes, sessions and categories that lost most to each strategy", group,
               "N");
        axes_.add_seeds_to(*this, group);
        series_.add_to(*this);
        option("--jobs", jobs_, "threads (default: one per core)", group, "N");
        flag("--verify", axes_.verify, "check every invariant of every cell", group);
        outputs_.add_to(*this);
        run = [this] { return execute(); };
    }

  private:
    int execute() {
        auto start = std::chrono::steady_clock::now();
        check_given();
        refuse_reports(axes_.inputs());
        outputs_.open(*this, "compare", axes_.inputs());
        CompareReport report;
        axes_.make_cells(common.console, outputs_.wants_json(), report);
        bool any = std::any_of(report.cells.begin(), report.cells.end(),
                               [](const CompareCell& c) { return c.spec.skip.empty(); });
        if (!any) throw_input(report.cells.front().spec.skip);
        explain_cells(report);
        stop_on_interrupt(stop_);
        simulate(report);
        explain_skipped(report);
        report.interrupted = stop_;
        if (!report.interrupted) refuse_if_all_skipped(report);
        find_knees(report);
        mark_pareto(report);
        compare_with(report, axes_.versus, block_requests_, axes_.first_seed);
        report.config = resolved();
        report.wall_ms = std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count();
        if (outputs_.wants_json()) outputs_.write(compare_json(report));
        outputs_.print(compare_table(report));
        if (report.interrupted) common.console.say("interrupted: what was finished is there");
        return report.interrupted ? kExitInterrupted : 0;
    }

    void explain_cells(const CompareReport& report) const {
        if (!common.console.explains()) return;
        std::vector<CellSpec> specs;
        for (const CompareCell& c : report.cells) specs.push_back(c.spec);
        size_t runs = count_runs(specs);
        std::string shared = runs == specs.size() ? "" : "; cells that only model or dtype tell apart share one";
        common.console.explain(format_count(specs.size()) + " cells, " + format_count(runs) + " runs with " + std::to_string(job_count_) +
                               " threads" + shared);
    }

    // The table says where cells are missing; here is why.
    void explain_skipped(const CompareReport& report) const {
        std::map<std::string, size_t> reasons;
        for (const CompareCell& c : report.cells)
            if (c.result.status == CellStatus::skipped) ++reasons[c.result.reason];
        for (const auto& [reason, count] : reasons)
            common.console.explain("skipped: " + format_count(count) + (count == 1 ? " cell: " : " cells: ") + reason);
    }

    void check_given() {
        if (bounds_ != "all" && bounds_ != "none") throw_input("--bounds " + bounds_ + ": expected all or none" + did_you_mean(bounds_, {"all", "none"}));
        axes_.bounds = bounds_ == "all";
        axes_.timeline = series_.points(false);  // they more than double the time: only where they are asked for
        block_requests_ = static_cast<uint32_t>(whole_option(bootstrap_block_, "--bootstrap-block", 0, 1u << 30));
        axes_.needs_versus = block_requests_ > 0;
        axes_.blame = whole_option(blame_, "--blame", 0, 1u << 20);
        if (axes_.blame > 0 && !axes_.bounds)
            throw_input("--blame has no effect with --bounds none: regret is told by a bound");
        unsigned cores = std::max(1u, std::thread::hardware_concurrency());
        job_count_ = jobs_.empty() ? cores : static_cast<unsigned>(whole_option(jobs_, "--jobs", 1, 4096));
        axes_.check();
    }

    void simulate(CompareReport& report) {
        std::vector<CellSpec> specs;
        for (const CompareCell& c : report.cells) specs.push_back(c.spec);
        Progress progress(common.console, "comparing", specs.size());
        CompareOptions options;
        options.jobs = job_count_;
        options.columns = block_requests_ > 0;
        options.blame = axes_.blame;
        options.stop = &stop_;
        options.done = &progress.done();
        std::vector<CellResult> results = run_cells(specs, options);
        for (size_t i = 0; i < results.size(); ++i) report.cells[i].result = std::move(results[i]);
        for (const CompareCell& c : report.cells) {
            ReplayReport& t = report.traces[c.table];
            if (t.outcome || c.result.status != CellStatus::ok) continue;
            const Trace* of_table = t.trace;
            t = cell_report(c);
            if (!c.engine.empty()) t.trace = of_table;  // the engine's may be in other blocks
        }
        // A table without a finished cell still has its trace.
        static const ReplayOutcome none;
        for (ReplayReport& t : report.traces)
            if (!t.outcome) t.outcome = &none;
    }

    static void refuse_if_all_skipped(const CompareReport& report) {
        for (const CompareCell& c : report.cells)
            if (c.result.status != CellStatus::skipped) return;
        throw_input(report.cells.front().result.reason);
    }

    ConfigEntries resolved() const {
        ConfigEntries c;
        axes_.resolved(c);
        c.emplace_back("bounds", bounds_);
        c.emplace_back("versus", axes_.versus);
        c.emplace_back("bootstrap_block", uint64_t{block_requests_});
        c.emplace_back("blame", uint64_t{axes_.blame});
        if (axes_.timeline != 0) c.emplace_back("timeline", axes_.timeline);
        return c;
    }

    CompareAxes axes_;
    SeriesOptions series_;
    Outputs outputs_;
    std::string bounds_ = "all", bootstrap_block_ = "200", blame_ = "0", jobs_;
    uint32_t block_requests_ = 200;
    unsigned job_count_ = 1;
    std::atomic<bool> stop_{false};  // lives as long as signals can come
};

}  // namespace

std::unique_ptr<Command> compare_command(CLI::App& parent) { return std::make_unique<CompareCommand>(parent); }

}  // namespace kvsim::app
