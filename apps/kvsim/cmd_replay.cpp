#include "options.h"
#include "outputs.h"

#include <kvsim/core/error.h>
#include <kvsim/core/suggest.h>
#include <kvsim/core/units.h>
#include <kvsim/model/hf_config.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <optional>
#include <thread>

namespace kvsim::app {

namespace {

class ReplayCommand : public Command {
  public:
    explicit ReplayCommand(CLI::App& parent)
        : Command(parent, "replay", "replay one trace against one cache and report",
                  "  kvsim replay conversation_trace.jsonl.zst --blocks 10000\n"
                  "  kvsim replay log.jsonl --memory 40GiB --model llama-3.1-8b --report report.json") {
        trace_.add_to(*this, true, false);
        option("--warmup", warmup_, "requests replayed first but not counted: N or P% (rounded down)", "Trace", "N|P%");
        capacity_.add_to(*this);
        cache_.add_to(*this);
        cache_.add_engine_to(*this);
        model_.add_to(*this);
        work_.add_to(*this);
        work_.add_arrivals_to(*this);
        data_.add_to(*this);
        backend_.add_to(*this);
        option("--bounds", bounds_, "all (default) or none: what a cache that knows the future could hit, and why blocks were missed; unlimited is always there", "Analysis", "all|none");
        flag("--verify", verify_, "derive the final state's counts anew; under prefix also replay block by block; with --backend read every sequence back: any difference is an error",
             "Analysis");
        option("--explain", explain_, "engines: why a request (its rank, or the name of its sequence) hit no more, or the first one whose cached_tokens the rules do not give",
               "Analysis", "REQUEST|first-difference");
        option("--by", by_, "hits per group", "Analysis", "category|session|turn|salt|lora");
        series_.add_to(*this);
        option("--per-request", per_request_, "write one JSON object per request to FILE (- = standard output)",
               "Output", "FILE");
        outputs_.add_to(*this);
        run = [this] { return execute(); };
    }

  private:
    int execute() {
        ReplayOptions options;
        uint32_t engine_block = join_block_size(cache_.given, trace_.load_options().block_size);
        if (engine_block != 0) trace_.block_size = std::to_string(engine_block);
        options.cache = cache_.resolve();
        check_engine(engine_of(options.cache), options);
        if (!by_.empty() && !cache_row(options.cache).prefix_hits)
            throw_input("--by has no effect under --layout " + options.cache.layout + ": it tells hits apart, and nothing is looked up");
        work_.resolve(options.run);
        bool names_output = cache_row(options.cache).prefix_hits && options.cache.match.rfind("snapshot", 0) != 0;
        if (work_.linked() && !names_output)
            throw_input("--decode linked has no effect here: it names output for later prompts to hit, and nothing here hits output");
        options.bounds = on_off(bounds_, "--bounds", "all", "none");
        options.verify = verify_;
        options.timeline = series_.points(outputs_.given("html"));
        if (trace_.path.empty() && !data_.given()) throw_input("expected the argument trace, or --kv-data; see kvsim replay --help");
        std::unique_ptr<KvData> data = data_.load(options.cache.layout, backend_.given());
        outputs_.open(*this, "replay", {trace_.path}, {per_request_});
        std::optional<OutputFile> per_request_file;
        if (!per_request_.empty()) per_request_file.emplace(per_request_);

        ReplayReport report;
        if (options.timeline != 0 && !outputs_.wants_json())
            report.notes.push_back("the series of --timeline are in the JSON report (--report FILE) and on the page (--export-html FILE)");
        bool by_token = matches_tokens(options.cache);
        bool keep_tokens = !explain_.empty();
        uint32_t block_size = 0;
        Trace trace = trace_.path.empty() ? trace_.of_data(*data)
                                          : trace_.load(common.console, outputs_.wants_json(), &report.load_ms,
                                                        work_.linked(), by_token || keep_tokens ? &block_size : nullptr);
        std::optional<Trace> tokens;
        if (keep_tokens) tokens = split_tokens(trace, block_size);
        bool samples_fork = !cache_row(options.cache).prefix_hits;
        if (!samples_fork && trace.expand_samples())
            common.console.say("note: parallel samples (n) are replayed as requests of their own");
        report.memory = model_.resolve(by_token ? 1 : trace.block_size, report.notes, data != nullptr || backend_.given());
        if (options.cache.layout == "quantized") {
            report.storage = model_.storage(report.notes);
            options.run.layers = model_.layers(data.get());
        }
        report.dtypes = model_.dtypes(data ? data->dtype : report.storage ? resolve_model(model_.model).default_dtype : "");
        options.kv_data = data.get();
        options.data = backend_.resolve(model_, data.get(), report.notes);
        if (options.data) options.data->verify = verify_;
        options.k_dtype = model_.keys();
        options.v_dtype = model_.values();
        options.seed = data_.seed_number();
        options.jobs = std::max(1u, std::thread::hardware_concurrency());
        options.run.capacity_blocks =
            by_token ? capacity_.resolve_tokens(trace, block_size, report.memory, common.console)
                     : capacity_.resolve(trace, report.memory, common.console);
        if (!warmup_.empty()) options.run.warmup_requests = parse_share(warmup_, trace.requests(), "--warmup");
        if (options.run.warmup_requests >= trace.requests())
            throw_input("--warmup " + warmup_ + " leaves none of " + std::to_string(trace.requests()) +
                        " requests to count");
        if (!by_.empty()) options.by = parse_group_by(by_, trace);

        std::optional<PrefillFlops> flops = model_.flops(report.notes);
        if (flops) options.flops = &*flops;
        report.cost = model_.cost();
        explain_decisions(trace, options, report);
        ReplayOutcome outcome = simulate(trace, options);
        report.trace = &trace;
        report.options = &options;
        report.outcome = &outcome;
        report.config = resolved(trace, options);
        if (tokens) report.explanation = explain(trace, *tokens, options, outcome);
        write(report, per_request_file);
        return 0;
    }

    void explain_decisions(const Trace& trace, const ReplayOptions& options, const ReplayReport& report) const {
        const Console& console = common.console;
        model_.explain(report.memory, console);
        cache_.explain_defaults(options.cache, console);
        if (options.run.capacity_blocks == kUnlimited)
            console.explain("capacity: unlimited, so nothing is ever evicted and there are no bounds to tell");
        explain_path(options.cache, trace, options.run, console);
    }

    // The trace in single tokens; the trace itself from its own blocks to those of the engine.
    static Trace split_tokens(Trace& trace, uint32_t block_size) {
        if (trace.lengths_only || trace.content)
            throw_input("--explain: " + std::string(trace.content ? "the trace's ids name content, not prefixes" : kNoNames));
        Trace tokens = trace;
        tokens.expand_samples();
        if (tokens.block_size != 1) tokens.reblock_to(1);
        if (trace.block_size != block_size) trace.reblock_to(block_size);
        return tokens;
    }

    std::optional<Explanation> explain(const Trace& trace, const Trace& tokens, const ReplayOptions& options, const ReplayOutcome& outcome) const {
        uint32_t request = 0;
        if (explain_ == "first-difference") {
            if (!outcome.metrics.observed) throw_input("--explain first-difference: the trace carries no cached_tokens");
            if (!outcome.metrics.observed->first_difference) {
                common.console.say("no difference: all requests with cached_tokens hit what the rules give");
                return std::nullopt;
            }
            request = *outcome.metrics.observed->first_difference;
        } else {
            request = find_request(trace, explain_);
        }
        std::optional<Trace> unscoped;
        if ((!trace.salt.empty() || !trace.lora.empty()) && trace.format == "kvsim" && trace_.path != "-") {
            LoadOptions load = trace_.load_options();
            load.format = trace.format + ":scopes=off";
            load.link_outputs = work_.linked();
            load.block_size = 1;
            unscoped = load_trace(load);
            unscoped->expand_samples();
        }
        return explain_request({trace, tokens, unscoped ? &*unscoped : nullptr, options.cache, options.run}, request);
    }

    // What an engine has no room for.
    void check_engine(const EngineRow* engine, ReplayOptions& options) const {
        work_.resolve_arrivals(options.run, engine);
        if (!engine && !explain_.empty()) throw_input("--explain has no effect without --engine");
        if (!engine) return;
        if (work_.concurrency != "1")
            throw_input("--concurrency has no effect with --engine: one request after the other, or its scheduler (--arrivals)");
        if (backend_.given() || data_.given()) throw_input("--backend and --kv-data have no effect with --engine: it moves no data");
    }

    static bool on_off(const std::string& value, const std::string& option, const std::string& yes,
                       const std::string& no) {
        if (value != yes && value != no) throw_input(option + " " + value + ": expected " + yes + " or " + no + did_you_mean(value, {yes, no}));
        return value == yes;
    }

    ReplayOutcome simulate(const Trace& trace, ReplayOptions& options) const {
        if (trace.requests() < 100000) return replay(trace, options);  // too short for a progress line
        Progress progress(common.console, "replaying", trace.requests());
        options.run.progress = &progress.done();
        ReplayOutcome outcome = replay(trace, options);
        options.run.progress = nullptr;
        return outcome;
    }

    // What results depend on, as resolved; a valid configuration of `kvsim replay`.
    ConfigEntries resolved(const Trace& trace, const ReplayOptions& options) const {
        ConfigEntries c;
        if (!trace_.path.empty()) {
            std::string name = std::filesystem::path(trace_.path).filename().string();
            c.emplace_back("trace", name.empty() ? trace_.path : name);
            std::string parameters = trace_.format.find(':') == std::string::npos ? "" : trace_.format;
            c.emplace_back("format", parameters.empty() ? trace.format : parameters);
        }
        if (data_.given()) {
            c.emplace_back("kv_data", options.kv_data->name);
            c.emplace_back("seed", options.seed);
        }
        if (!trace_.limit.empty()) c.emplace_back("limit", trace_.load_options().limit);
        if (options.run.warmup_requests != 0) c.emplace_back("warmup", options.run.warmup_requests);
        if (!trace.content) c.emplace_back("block_size", uint64_t{trace.block_size});
        if (options.run.capacity_blocks == kUnlimited) {
            c.emplace_back("blocks", "unlimited");
        } else {
            c.emplace_back("blocks", options.run.capacity_blocks);
        }
        if (!options.cache.engine.empty()) c.emplace_back("engine", options.cache.engine);
        if (!options.cache.layout.empty()) c.emplace_back("layout", options.cache.layout);
        for (const CacheOption& option : cache_options()) {
            std::string key = option.name + 2;
            std::replace(key.begin(), key.end(), '-', '_');
            const std::string& value = options.cache.*option.value;
            if (!value.empty()) c.emplace_back(key, value);
        }
        const std::pair<const char*, const std::string*> model[] = {{"model", &model_.model},
                                                                    {"kv_dtype", &model_.kv_dtype},
                                                                    {"k_dtype", &model_.k_dtype},
                                                                    {"v_dtype", &model_.v_dtype},
                                                                    {"tp", &model_.tp},
                                                                    {"gpu", &model_.gpu}};
        for (const auto& [key, value] : model)
            if (!value->empty()) c.emplace_back(key, *value);
        c.emplace_back("decode", work_.decode);
        if (options.run.concurrency == kByTrace) {
            c.emplace_back("concurrency", "trace");
        } else {
            c.emplace_back("concurrency", options.run.concurrency);
        }
        if (!work_.arrivals.empty()) c.emplace_back("arrivals", work_.arrivals);
        if (backend_.given()) c.emplace_back("backend", backend_.backend);
        if (backend_.attend) c.emplace_back("attend", "true");
        c.emplace_back("bounds", bounds_);
        if (!by_.empty()) c.emplace_back("by", by_);
        if (options.timeline != 0) c.emplace_back("timeline", options.timeline);
        return c;
    }

    void write(const ReplayReport& report, std::optional<OutputFile>& rows) {
        if (rows) write_per_request(*report.trace, report.outcome->run, *rows);
        if (outputs_.wants_json()) outputs_.write(replay_json(report));
        if (rows) rows->commit();
        outputs_.print(replay_table(report, outputs_.colored()));
    }

    TraceOptions trace_;
    CapacityOptions capacity_;
    CacheOptions cache_;
    ModelOptions model_;
    WorkOptions work_;
    DataOptions data_;
    BackendOptions backend_;
    SeriesOptions series_;
    Outputs outputs_;
    std::string warmup_, bounds_ = "all", by_, per_request_, explain_;
    bool verify_ = false;
};

}  // namespace

std::unique_ptr<Command> replay_command(CLI::App& parent) { return std::make_unique<ReplayCommand>(parent); }

}  // namespace kvsim::app
