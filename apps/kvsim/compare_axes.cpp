#include "compare_axes.h"

#include <kvsim/core/error.h>
#include <kvsim/core/spec.h>
#include <kvsim/core/units.h>
#include <kvsim/eviction/sequence_policy.h>
#include <kvsim/eviction/token_policy.h>
#include <kvsim/engine/engines.h>
#include <kvsim/layout/prefix.h>

#include <algorithm>
#include <filesystem>

namespace kvsim::app {

namespace {

const std::vector<std::string> kNothing = {""};

/// The axis, or one place where nothing was given.
const std::vector<std::string>& or_nothing(const std::vector<std::string>& axis) {
    return axis.empty() ? kNothing : axis;
}

bool knows(const std::string& layout, const CacheOption& option) {
    const auto& known = layouts().get(layout).options;
    return std::any_of(known.begin(), known.end(), [&](const auto& o) { return o.first == option.name; });
}

bool snapshots(const CacheConfig& config) { return config.match.rfind("snapshot", 0) == 0; }

/// Throws Error(input) unless the strategy makes sense under some layout and accounting.
void check_strategy(const std::string& eviction, bool sequences, bool quantized) {
    std::string id = Spec::parse(eviction).id();
    if (id.rfind("token/", 0) == 0 || (quantized && token_strategies().find(id))) {
        CacheConfig config;
        config.layout = "quantized";
        config.eviction = eviction;
        return resolve_cache(config);
    }
    if (id.rfind("sequence/", 0) == 0 || (sequences && sequence_strategies().find(id))) {
        make_sequence_strategy(eviction);
        if (!block_strategies().find(id)) return;
    }
    std::string reason;
    for (const char* accounting : {"pinned", "flat", "tree"}) {
        try {
            return check_block_strategy(eviction, Accounting::parse(accounting));
        } catch (const Error& e) {
            if (e.kind() != ErrorKind::input) throw;
            if (reason.empty()) reason = e.what();
        }
    }
    throw_input(reason);
}

}  // namespace

void CompareAxes::add_to(Command& c) {
    c.positionals("trace", paths_,
                  "traces: files (plain, .zst or .gz), directories of shards, or - for standard input", false);
    trace_.add_options_to(c);
    c.list("--block-size", block_sizes_, "re-block to N tokens per block (default: the trace's own, else 16)", "Trace");
    c.option("--warmup", warmup_, "requests replayed first but not counted: N or P% (rounded down)", "Trace", "N|P%");
    const std::string capacity = "Capacity (one of; default 1%,5%,10%,25%,50% of each trace's unique blocks)";
    c.list("--blocks", blocks_, "blocks: N, P% of the trace's unique blocks, or unlimited", capacity);
    c.list("--tokens", tokens_, "tokens, as engines log them: floor(N / block size) blocks", capacity);
    c.list("--memory", memory_, "KV bytes of one replica after weights; needs --model", capacity);
    c.list("--layout", layouts_, "cache layouts (default prefix)", "Cache");
    c.list("--eviction", evictions_, "eviction strategies (default: every strategy of the layout)", "Cache");
    c.list("--accounting", accountings_, "prefix: pinned (default), flat, tree", "Cache");
    c.list("--engine", engines_,
           "the cache managers of serving engines, see `kvsim list engines`: rows beside the strategies of --layout and "
           "--eviction, or without these the only ones",
           "Cache");
    cache_.add_rules_to(c);
    c.list("--model", models_, "presets of `kvsim list models`, or Hugging Face config.json files", "Model");
    c.list("--kv-dtype", kv_dtypes_, "types of keys and values (default: the model's, or the data's)", "Model");
    c.list("--k-dtype", k_dtypes_, "types of keys (default: --kv-dtype)", "Model");
    c.list("--v-dtype", v_dtypes_, "types of values (default: --kv-dtype)", "Model");
    c.option("--tp", model_.tp, "tensor-parallel ranks of the replica (default 1); bytes are summed over them", "Model",
             "N");
    c.option("--gpu", model_.gpu, "say what hits save on this GPU, see `kvsim list gpus`", "Model", "ID");
    work_.add_to(c);
    work_.add_arrivals_to(c);
    c.option("--kv-data", data_.kv_data,
             "measure the cells of --layout quantized on these keys, values and queries: FILE.safetensors, or "
             "synthetic:tokens=1024,...; without a trace on its own sequences", "Data (quantized)", "FILE");
}

void CompareAxes::add_seeds_to(Command& c, const std::string& group) {
    c.option("--seeds", seeds_, "seeds of block strategies that draw random numbers: the median run is shown, with the range "
             "(under quantized one run, with --seed)",
             group, "N");
    c.option("--seed", seed_, "first of these seeds, and that of the bootstrap", group, "N");
}

// ---- what was given ------------------------------------------------------------------------------------------

void CompareAxes::check() {
    namespace fs = std::filesystem;
    const std::pair<const char*, std::vector<std::string>*> axes[] = {
        {"--layout", &layouts_}, {"--eviction", &evictions_}, {"--accounting", &accountings_}, {"--engine", &engines_},
        {"--model", &models_},   {"--kv-dtype", &kv_dtypes_}, {"--block-size", &block_sizes_},
        {"--k-dtype", &k_dtypes_}, {"--v-dtype", &v_dtypes_},
        {"--blocks", &blocks_},  {"--tokens", &tokens_},      {"--memory", &memory_}};
    for (const auto& [option, axis] : axes) *axis = list_items(*axis, option);
    if (layouts_.empty() && (engines_.empty() || !evictions_.empty())) layouts_ = {"prefix"};
    check_engines();
    check_rules();
    check_capacities();
    bool quantized = std::find(layouts_.begin(), layouts_.end(), "quantized") != layouts_.end();
    if (data_.given() && layouts_.empty()) throw_input("--kv-data has no effect with --engine alone: an engine moves no data");
    kv_data_ = data_.load(quantized || !data_.given() ? "quantized" : layouts_.front());
    if (paths_.empty() && !(kv_data_ && only_quantized()))
        throw_input("expected the argument trace, or --kv-data with --layout quantized; see kvsim compare --help");
    for (const std::string& b : block_sizes_) whole_option(b, "--block-size", 1, kMaxBlockSize);
    if (models_.empty()) {
        ModelOptions none = model_;
        if (!kv_dtypes_.empty()) none.kv_dtype = kv_dtypes_.front();
        if (!k_dtypes_.empty()) none.k_dtype = k_dtypes_.front();
        if (!v_dtypes_.empty()) none.v_dtype = v_dtypes_.front();
        std::vector<std::string> lines;
        none.resolve(1, lines, kv_data_ != nullptr);
    }
    work_.resolve(run_);
    seed_count_ = whole_option(seeds_, "--seeds", 1, 1000);
    first_seed = whole_option(seed_, "--seed", 0, ~uint64_t{0} / 2);
    for (size_t i = 0; i < paths_.size(); ++i) {
        for (size_t k = 0; k < i; ++k)
            if (paths_[i] == paths_[k] || (paths_[i] != "-" && paths_[k] != "-" &&
                                           fs::weakly_canonical(paths_[i]) == fs::weakly_canonical(paths_[k])))
                throw_input(paths_[i] + ": the trace is given twice");
    }
}

// An option counts for the layouts that know it; one that none of them knows would be given in vain.
void CompareAxes::check_rules() const {
    bool prefix = false, sequences = false, quantized = false;
    for (const std::string& id : layouts_)
        (layouts().get(id).prefix_hits ? prefix : id == "quantized" ? quantized : sequences) = true;
    for (const std::string& a : accountings_) Accounting::parse(a);
    for (const std::string& e : evictions_) check_strategy(e, sequences, quantized);
    if (prefix && needs_versus && !is_engine(versus)) check_strategy(versus, false, false);
    for (const CacheOption& option : cache_options()) {
        CacheConfig config;
        config.*option.value = cache_.given.*option.value;
        if (option.value == &CacheConfig::accounting && !accountings_.empty()) config.accounting = accountings_.front();
        if ((config.*option.value).empty()) continue;
        bool known =
            std::any_of(layouts_.begin(), layouts_.end(), [&](const std::string& id) { return knows(id, option); });
        if (known) continue;
        if (layouts_.empty())
            throw_input(std::string(option.name) + " has no effect with --engine alone: an engine has its own rules; expected "
                                                   "--layout or --eviction beside it");
        config.layout = layouts_.front();
        resolve_cache(config);  // says so
    }
}

void CompareAxes::check_capacities() const {
    if (int(!blocks_.empty()) + int(!tokens_.empty()) + int(!memory_.empty()) > 1)
        throw_input("--blocks, --tokens and --memory exclude each other; give one of them");
    if (!memory_.empty() && models_.empty()) throw_input("--memory needs --model");
    for (const std::string& b : blocks_) check_capacity(b, "--blocks");
    for (const std::string& t : tokens_) whole_option(t, "--tokens", 1, ~uint64_t{0} / 2);
    for (const std::string& m : memory_) parse_size_bytes(m, "--memory");
}

std::vector<std::string> CompareAxes::capacities() const {
    const std::vector<std::string>& given = !tokens_.empty() ? tokens_ : !memory_.empty() ? memory_ : blocks_;
    if (!given.empty()) return given;
    return only_quantized() ? std::vector<std::string>{"unlimited"} : std::vector<std::string>{"1%", "5%", "10%", "25%", "50%"};
}

bool CompareAxes::only_quantized() const { return layouts_ == std::vector<std::string>{"quantized"}; }

CacheConfig CompareAxes::rules_of(const std::string& layout) const {
    CacheConfig config = cache_.given;
    config.layout = layout;
    for (const CacheOption& option : cache_options())
        if (!knows(layout, option)) (config.*option.value).clear();
    return config;
}

std::vector<std::string> CompareAxes::accountings(const CacheConfig& config) const {
    if (!layouts().get(config.layout).prefix_hits) return kNothing;
    if (accountings_.empty() && !snapshots(config)) return {"pinned"};
    return or_nothing(accountings_);
}

std::vector<std::string> CompareAxes::strategies(const CacheConfig& config) const {
    std::vector<std::string> ids = evictions_;
    bool prefix = layouts().get(config.layout).prefix_hits;
    bool chooses = prefix ? !snapshots(config) : config.on_full.empty() || config.on_full == "evict";
    if (!chooses) return or_nothing(ids);
    if (ids.empty() && config.layout == "quantized") {
        for (const TokenStrategyRow& row : token_strategies().rows())
            if (row.id == "none" || kv_data_) ids.push_back(row.id);
        return ids;
    }
    if (ids.empty() && prefix) ids = block_strategies().ids();
    if (ids.empty())
        for (const SequenceStrategyRow& row : sequence_strategies().rows())
            if (row.id != "none" && row.parameters.empty()) ids.push_back(row.id);
    if (prefix && needs_versus && !is_engine(versus) && std::find(ids.begin(), ids.end(), versus) == ids.end())
        ids.insert(ids.begin(), versus);
    return ids;
}

// ---- traces --------------------------------------------------------------------------------------------------

void CompareAxes::load_all(const Console& console, bool digest, CompareReport& report) {
    if (paths_.empty()) {
        originals_.push_back(std::make_unique<Trace>(trace_.of_data(*kv_data_)));
        default_block_sizes_.push_back(originals_.back()->block_size);
    }
    for (const std::string& path : paths_) {
        TraceOptions one = trace_;
        one.path = path;
        double ms = 0;
        uint32_t block_size = 0;
        auto trace = std::make_unique<Trace>(one.load(console, digest, &ms, work_.linked(), &block_size));
        size_t same = 1;
        for (const auto& before : originals_) same += before->name == trace->name;
        if (same > 1) trace->name += " (" + std::to_string(same) + ")";  // cells go by it
        originals_.push_back(std::move(trace));
        default_block_sizes_.push_back(block_size);
        report.load_ms += ms;
    }
}

/// The trace in blocks of `block_size` ("": its own), its samples apart where a layout does not fork.
CompareAxes::Variant CompareAxes::variant(size_t path, const std::string& block_size, bool fork, bool tokens) const {
    Variant v;
    const Trace& original = *originals_[path];
    uint32_t size = block_size.empty()
                        ? default_block_sizes_[path]
                        : static_cast<uint32_t>(whole_option(block_size, "--block-size", 1, kMaxBlockSize));
    bool apart = !fork && !original.samples.empty();
    try {
        v.trace = std::make_unique<Trace>(original);
        v.asked_block_size = size;
        if (apart && v.trace->expand_samples())
            console_->say("note: parallel samples (n) are replayed as requests of their own");
        if (tokens) v.in_blocks = std::make_unique<Trace>(*v.trace);
        if (tokens || !block_size.empty() || !v.trace->content) v.trace->reblock_to(tokens ? 1 : size);
    } catch (const Error& e) {
        if (e.kind() != ErrorKind::input) throw;
        v.skip = e.what();
    }
    return v;
}

const CompareAxes::Variant& CompareAxes::shared_variant(size_t path, const std::string& block_size, bool fork,
                                                        bool tokens) {
    std::string key = std::to_string(path) + "/" + block_size + (tokens ? "/tokens" : "") +
                      (fork && !originals_[path]->samples.empty() ? "/fork" : "");
    for (const auto& [known, v] : variants_)
        if (known == key) return *v;
    variants_.emplace_back(key, std::make_unique<Variant>(variant(path, block_size, fork, tokens)));
    return *variants_.back().second;
}

// ---- cells ---------------------------------------------------------------------------------------------------

void CompareAxes::make_cells(const Console& console, bool digest, CompareReport& report) {
    console_ = &console;
    load_all(console, digest, report);
    for (size_t path = 0; path < originals_.size(); ++path) add_groups(path, report);
}

void CompareAxes::add_groups(size_t path, CompareReport& report) {
    for (const std::string& block_size : or_nothing(block_sizes_))
        for (const std::string& model : or_nothing(models_))
            for (const std::string& dtype : or_nothing(kv_dtypes_))
                for (const std::string& k : or_nothing(k_dtypes_))
                    for (const std::string& v : or_nothing(v_dtypes_)) {
                        Group group{path, report.traces.size(), block_size, model, dtype, k, v};
                        report.traces.emplace_back();
                        for (const std::string& layout : layouts_) add_layout(group, layout, report);
                        for (const std::string& engine : engines_) add_engine(group, engine, report);
                    }
}

void CompareAxes::add_layout(const Group& group, const std::string& layout, CompareReport& report) {
    bool prefix = layouts().get(layout).prefix_hits;
    CacheConfig config = rules_of(layout);
    const Variant& v = shared_variant(group.path, group.block_size, !prefix, prefix && matches_tokens(config));
    CompareCell cell = cell_of(group, config, v, report);
    ReplayReport& t = report.traces[group.table];
    if (!t.trace) t.trace = v.trace.get();
    std::vector<std::string> sizes = capacities();
    for (const std::string& accounting : accountings(config))
        for (const std::string& eviction : strategies(config))
            for (size_t k = 0; k < sizes.size(); ++k) {
                CompareCell c = cell;
                c.column = k;
                c.capacity = sizes[k];
                c.spec.options.cache.accounting = accounting;
                c.spec.options.cache.eviction = eviction;
                finish_cell(c, v);
                report.cells.push_back(std::move(c));
            }
}

CompareCell CompareAxes::cell_of(const Group& group, const CacheConfig& config, const Variant& v,
                                 CompareReport& report) {
    bool tokens = v.in_blocks != nullptr;
    CompareCell cell;
    cell.table = group.table;
    cell.model = group.model;
    cell.kv_dtype = group.kv_dtype;
    cell.k_dtype = group.k_dtype;
    cell.v_dtype = group.v_dtype;
    cell.spec.trace = v.trace.get();
    cell.spec.skip = v.skip;
    ReplayOptions& options = cell.spec.options;
    options.cache = config;
    options.run = run_;
    options.verify = verify;
    options.bounds = bounds;
    options.timeline = timeline;
    if (!warmup_.empty()) options.run.warmup_requests = parse_share(warmup_, v.trace->requests(), "--warmup");
    if (options.run.warmup_requests >= v.trace->requests())
        throw_input("--warmup " + warmup_ + " leaves none of " + std::to_string(v.trace->requests()) +
                    " requests to count");
    add_model(cell, v, tokens, report);
    if (config.layout == "quantized") add_data(cell, report);
    return cell;
}

void CompareAxes::add_data(CompareCell& cell, CompareReport& report) const {
    ModelOptions m = model_of(cell);
    std::vector<std::string> lines;
    cell.storage = m.storage(lines);
    cell.spec.options.run.layers = m.layers(kv_data_.get());
    for (std::string& line : lines)
        if (std::find(report.notes.begin(), report.notes.end(), line) == report.notes.end()) report.notes.push_back(line);
    if (!kv_data_) return;
    ReplayOptions& options = cell.spec.options;
    options.kv_data = kv_data_.get();
    options.k_dtype = m.keys();
    options.v_dtype = m.values();
    options.seed = first_seed;
}

ModelOptions CompareAxes::model_of(const CompareCell& cell) const {
    ModelOptions m = model_;
    m.model = cell.model;
    m.kv_dtype = cell.kv_dtype;
    m.k_dtype = cell.k_dtype;
    m.v_dtype = cell.v_dtype;
    return m;
}

void CompareAxes::add_model(CompareCell& cell, const Variant& v, bool tokens, CompareReport& report) {
    if (cell.model.empty()) return;
    ModelOptions m = model_of(cell);
    std::vector<std::string> lines;
    cell.memory = m.resolve(tokens ? 1 : v.trace->block_size, lines);
    m.explain(cell.memory, *console_);
    std::optional<PrefillFlops> flops = m.flops(lines);
    cell.cost = m.cost();
    if (flops) {
        flops_.push_back(std::make_unique<PrefillFlops>(*flops));
        cell.spec.options.flops = flops_.back().get();
    }
    for (std::string& line : lines)
        if (std::find(report.notes.begin(), report.notes.end(), line) == report.notes.end())
            report.notes.push_back(line);
}

CapacityOptions CompareAxes::capacity_of(const CompareCell& cell) const {
    CapacityOptions capacity;
    (!tokens_.empty() ? capacity.tokens : !memory_.empty() ? capacity.memory : capacity.blocks) = cell.capacity;
    return capacity;
}

// Capacity, seeds, and whether it makes sense at all.
void CompareAxes::finish_cell(CompareCell& c, const Variant& v) {
    ReplayOptions& o = c.spec.options;
    if (!c.spec.skip.empty()) return;
    try {
        resolve_cache(o.cache);
        bool names_output = cache_row(o.cache).prefix_hits && !snapshots(o.cache);
        if (work_.linked() && !names_output)
            throw_input(
                "--decode linked has no effect here: it names output for later prompts to hit, and nothing here "
                "hits output");
        CapacityOptions capacity = capacity_of(c);
        if (v.in_blocks) {
            Trace copy = *v.in_blocks;
            o.run.capacity_blocks = capacity.resolve_tokens(copy, v.asked_block_size, c.memory, *console_);
        } else {
            o.run.capacity_blocks = capacity.resolve(*v.trace, c.memory, *console_);
        }
        c.spec.by_seed = with_seeds(o.cache);
    } catch (const Error& e) {
        if (e.kind() != ErrorKind::input) throw;
        c.spec.skip = e.what();
    }
}

std::vector<std::string> CompareAxes::with_seeds(const CacheConfig& cache) const {
    if (!cache_row(cache).prefix_hits || cache.eviction.empty()) return {};
    Spec spec = Spec::parse(cache.eviction);
    const BlockStrategyRow* row = block_strategies().find(spec.id());
    bool seeded = row && (" " + row->info.parameters).find(" seed=") != std::string::npos && !spec.has("seed");
    if (!seeded) return {};
    std::vector<std::string> out;
    for (uint64_t k = 0; k < seed_count_; ++k)
        out.push_back(cache.eviction + (cache.eviction.find(':') == std::string::npos ? ":" : ",") +
                      "seed=" + std::to_string(first_seed + k));
    return out;
}

// ---- echo ----------------------------------------------------------------------------------------------------

void CompareAxes::resolved(ConfigEntries& c) const {
    std::vector<std::string> names;
    for (const std::string& path : paths_) {
        std::string name = std::filesystem::path(path).filename().string();
        names.push_back(name.empty() ? path : name);
    }
    auto add_list = [&](const char* key, const std::vector<std::string>& list) {
        if (!list.empty() && !list.front().empty()) c.emplace_back(key, list);
    };
    add_list("trace", names);
    c.emplace_back("format", trace_.format);
    if (!trace_.limit.empty()) c.emplace_back("limit", trace_.load_options().limit);
    if (!warmup_.empty()) c.emplace_back("warmup", warmup_);
    add_list("block_size", block_sizes_);
    add_list(!tokens_.empty() ? "tokens" : !memory_.empty() ? "memory" : "blocks", capacities());
    if (!layouts_.empty()) {
        add_list("layout", layouts_);
        // What stands for "all of them" depends on the layout; with several layouts it is not one list.
        CacheConfig only = rules_of(layouts_.front());
        add_list("eviction", layouts_.size() == 1 ? strategies(only) : evictions_);
        add_list("accounting", accountings_.empty() ? accountings(only) : accountings_);
    }
    add_list("engine", engines_);
    for (const CacheOption& option : cache_options()) {
        std::string key = option.name + 2;
        std::replace(key.begin(), key.end(), '-', '_');
        const std::string& value = cache_.given.*option.value;
        if (!value.empty()) c.emplace_back(key, value);
    }
    add_list("model", models_);
    add_list("kv_dtype", kv_dtypes_);
    add_list("k_dtype", k_dtypes_);
    add_list("v_dtype", v_dtypes_);
    if (kv_data_) c.emplace_back("kv_data", kv_data_->name);
    if (!model_.tp.empty()) c.emplace_back("tp", model_.tp);
    if (!model_.gpu.empty()) c.emplace_back("gpu", model_.gpu);
    c.emplace_back("decode", work_.decode);
    c.emplace_back("concurrency", work_.concurrency);
    if (!work_.arrivals.empty()) c.emplace_back("arrivals", work_.arrivals);
    c.emplace_back("seeds", seed_count_);
    c.emplace_back("seed", first_seed);
}

}  // namespace kvsim::app
