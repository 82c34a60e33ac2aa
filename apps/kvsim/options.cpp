#include "options.h"

#include <kvsim/core/error.h>
#include <kvsim/core/spec.h>
#include <kvsim/core/suggest.h>
#include <kvsim/core/units.h>
#include <kvsim/engine/engines.h>
#include <kvsim/layout/prefix_runs.h>
#include <kvsim/model/gpu.h>
#include <kvsim/model/hf_config.h>
#include <kvsim/model/model.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <numeric>

namespace kvsim::app {

uint64_t whole_option(const std::string& text, const std::string& option, uint64_t low, uint64_t high) {
    uint64_t value = 0;
    if (!parse_whole(text, value) || value < low || value > high)
        throw_input(option + " " + text + ": expected a whole number from " + std::to_string(low) + " to " +
                    std::to_string(high));
    return value;
}

std::vector<std::string> list_items(const std::vector<std::string>& given, const std::string& option) {
    std::vector<std::string> items;
    for (const std::string& text : given)
        for (const std::string& item : split_spec_list(text)) {
            if (item.empty()) throw_input(option + " " + text + ": expected a list, found an empty item");
            if (std::find(items.begin(), items.end(), item) != items.end())
                throw_input(option + " " + item + ": given twice");
            items.push_back(item);
        }
    return items;
}

void check_capacity(const std::string& text, const std::string& option) {
    if (text == "unlimited") return;
    try {
        parse_share(text, 1, option);
    } catch (const Error&) {
        throw_input(option + " " + text + ": expected a whole number, a percentage from 0% to 100%, or unlimited" +
                    did_you_mean(text, {"unlimited"}));
    }
}

// ---- trace ---------------------------------------------------------------------------------------------------

void TraceOptions::add_to(Command& c, bool replayed, bool required) {
    c.positional("trace", path, "trace: a file (plain, .zst or .gz), a directory of shards, or - for standard input",
                 required);
    add_options_to(c);
    if (replayed)
        c.option("--block-size", block_size, "re-block to N tokens per block (default: the trace's own, else 16)", "Trace",
                 "N");
}

void TraceOptions::add_options_to(Command& c) {
    const std::string group = "Trace";
    c.option("--format", format, "trace format, with parameters: auto or an id of `kvsim list formats`", group, "ID");
    c.option("--limit", limit, "only the first N requests, after sorting by time", group, "N");
}

LoadOptions TraceOptions::load_options() const {
    LoadOptions o;
    o.path = path;
    o.format = format;
    if (!limit.empty()) o.limit = whole_option(limit, "--limit", 1, ~uint64_t{0});
    if (!block_size.empty())
        o.block_size = static_cast<uint32_t>(whole_option(block_size, "--block-size", 1, kMaxBlockSize));
    return o;
}

Trace TraceOptions::of_data(const KvData& data) const {
    if (format != "auto") throw_input("--format has no effect without a trace");
    LoadOptions o = load_options();
    Trace trace = trace_of(data);
    if (o.block_size != 0) trace.block_size = o.block_size;
    if (o.limit < trace.requests()) {
        std::vector<uint32_t> kept(o.limit);
        std::iota(kept.begin(), kept.end(), 0u);
        trace.select(kept);
    }
    return trace;
}

Trace TraceOptions::load(const Console& console, bool digest, double* load_ms, bool link,
                         uint32_t* asked_block_size) const {
    LoadOptions o = load_options();
    o.digest = digest;
    o.link_outputs = link;
    o.asked_block_size = asked_block_size;
    LoadReasons reasons;
    o.reasons = &reasons;
    auto start = std::chrono::steady_clock::now();
    Trace trace;
    {
        Progress progress(console, "reading " + path, 0);
        o.progress = &progress.done();
        trace = load_trace(o);
    }
    double ms = std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count();
    if (load_ms) *load_ms = ms;
    if (console.explains()) {
        std::string from = trace.name + ": ";
        console.explain(from + "format " + trace.format + (reasons.format.empty() ? ", as asked for" : ", told by " + reasons.format));
        uint32_t size = asked_block_size ? *asked_block_size : trace.block_size;
        if (trace.objects) {
            console.explain(from + "a request looks up one object");
        } else {
            console.explain(from + "blocks of " + format_count(size) + " tokens: " + reasons.block_size);
        }
        console.explain(from + format_count(trace.requests()) + " requests read in " + std::to_string(std::llround(ms)) + " ms");
    }
    if (console.notes)
        for (const std::string& note : trace.notes) console.say("note: " + note);
    return trace;
}

// ---- model ---------------------------------------------------------------------------------------------------

void ModelOptions::add_to(Command& c) {
    const std::string group = "Model";
    c.option("--model", model, "a preset of `kvsim list models`, or a Hugging Face config.json", group, "ID|FILE");
    c.option("--kv-dtype", kv_dtype, "type of keys and values (default: the model's)", group, "ID");
    c.option("--k-dtype", k_dtype, "type of keys (default: --kv-dtype)", group, "ID");
    c.option("--v-dtype", v_dtype, "type of values (default: --kv-dtype)", group, "ID");
    c.option("--tp", tp, "tensor-parallel ranks of the replica (default 1); bytes are summed over them", group, "N");
    c.option("--gpu", gpu, "say what hits save on this GPU, see `kvsim list gpus`", group, "ID");
}

std::optional<PrefillFlops> ModelOptions::flops(std::vector<std::string>& lines) const {
    if (model.empty()) return std::nullopt;
    ModelShape shape = resolve_model(model);
    std::string missing = PrefillFlops::missing(shape);
    if (missing.empty()) return PrefillFlops(shape);
    if (!gpu.empty()) throw_input("--gpu " + gpu + ": " + missing);
    lines.push_back("no FLOP-weighted hit rate: " + missing);
    return std::nullopt;
}

std::optional<CostView> ModelOptions::cost() const {
    if (model.empty()) return std::nullopt;
    CostView view;
    if (gpu.empty()) return view;
    const Gpu& row = gpus().get(gpu).gpu;
    uint64_t ranks = tp.empty() ? 1 : whole_option(tp, "--tp", 1, 1 << 20);
    view.gpu = row.name;
    view.flops_per_s = row.bf16_flops * row.prefill_mfu * static_cast<double>(ranks);
    view.break_even_bytes_per_s = break_even_bytes_per_s(resolve_model(model), 1, row, ranks,
                                                         keys(), values());
    return view;
}

std::string ModelOptions::dtypes(const std::string& fallback) const {
    std::string k = keys().empty() ? fallback : keys(), v = values().empty() ? fallback : values();
    return k == v ? k : "keys " + k + ", values " + v;
}

std::optional<TokenStorage> ModelOptions::storage(std::vector<std::string>& lines) const {
    if (model.empty()) return std::nullopt;
    for (const std::string& dtype : {keys(), values()})
        if (!dtype.empty() && Spec::parse(dtype).whole("residual", 0, 0, ~uint64_t{0}) > 0) {
            lines.push_back("the residual window of " + dtype + " is not in these bytes: it is of each sequence, not of each token");
            break;
        }
    return token_storage(resolve_model(model), keys(), values(), tp.empty() ? 1 : whole_option(tp, "--tp", 1, 1 << 20));
}

std::optional<MemoryBytes> ModelOptions::resolve(uint32_t block_size, std::vector<std::string>& lines, bool data) const {
    if (model.empty()) {
        const std::pair<const char*, const std::string*> needs[] = {
            {"--kv-dtype", &kv_dtype}, {"--k-dtype", &k_dtype}, {"--v-dtype", &v_dtype}, {"--tp", &tp}, {"--gpu", &gpu}};
        for (const auto& [name, value] : needs)
            if (!value->empty() && !(data && std::string(name).find("-dtype") != std::string::npos))
                throw_input(std::string(name) + " has no effect without --model");
        return std::nullopt;
    }
    ModelShape shape = resolve_model(model);
    uint64_t ranks = tp.empty() ? 1 : whole_option(tp, "--tp", 1, 1 << 20);
    std::string k = keys(), v = values();
    MemoryBytes bytes;
    bytes.model = shape.name.empty() ? shape.id : shape.name;
    bytes.bytes_per_token = bytes_per_token(shape, k, v, ranks);
    for (std::string& line : notes(shape)) lines.push_back(std::move(line));
    if (bytes.bytes_per_token == 0) {
        lines.push_back(bytes.model + " has no layer that grows with every token: no bytes per block");
        return std::nullopt;
    }
    bytes.bytes_per_block = bytes_per_block(shape, block_size, k, v, ranks);
    return bytes;
}

void ModelOptions::explain(const std::optional<MemoryBytes>& bytes, const Console& console) const {
    if (model.empty() || !bytes || !console.explains()) return;
    ModelShape shape = resolve_model(model);
    console.explain("model: " + bytes->model + ", " + describe(shape) + ", " + dtypes(shape.default_dtype) +
                    (tp.empty() ? "" : ", " + tp + " ranks") + ": " + format_count(bytes->bytes_per_token) + " bytes a token, " +
                    format_count(bytes->bytes_per_block) + " a block");
}

uint32_t ModelOptions::layers(const KvData* data) const {
    if (model.empty()) return data ? data->layers : 1;
    ModelShape shape = resolve_model(model);
    uint32_t growing = std::max(1u, growing_layers(shape));
    if (!data) return growing;
    bool same = growing == data->layers;
    for (const LayerGroup& g : shape.groups)
        same = same && (g.kind != LayerKind::full || (g.kv_heads == data->kv_heads && g.head_dim == data->head_dim));
    if (!same)
        throw_input("--model " + model + " is not the model of " + data->name + ", which has " + std::to_string(data->layers) +
                    " layers of " + std::to_string(data->kv_heads) + " KV heads x " + std::to_string(data->head_dim) +
                    "; expected its own, or no --model");
    return growing;
}

// ---- data ----------------------------------------------------------------------------------------------------

void DataOptions::add_to(Command& c) {
    const std::string group = "Data (quantized)";
    c.option("--kv-data", kv_data,
             "measure on these keys, values and queries: FILE.safetensors, or synthetic:tokens=1024,...; without a trace its "
             "sequences are replayed themselves", group, "FILE");
    c.option("--seed", seed, "with --kv-data: of strategies that draw random numbers (default 0)", group, "N");
}

uint64_t DataOptions::seed_number() const { return seed.empty() ? 0 : whole_option(seed, "--seed", 0, ~uint64_t{0}); }

std::unique_ptr<KvData> DataOptions::load(const std::string& layout, bool backend) const {
    if (!seed.empty() && !given()) throw_input("--seed has no effect without --kv-data");
    seed_number();
    if (!given()) return nullptr;
    if (layout != "quantized" && !backend)
        throw_input("--kv-data has no effect under --layout " + layout + " without --backend; it is for quantized");
    if (layout != "quantized" && !seed.empty()) throw_input("--seed has no effect under --layout " + layout);
    return std::make_unique<KvData>(load_kv_data(kv_data));
}

// ---- capacity ------------------------------------------------------------------------------------------------

void CapacityOptions::add_to(Command& c) {
    const std::string group = "Capacity (one of; default unlimited)";
    c.option("--blocks", blocks, "blocks: N, P% of the trace's unique blocks (rounded down), or unlimited", group,
             "N|P%|unlimited");
    c.option("--tokens", tokens, "tokens, as engines log them: floor(N / block size) blocks", group, "N");
    c.option("--memory", memory, "KV bytes of one replica after weights, e.g. 40GiB or 40GB; needs --model", group,
             "SIZE");
}

uint64_t CapacityOptions::resolve(const Trace& trace, const std::optional<MemoryBytes>& bytes,
                                  const Console& console) const {
    if (int(!blocks.empty()) + int(!tokens.empty()) + int(!memory.empty()) > 1)
        throw_input("--blocks, --tokens and --memory exclude each other; give one of them");
    if (blocks == "unlimited" || (blocks.empty() && tokens.empty() && memory.empty())) return kUnlimited;
    uint64_t capacity = 0;
    std::string given;
    if (!blocks.empty()) {
        given = blocks_option + " " + blocks;
        check_capacity(blocks, blocks_option);
        if (trace.lengths_only && blocks.back() == '%')
            throw_input(given + ": the trace names no blocks, so its unique blocks are unknown; expected a number of blocks");
        capacity = parse_share(blocks, trace.unique_blocks(), blocks_option);
        if (blocks.back() == '%')
            console.explain(given + " of " + format_count(trace.unique_blocks()) + " unique blocks = " + format_count(capacity) + " blocks");
    } else if (!tokens.empty()) {
        given = "--tokens " + tokens;
        capacity = whole_option(tokens, "--tokens", 1, ~uint64_t{0} / 2) / trace.block_size;
        console.explain(given + " / " + format_count(trace.block_size) + " tokens a block = " + format_count(capacity) + " blocks");
    } else {
        if (!bytes) throw_input("--memory needs --model, of a model with layers that grow with every token");
        given = "--memory " + memory;
        capacity = parse_size_bytes(memory, "--memory") / bytes->bytes_per_block;
        console.explain(given + " = " + format_count(parse_size_bytes(memory, "--memory")) + " bytes / " +
                        format_count(bytes->bytes_per_block) + " bytes a block (" + format_count(trace.block_size) + " tokens x " +
                        format_count(bytes->bytes_per_token) + " bytes of " + bytes->model + ") = " + format_count(capacity) + " blocks");
    }
    uint64_t unit = std::max<uint64_t>(trace.block_size, bytes ? bytes->bytes_per_block : 0);
    if (capacity > (uint64_t{1} << 63) / unit)
        throw_input(given + ": more than 2^63 tokens or bytes; use --blocks unlimited");
    if (capacity == 0)
        throw_input(given + " is less than one block of " + std::to_string(trace.block_size) + " tokens" +
                    (bytes ? " (" + format_count(bytes->bytes_per_block) + " bytes)" : ""));
    return capacity;
}

uint64_t CapacityOptions::resolve_tokens(Trace& trace, uint32_t block_size, const std::optional<MemoryBytes>& bytes,
                                         const Console& console) const {
    if (trace.objects) trace.refuse_objects("--match", "expected --match block");
    if (trace.content)
        throw_input("--match token: ids of format " + trace.format +
                    " name chunks of varying length, not prefixes; they cannot be re-blocked to single tokens");
    Trace in_blocks;  // what resolve() asks of a trace
    in_blocks.block_size = block_size;
    bool percent = !blocks.empty() && blocks.back() == '%';
    if (percent) in_blocks.chains = block_size == trace.block_size ? trace.chains : trace.chains_in(block_size);
    trace.reblock_to(1);
    if (!memory.empty()) return resolve(trace, bytes, console);
    uint64_t capacity = resolve(in_blocks, std::nullopt, console);
    if (capacity == kUnlimited) return capacity;
    capacity *= block_size;  // below 2^63, as resolve() has seen to
    if (bytes && capacity > (uint64_t{1} << 63) / bytes->bytes_per_block)
        throw_input("the capacity is more than 2^63 bytes; use --blocks unlimited");
    return capacity;
}

// ---- cache ---------------------------------------------------------------------------------------------------

void CacheOptions::add_to(Command& c) {
    const std::string group = "Cache";
    layout_option_ = c.option("--layout", given.layout, "cache layout, see `kvsim list layouts`", group, "ID");
    c.option("--eviction", given.eviction,
             "eviction strategy, see `kvsim list evictions` (default: lru under prefix and paged, none under contiguous)",
             group, "ID");
    c.option("--accounting", given.accounting,
             "prefix: how lookup, eviction and insertion interleave: pinned (default), flat or tree", group, "ID");
    add_rules_to(c);
}

void CacheOptions::add_engine_to(Command& c) {
    c.option("--engine", given.engine,
             "the cache manager of a serving engine instead of a layout and a strategy, see `kvsim list engines`", "Cache", "ID");
}

void CacheOptions::add_rules_to(Command& c) {
    const std::string group = "Cache";
    c.option("--match", given.match, "prefix: what can be reused: block (default): whole blocks; token: any leading tokens, all but the last of a "
             "prompt; snapshot[:max_entries=256,min_prefix_len=4]: whole stored prompts only; the capacity is still counted in "
              "blocks of --block-size",
             group, "ID");
    c.option("--on-full", given.on_full,
             "paged, contiguous: what happens when a sequence does not fit (default evict)", group, "evict|preempt|wait|fail");
    c.option("--preempt", given.preempt, "paged, contiguous: who is preempted (default latest: smallest priority, then latest)",
             group, "ID");
    c.option("--evict-threshold", given.evict_threshold,
             "paged: evict when used / capacity reaches F, from 0 to 1 (default: only when something does not fit)", group, "F");
    c.option("--evict-target", given.evict_target, "paged: ... until it is F or less (default: the threshold)", group, "F");
    c.option("--reserve", given.reserve,
             "contiguous: max (default): room for the trace's longest sequence; grow: the next power of two of blocks", group, "max|grow");
}

CacheConfig CacheOptions::resolve() const {
    CacheConfig config = given;
    if (!config.engine.empty() && config.layout == kDefaultLayout && !chose_layout()) config.layout.clear();
    resolve_cache(config);
    return config;
}

void CacheOptions::explain_defaults(const CacheConfig& resolved, const Console& console) const {
    if (!console.explains()) return;
    std::string chosen;
    auto add = [&](const std::string& option, const std::string& value) { chosen += (chosen.empty() ? "" : ", ") + option + " " + value; };
    if (resolved.engine.empty() && !chose_layout()) add("--layout", resolved.layout);
    for (const CacheOption& option : cache_options())
        if ((given.*option.value).empty() && !(resolved.*option.value).empty()) add(option.name, resolved.*option.value);
    if (!resolved.engine.empty()) console.explain("engine: " + resolved.engine);
    if (!chosen.empty()) console.explain("defaults: " + chosen);
}

void explain_path(const CacheConfig& cache, const Trace& trace, const RunOptions& run, const Console& console) {
    if (!console.explains() || !cache.engine.empty() || cache.layout != "prefix" || cache.match.rfind("snapshot", 0) == 0) return;
    Accounting accounting = Accounting::parse(cache.accounting);
    if (runs_apply(cache.eviction, accounting, trace, run)) {
        console.explain("replay: whole runs of the prefix index, a few steps a request");
    } else if (accounting.kind == AccountingKind::flat) {
        console.explain("replay: block by block, in runs of consecutive ids");
    } else {
        std::string why = cache.eviction != "lru"                ? cache.eviction + " decides about single blocks"
                          : run.concurrency == kByTrace          ? "requests do not end in the order in which they came"
                          : trace.has_named_output()             ? "the trace names output"
                                                                 : "a request is longer than the cache";
        console.explain("replay: block by block, as " + why);
    }
}

// ---- work ----------------------------------------------------------------------------------------------------

void WorkOptions::add_to(Command& c) {
    const std::string group = "Work";
    c.option("--decode", decode,
             "on: output takes blocks; off: prompts only; linked: on, and the next turn's prompt names the output "
             "(traces with sessions or parents)",
             group, "on|off|linked");
    c.option("--concurrency", concurrency,
             "requests that run at once and hold their blocks: N (default 1), or trace: until their recorded ends",
             group, "N|trace");
}

void WorkOptions::add_arrivals_to(Command& c) {
    c.option("--arrivals", arrivals,
             "engines: sequential (default): one request after the other; step: a scheduler, requests arrive at the steps that "
             "the trace names; time: at the steps that their times fall into",
             "Work", "sequential|step|time");
}

void WorkOptions::resolve_arrivals(RunOptions& run, const EngineRow* engine) const {
    if (arrivals.empty()) return;
    const std::vector<std::string> words = {"sequential", "step", "time"};
    size_t at = static_cast<size_t>(std::find(words.begin(), words.end(), arrivals) - words.begin());
    if (at == words.size())
        throw_input("--arrivals " + arrivals + ": expected sequential, step or time" + did_you_mean(arrivals, words));
    if (!engine) throw_input("--arrivals " + arrivals + " has no effect without --engine");
    run.arrivals = static_cast<Arrivals>(at);
    if (run.arrivals != Arrivals::sequential && !engine->scheduler)
        throw_input("--arrivals " + arrivals + ": " + engine->id + " is modelled one request after the other, without its scheduler");
}

void WorkOptions::resolve(RunOptions& run) const {
    if (decode != "on" && decode != "off" && decode != "linked")
        throw_input("--decode " + decode + ": expected on, off or linked" +
                    did_you_mean(decode, {"on", "off", "linked"}));
    run.decode = decode != "off";
    if (concurrency == "trace") {
        run.concurrency = kByTrace;
    } else if (!parse_whole(concurrency, run.concurrency) || run.concurrency == 0) {
        throw_input("--concurrency " + concurrency + ": expected a whole number from 1, or trace" +
                    did_you_mean(concurrency, {"trace"}));
    }
}

void SeriesOptions::add_to(Command& c) {
    c.option("--timeline", timeline,
             "series in the JSON report: utilization and hit rate at N points of the replay, hits by depth, age of evicted blocks "
             "(default: none; in replay with --export-html 200)",
             "Analysis", "N|none");
}

uint64_t SeriesOptions::points(bool page) const {
    constexpr uint64_t kDrawn = 200, kMost = 100000;
    if (timeline.empty()) return page ? kDrawn : 0;
    uint64_t n = 0;
    if (timeline == "none") return 0;
    if (!parse_whole(timeline, n) || n < 2 || n > kMost)
        throw_input("--timeline " + timeline + ": expected a whole number from 2 to " + std::to_string(kMost) + ", or none" +
                    did_you_mean(timeline, {"none"}));
    return n;
}

}  // namespace kvsim::app
