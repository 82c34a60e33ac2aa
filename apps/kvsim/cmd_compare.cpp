#include "options.h"

#include <kvsim/core/error.h>
#include <kvsim/core/spec.h>
#include <kvsim/core/units.h>
#include <kvsim/eviction/sequence_policy.h>
#include <kvsim/layout/layouts.h>
#include <kvsim/layout/prefix.h>
#include <kvsim/report/compare_report.h>

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <thread>

namespace kvsim::app {

namespace {

std::vector<std::string> items(const std::vector<std::string>& given) {
    std::vector<std::string> out;
    for (const std::string& text : given)
        for (const std::string& item : split_spec_list(text)) out.push_back(item);
    return out;
}

uint64_t whole(const std::string& text, const std::string& option, uint64_t low, uint64_t high) {
    uint64_t value = 0;
    if (!parse_whole(text, value) || value < low || value > high)
        throw_input(option + " " + text + ": expected a whole number from " + std::to_string(low) + " to " + std::to_string(high));
    return value;
}

/// One trace in one block size, as a group of layouts sees it.
struct Variant {
    std::unique_ptr<Trace> trace;
    std::unique_ptr<Trace> in_blocks;  ///< --match token: before it was cut into single tokens
    uint32_t asked_block_size = 0;  ///< --match token: capacities are counted in blocks of it
    std::string skip;               ///< why there is none
};

class CompareCommand : public Command {
  public:
    explicit CompareCommand(CLI::App& parent)
        : Command(parent, "compare", "many configurations side by side: strategies, capacities, traces, layouts",
                  "  kvsim compare conversation_trace.jsonl.zst --eviction lru,s3_fifo,sieve --blocks 1000,10000\n"
                  "  kvsim compare a.jsonl b.jsonl --accounting pinned,tree --memory 40GiB,80GiB --model llama-3.1-8b") {
        positionals("trace", paths_, "traces: files (plain, .zst or .gz), directories of shards, or - for standard input");
        trace_.add_options_to(*this);
        list("--block-size", block_sizes_, "re-block to N tokens per block (default: the trace's own, else 16)", "Trace");
        option("--warmup", warmup_, "requests replayed first but not counted: N or P% (rounded down)", "Trace", "N|P%");
        const std::string capacity = "Capacity (one of; default 1%,5%,10%,25%,50% of each trace's unique blocks)";
        list("--blocks", blocks_, "blocks: N, P% of the trace's unique blocks, or unlimited", capacity);
        list("--tokens", tokens_, "tokens, as engines log them: floor(N / block size) blocks", capacity);
        list("--memory", memory_, "KV bytes of one replica after weights; needs --model", capacity);
        list("--layout", layouts_, "cache layouts (default prefix)", "Cache");
        list("--eviction", evictions_, "eviction strategies (default: every strategy of the layout)", "Cache");
        list("--accounting", accountings_, "prefix: pinned (default), flat, tree", "Cache");
        cache_.add_rules_to(*this);
        list("--model", models_, "presets of `kvsim list models`, or Hugging Face config.json files", "Model");
        list("--kv-dtype", kv_dtypes_, "types of keys and values (default: the model's)", "Model");
        option("--tp", model_.tp, "tensor-parallel ranks of the replica (default 1); bytes are summed over them", "Model", "N");
        option("--gpu", model_.gpu, "say what hits save on this GPU, see `kvsim list gpus`", "Model", "ID");
        work_.add_to(*this);
        add_analysis();
        run = [this] { return execute(); };
    }

  private:
    void add_analysis() {
        const std::string group = "Analysis";
        option("--bounds", bounds_, "all (default) or none: offline bounds and explained misses", group, "all|none");
        option("--versus", versus_, "strategy that the others are compared with", group, "ID");
        option("--bootstrap-block", bootstrap_block_,
               "requests that stay together in a draw of the bootstrap; 0: no confidence intervals", group, "N");
        option("--blame", blame_, "the N prefixes, sessions and categories that lost most to each strategy", group, "N");
        option("--seeds", seeds_, "seeds of strategies that draw random numbers: median and range are shown", group, "N");
        option("--seed", seed_, "first of these seeds, and that of the bootstrap", group, "N");
        option("--jobs", jobs_, "threads (default: one per core)", group, "N");
        flag("--verify", verify_, "check every invariant of every cell", group);
    }

    int execute() {
        auto start = std::chrono::steady_clock::now();
        check_given();
        std::optional<OutputFile> file;
        if (!common.report.empty()) file.emplace(common.report);
        CompareReport report;
        load_all(report);
        for (size_t path = 0; path < paths_.size(); ++path) add_cells(path, report);
        bool any = std::any_of(report.cells.begin(), report.cells.end(), [](const CompareCell& c) { return c.spec.skip.empty(); });
        if (!any) throw_input(report.cells.front().spec.skip);
        std::atomic<bool> stop{false};
        stop_on_interrupt(stop);
        simulate(report, stop);
        compare_with_baseline(report);
        report.interrupted = stop;
        report.config = resolved();
        report.wall_ms = std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count();
        write(report, file);
        return report.interrupted ? kExitInterrupted : 0;
    }

    void check_given() {
        layouts_ = items(layouts_);
        if (layouts_.empty()) layouts_ = {"prefix"};
        for (const std::string& id : layouts_) layouts().get(id);
        evictions_ = items(evictions_);
        accountings_ = items(accountings_);
        for (const std::string& a : accountings_) Accounting::parse(a);
        models_ = items(models_);
        kv_dtypes_ = items(kv_dtypes_);
        block_sizes_ = items(block_sizes_);
        for (const std::string& b : block_sizes_) whole(b, "--block-size", 1, kMaxBlockSize);
        if (int(!blocks_.empty()) + int(!tokens_.empty()) + int(!memory_.empty()) > 1)
            throw_input("--blocks, --tokens and --memory exclude each other; give one of them");
        if (!memory_.empty() && models_.empty()) throw_input("--memory needs --model");
        if (models_.empty() && !kv_dtypes_.empty()) throw_input("--kv-dtype has no effect without --model");
        if (bounds_ != "all" && bounds_ != "none") throw_input("--bounds " + bounds_ + ": expected all or none");
        work_.resolve(run_);
        seeds_of_ = whole(seeds_, "--seeds", 1, 1000);
        first_seed_ = whole(seed_, "--seed", 0, ~uint64_t{0} / 2);
        block_requests_ = static_cast<uint32_t>(whole(bootstrap_block_, "--bootstrap-block", 0, 1u << 30));
        blame_count_ = whole(blame_, "--blame", 0, 1u << 20);
        unsigned cores = std::max(1u, std::thread::hardware_concurrency());
        job_count_ = jobs_.empty() ? cores : static_cast<unsigned>(whole(jobs_, "--jobs", 1, 4096));
        std::string inputs;
        for (const std::string& path : paths_) check_outputs(path, {common.report});
        for (size_t i = 0; i < paths_.size(); ++i)
            if (std::find(paths_.begin(), paths_.begin() + static_cast<ptrdiff_t>(i), paths_[i]) != paths_.begin() + static_cast<ptrdiff_t>(i))
                throw_input(paths_[i] + ": the trace is given twice");
    }

    // ---- traces ----

    void load_all(CompareReport& report) {
        originals_.clear();
        for (const std::string& path : paths_) {
            TraceOptions one = trace_;
            one.path = path;
            double ms = 0;
            originals_.push_back(std::make_unique<Trace>(one.load(common.console, !common.report.empty(), &ms, work_.linked(), &default_block_size_)));
            default_block_sizes_.push_back(default_block_size_);
            report.load_ms += ms;
        }
    }

    /// The trace in blocks of `block_size` ("": its own), its samples apart where a layout does not fork.
    Variant variant(size_t path, const std::string& block_size, bool fork, bool tokens) {
        Variant v;
        const Trace& original = *originals_[path];
        uint32_t size = block_size.empty() ? default_block_sizes_[path] : static_cast<uint32_t>(whole(block_size, "--block-size", 1, kMaxBlockSize));
        bool apart = !fork && !original.samples.empty();
        try {
            v.trace = std::make_unique<Trace>(original);
            v.asked_block_size = size;
            if (apart && v.trace->expand_samples()) common.console.say("note: parallel samples (n) are replayed as requests of their own");
            if (tokens) v.in_blocks = std::make_unique<Trace>(*v.trace);
            if (tokens || !block_size.empty() || !v.trace->content) v.trace->reblock_to(tokens ? 1 : size);
        } catch (const Error& e) {
            if (e.kind() != ErrorKind::input) throw;
            v.skip = e.what();
        }
        return v;
    }

    // ---- cells ----

    void add_cells(size_t path, CompareReport& report) {
        static const std::vector<std::string> nothing = {""};
        for (const std::string& block_size : block_sizes_.empty() ? nothing : block_sizes_)
            for (const std::string& model : models_.empty() ? nothing : models_)
                for (const std::string& dtype : kv_dtypes_.empty() ? nothing : kv_dtypes_) {
                    size_t table = tables_++;
                    report.traces.emplace_back();
                    for (const std::string& layout : layouts_) add_layout(path, block_size, model, dtype, layout, table, report);
                }
    }

    void add_layout(size_t path, const std::string& block_size, const std::string& model, const std::string& dtype,
                    const std::string& layout, size_t table, CompareReport& report) {
        bool prefix = layouts().get(layout).prefix_hits;
        CacheConfig config = cache_.given;
        config.layout = layout;
        bool tokens = prefix && matches_tokens(config);
        const Variant& v = shared_variant(path, block_size, !prefix, tokens);
        CompareCell cell;
        cell.table = table;
        cell.model = model;
        cell.kv_dtype = dtype;
        cell.spec.trace = v.trace.get();
        cell.spec.options.run = run_;
        cell.spec.options.verify = verify_;
        cell.spec.options.bounds = bounds_ == "all";
        if (!warmup_.empty()) cell.spec.options.run.warmup_requests = parse_share(warmup_, v.trace->requests(), "--warmup");
        if (cell.spec.options.run.warmup_requests >= v.trace->requests())
            throw_input("--warmup " + warmup_ + " leaves none of " + std::to_string(v.trace->requests()) + " requests to count");
        add_model(cell, v, tokens, report);
        static const std::vector<std::string> nothing = {""};
        const std::vector<std::string>& accountings = prefix && !accountings_.empty() ? accountings_ : nothing;
        std::vector<std::string> capacities = capacity_list();
        for (const std::string& accounting : accountings)
            for (const std::string& eviction : strategies(layout, config))
                for (size_t k = 0; k < capacities.size(); ++k) {
                    CompareCell c = cell;
                    c.column = k;
                    c.capacity = capacities[k];
                    c.spec.options.cache = config;
                    c.spec.options.cache.accounting = accounting;
                    c.spec.options.cache.eviction = eviction;
                    finish_cell(c, v, tokens);
                    report.cells.push_back(std::move(c));
                }
        ReplayReport& t = report.traces[table];
        if (!t.trace) t.trace = v.trace.get();
    }

    const Variant& shared_variant(size_t path, const std::string& block_size, bool fork, bool tokens) {
        std::string key = std::to_string(path) + "/" + block_size + (tokens ? "/tokens" : "") +
                          (fork && !originals_[path]->samples.empty() ? "/fork" : "");
        for (const auto& [known, v] : variants_)
            if (known == key) return *v;
        variants_.emplace_back(key, std::make_unique<Variant>(variant(path, block_size, fork, tokens)));
        return *variants_.back().second;
    }

    void add_model(CompareCell& cell, const Variant& v, bool tokens, CompareReport& report) {
        if (cell.model.empty()) return;
        ModelOptions m = model_;
        m.model = cell.model;
        m.kv_dtype = cell.kv_dtype;
        std::vector<std::string> lines;
        cell.memory = m.resolve(tokens ? 1 : v.trace->block_size, lines);
        std::optional<PrefillFlops> flops = m.flops(lines);
        cell.cost = m.cost();
        if (flops) {
            flops_.push_back(std::make_unique<PrefillFlops>(*flops));
            cell.spec.options.flops = flops_.back().get();
        }
        for (std::string& line : lines)
            if (std::find(report.notes.begin(), report.notes.end(), line) == report.notes.end()) report.notes.push_back(line);
    }

    std::vector<std::string> capacity_list() const {
        std::vector<std::string> given = items(!tokens_.empty() ? tokens_ : !memory_.empty() ? memory_ : blocks_);
        if (given.empty()) return {"1%", "5%", "10%", "25%", "50%"};
        return given;
    }

    std::vector<std::string> strategies(const std::string& layout, const CacheConfig& config) const {
        if (config.match.rfind("snapshot", 0) == 0) return {""};
        std::vector<std::string> ids = evictions_;
        bool prefix = layouts().get(layout).prefix_hits;
        if (ids.empty()) {
            if (prefix) {
                ids = block_strategies().ids();
            } else {
                for (const SequenceStrategyRow& row : sequence_strategies().rows())
                    if (row.id != "none" && row.parameters.empty()) ids.push_back(row.id);
            }
        }
        if (prefix && block_requests_ > 0 && std::find(ids.begin(), ids.end(), versus_) == ids.end()) ids.insert(ids.begin(), versus_);
        return ids;
    }

    // Capacity, seeds, and whether it makes sense at all.
    void finish_cell(CompareCell& c, const Variant& v, bool tokens) {
        ReplayOptions& o = c.spec.options;
        c.spec.skip = v.skip;
        if (!c.spec.skip.empty()) return;
        try {
            resolve_cache(o.cache);
            CapacityOptions capacity;
            (!tokens_.empty() ? capacity.tokens : !memory_.empty() ? capacity.memory : capacity.blocks) = c.capacity;
            if (tokens) {
                Trace copy = *v.in_blocks;
                o.run.capacity_blocks = capacity.resolve_tokens(copy, v.asked_block_size, c.memory, common.console);
            } else {
                o.run.capacity_blocks = capacity.resolve(*v.trace, c.memory, common.console);
            }
            c.spec.by_seed = with_seeds(o.cache);
        } catch (const Error& e) {
            if (e.kind() != ErrorKind::input) throw;
            c.spec.skip = e.what();
        }
    }

    std::vector<std::string> with_seeds(const CacheConfig& cache) const {
        if (!layouts().get(cache.layout).prefix_hits || cache.eviction.empty()) return {};
        Spec spec = Spec::parse(cache.eviction);
        const BlockStrategyRow* row = block_strategies().find(spec.id());
        bool seeded = row && (" " + row->info.parameters).find(" seed=") != std::string::npos && !spec.has("seed");
        if (!seeded) return {};
        std::vector<std::string> out;
        for (uint64_t k = 0; k < seeds_of_; ++k)
            out.push_back(cache.eviction + (cache.eviction.find(':') == std::string::npos ? ":" : ",") + "seed=" + std::to_string(first_seed_ + k));
        return out;
    }

    // ---- results ----

    void simulate(CompareReport& report, std::atomic<bool>& stop) {
        std::vector<CellSpec> specs;
        for (const CompareCell& c : report.cells) specs.push_back(c.spec);
        Progress progress(common.console, "comparing", specs.size());
        CompareOptions options;
        options.jobs = job_count_;
        options.columns = block_requests_ > 0;
        options.blame = blame_count_;
        options.stop = &stop;
        options.done = &progress.done();
        std::vector<CellResult> results = run_cells(specs, options);
        for (size_t i = 0; i < results.size(); ++i) report.cells[i].result = std::move(results[i]);
        for (const CompareCell& c : report.cells) {
            ReplayReport& t = report.traces[c.table];
            if (t.outcome || c.result.status != CellStatus::ok) continue;
            t = cell_report(c);
        }
        // A table without a finished cell still has its trace.
        static const ReplayOutcome none;
        for (ReplayReport& t : report.traces)
            if (!t.outcome) t.outcome = &none;
    }

    static bool same_but_strategy(const CompareCell& a, const CompareCell& b) {
        const CacheConfig &x = a.spec.options.cache, &y = b.spec.options.cache;
        return a.table == b.table && a.column == b.column && x.layout == y.layout && x.accounting == y.accounting;
    }

    void compare_with_baseline(CompareReport& report) {
        report.versus = versus_;
        size_t comparisons = 0;
        for (CompareCell& c : report.cells) {
            if (c.result.columns.hits.empty() || c.spec.options.cache.eviction == versus_) continue;
            for (size_t i = 0; i < report.cells.size(); ++i) {
                const CompareCell& b = report.cells[i];
                if (b.spec.options.cache.eviction != versus_ || b.result.columns.hits.empty() || !same_but_strategy(b, c)) continue;
                c.versus = i;
                c.compared = true;
                ++comparisons;
                break;
            }
        }
        report.confidence = block_requests_ > 0 && comparisons > 0;
        if (!report.confidence) return;
        report.bootstrap.block_requests = block_requests_;
        report.bootstrap.seed = first_seed_;
        report.bootstrap.draws = draws_for(comparisons, report.bootstrap.level);
        std::vector<Comparison*> all;
        for (size_t table = 0; table < report.traces.size(); ++table) bootstrap_table(report, table);
        for (CompareCell& c : report.cells)
            if (c.compared) all.push_back(&c.difference);
        correct(all, report.bootstrap.level);
    }

    static void bootstrap_table(CompareReport& report, size_t table) {
        std::vector<BootstrapCell> in;
        std::vector<size_t> of, place(report.cells.size(), 0);
        for (size_t i = 0; i < report.cells.size(); ++i) {
            const CompareCell& c = report.cells[i];
            if (c.table != table || c.result.columns.hits.empty()) continue;
            place[i] = in.size();
            of.push_back(i);
            in.push_back({c.result.columns.lookups, c.result.columns.hits, 0});
        }
        for (size_t k = 0; k < in.size(); ++k) in[k].baseline = report.cells[of[k]].compared ? place[report.cells[of[k]].versus] : k;
        if (in.empty()) return;
        ConfidenceTable t = bootstrap(in, report.bootstrap);
        for (size_t k = 0; k < in.size(); ++k) report.cells[of[k]].difference = t.cells[k];
        t.cells.clear();
        report.tables.push_back(std::move(t));
    }

    ConfigEntries resolved() const {
        ConfigEntries c;
        std::vector<std::string> names;
        for (const std::string& path : paths_) {
            std::string name = std::filesystem::path(path).filename().string();
            names.push_back(name.empty() ? path : name);
        }
        c.emplace_back("trace", names);
        c.emplace_back("format", trace_.format);
        if (!trace_.limit.empty()) c.emplace_back("limit", trace_.limit);
        if (!warmup_.empty()) c.emplace_back("warmup", warmup_);
        auto add_list = [&](const char* key, const std::vector<std::string>& list) {
            if (!list.empty()) c.emplace_back(key, list);
        };
        add_list("block_size", block_sizes_);
        add_list(!tokens_.empty() ? "tokens" : !memory_.empty() ? "memory" : "blocks", capacity_list());
        add_list("layout", layouts_);
        add_list("eviction", evictions_);
        add_list("accounting", accountings_);
        for (const CacheOption& option : cache_options()) {
            std::string key = option.name + 2;
            std::replace(key.begin(), key.end(), '-', '_');
            const std::string& value = cache_.given.*option.value;
            if (!value.empty()) c.emplace_back(key, value);
        }
        add_list("model", models_);
        add_list("kv_dtype", kv_dtypes_);
        if (!model_.tp.empty()) c.emplace_back("tp", model_.tp);
        if (!model_.gpu.empty()) c.emplace_back("gpu", model_.gpu);
        c.emplace_back("decode", work_.decode);
        c.emplace_back("concurrency", work_.concurrency);
        c.emplace_back("bounds", bounds_);
        c.emplace_back("versus", versus_);
        c.emplace_back("bootstrap_block", uint64_t{block_requests_});
        c.emplace_back("blame", uint64_t{blame_count_});
        c.emplace_back("seeds", seeds_of_);
        c.emplace_back("seed", first_seed_);
        return c;
    }

    void write(const CompareReport& report, std::optional<OutputFile>& file) const {
        if (file) {
            file->write(compare_json(report));
            file->commit();
        }
        bool taken = common.report == "-";
        if (taken && common.console.quiet) return;
        std::fputs(compare_table(report).c_str(), taken ? stderr : stdout);
        if (report.interrupted) common.console.say("interrupted: what was finished is there");
    }

    std::vector<std::string> paths_, block_sizes_, blocks_, tokens_, memory_, layouts_, evictions_, accountings_, models_, kv_dtypes_;
    TraceOptions trace_;
    CacheOptions cache_;
    ModelOptions model_;
    WorkOptions work_;
    std::string warmup_, bounds_ = "all", versus_ = "lru", bootstrap_block_ = "200", blame_ = "0", seeds_ = "5", seed_ = "0", jobs_;
    bool verify_ = false;

    RunOptions run_;
    uint64_t seeds_of_ = 5, first_seed_ = 0, blame_count_ = 0;
    uint32_t block_requests_ = 200, default_block_size_ = 0;
    unsigned job_count_ = 1;
    size_t tables_ = 0;
    std::vector<std::unique_ptr<Trace>> originals_;
    std::vector<uint32_t> default_block_sizes_;
    std::vector<std::pair<std::string, std::unique_ptr<Variant>>> variants_;
    std::vector<std::unique_ptr<PrefillFlops>> flops_;
};

}  // namespace

std::unique_ptr<Command> compare_command(CLI::App& parent) { return std::make_unique<CompareCommand>(parent); }

}  // namespace kvsim::app
