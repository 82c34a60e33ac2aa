// Engines as an axis of `kvsim compare`. An engine has its own rules for everything, so it is a row beside the strategies:
// no layout, accounting or eviction crosses it. One whose blocks have a size of their own (SGLang's pages) gets the trace in
// these, whatever the blocks of its table; the room stays the same, in bytes or in tokens.
#include "compare_axes.h"

#include <kvsim/core/error.h>
#include <kvsim/core/spec.h>
#include <kvsim/core/suggest.h>
#include <kvsim/engine/engines.h>

#include <algorithm>

namespace kvsim::app {

namespace {

/// Complete: two texts that mean the same engine give the same. Throws Error(input).
CacheConfig config_of(const std::string& engine) {
    CacheConfig config;
    config.engine = engine;
    join_block_size(config, 0);
    resolve_cache(config);
    return config;
}

/// The item that means the same engine; "" if there is none.
std::string same_engine(const std::vector<std::string>& list, const std::string& engine) {
    CacheConfig config = config_of(engine);
    auto found = std::find_if(list.begin(), list.end(), [&](const std::string& e) { return config_of(e) == config; });
    return found == list.end() ? "" : *found;
}

/// The capacity in blocks of `trace`; --blocks counts those of the table.
uint64_t room(const CapacityOptions& capacity, const Trace& of_table, const Trace& trace, const std::optional<MemoryBytes>& bytes,
              const Console& console) {
    if (capacity.blocks.empty() || of_table.block_size == trace.block_size) return capacity.resolve(trace, bytes, console);
    uint64_t blocks = capacity.resolve(of_table, std::nullopt, console);
    if (blocks == kUnlimited) return kUnlimited;
    uint64_t tokens = blocks * of_table.block_size;  // below 2^63, as resolve() has seen to
    uint64_t own = tokens / trace.block_size;
    if (own == 0)
        throw_input("--blocks " + capacity.blocks + ": " + std::to_string(tokens) + " tokens are less than one block of " +
                    std::to_string(trace.block_size));
    if (bytes && own > (uint64_t{1} << 63) / bytes->bytes_per_block)
        throw_input("--blocks " + capacity.blocks + ": more than 2^63 bytes; use --blocks unlimited");
    return own;
}

}  // namespace

bool CompareAxes::is_engine(const std::string& spec) const { return engines().find(Spec::parse(spec).id()) != nullptr; }

// Also settles who the others are compared with.
void CompareAxes::check_engines() {
    EngineRow any;
    any.scheduler = true;
    RunOptions ignored;
    work_.resolve_arrivals(ignored, engines_.empty() ? nullptr : &any);  // engines without a scheduler are skipped cells
    for (size_t i = 0; i < engines_.size(); ++i) {
        std::string same = same_engine({engines_.begin(), engines_.begin() + static_cast<ptrdiff_t>(i)}, engines_[i]);
        if (!same.empty()) throw_input("--engine " + engines_[i] + ": given twice, also as " + same);
    }
    bool alone = layouts_.empty();
    if (alone && blame > 0) throw_input("--blame has no effect with --engine alone: regret is told by a bound, and engines have none");
    bool strategies = std::any_of(layouts_.begin(), layouts_.end(), [](const auto& id) { return layouts().get(id).prefix_hits; });
    if (versus.empty()) versus = engines_.empty() || strategies ? "lru" : engines_.front();
    if (!is_engine(versus)) {
        if (alone)
            throw_input("--versus " + versus + ": expected an engine, as there are no others" +
                        did_you_mean(versus, engines().ids()));
        return;
    }
    std::string same = same_engine(engines_, versus);
    if (!same.empty()) {
        versus = same;
    } else if (needs_versus) {
        engines_.insert(engines_.begin(), versus);
    }
}

void CompareAxes::add_engine(const Group& group, const std::string& engine, CompareReport& report) {
    CacheConfig config;
    config.engine = engine;
    uint32_t own = join_block_size(config, 0);
    const Variant& of_table = shared_variant(group.path, group.block_size, false, false);
    bool same = own == 0 || own == of_table.trace->block_size;
    const Variant& v = same ? of_table : shared_variant(group.path, std::to_string(own), false, false);
    CompareCell cell = cell_of(group, config, v, report);
    cell.engine = engine;
    ReplayReport& t = report.traces[group.table];
    if (!t.trace) t.trace = of_table.trace.get();
    std::vector<std::string> sizes = capacities();
    for (size_t k = 0; k < sizes.size(); ++k) {
        CompareCell c = cell;
        c.column = k;
        c.capacity = sizes[k];
        finish_engine(c, *of_table.trace);
        report.cells.push_back(std::move(c));
    }
}

void CompareAxes::finish_engine(CompareCell& c, const Trace& of_table) const {
    if (!c.spec.skip.empty()) return;
    ReplayOptions& o = c.spec.options;
    try {
        work_.resolve_arrivals(o.run, engine_of(o.cache));
        if (work_.concurrency != "1")
            throw_input("--concurrency " + work_.concurrency +
                        " has no effect with --engine: one request after the other, or its scheduler (--arrivals)");
        resolve_cache(o.cache);
        o.run.capacity_blocks = room(capacity_of(c), of_table, *c.spec.trace, c.memory, *console_);
    } catch (const Error& e) {
        if (e.kind() != ErrorKind::input) throw;
        c.spec.skip = e.what();
    }
}

}  // namespace kvsim::app
