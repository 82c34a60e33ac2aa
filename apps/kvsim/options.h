// Options that several commands share: which trace, how much room, which cache, which model.
#pragma once

#include "cli.h"

#include <kvsim/kvdata/kv_data.h>
#include <kvsim/report/replay_report.h>
#include <kvsim/sim/replay.h>
#include <kvsim/trace/format.h>

#include <memory>
#include <optional>
#include <string>

namespace kvsim::app {

/// Throws Error(input) naming `option` unless `text` is a whole number in [low, high].
uint64_t whole_option(const std::string& text, const std::string& option, uint64_t low, uint64_t high);

/// The items of an option that takes lists, see split_spec_list(). Throws Error(input) naming `option` if one is empty
/// or there twice.
std::vector<std::string> list_items(const std::vector<std::string>& given, const std::string& option);

/// Throws Error(input) unless it is N, P% or unlimited.
void check_capacity(const std::string& text, const std::string& option);

struct TraceOptions {
    std::string path, format = "auto", limit, block_size;

    void add_to(Command& command, bool replayed, bool required = true);
    /// The options without the argument itself.
    void add_options_to(Command& command);
    /// Loads with a progress line and says the trace's notes. `load_ms` is set if given.
    Trace load(const Console& console, bool digest, double* load_ms = nullptr) const {
        return load(console, digest, load_ms, false, nullptr);
    }
    /// `link`: name outputs by the next turn's prompt. `asked_block_size`: where given, the trace keeps its own block
    /// size and the one to use is stored here.
    Trace load(const Console& console, bool digest, double* load_ms, bool link, uint32_t* asked_block_size) const;
    LoadOptions load_options() const;
    /// The sequences of `data` as a trace, under the same options.
    Trace of_data(const KvData& data) const;
};

struct ModelOptions {
    std::string model, kv_dtype, k_dtype, v_dtype, tp, gpu;

    void add_to(Command& command);
    /// Bytes of a block of `block_size` tokens; nothing without --model (then the others are errors, but dtypes where
    /// there is `data` to store).
    std::optional<MemoryBytes> resolve(uint32_t block_size, std::vector<std::string>& lines, bool data = false) const;
    /// How tokens are stored; nothing without --model. A line where that is not all.
    std::optional<TokenStorage> storage(std::vector<std::string>& lines) const;
    /// Layers that budgets are told for. Throws Error(input) where the model is not that of the data.
    uint32_t layers(const KvData* data) const;
    /// Says the model's shape and the bytes that follow from it.
    void explain(const std::optional<MemoryBytes>& bytes, const Console& console) const;
    std::string keys() const { return k_dtype.empty() ? kv_dtype : k_dtype; }
    std::string values() const { return v_dtype.empty() ? kv_dtype : v_dtype; }
    /// "int4", or "keys int8, values int4"; `fallback` is what is used where none is given.
    std::string dtypes(const std::string& fallback) const;
    /// Nothing without --model, or (with a line that says why) where the model's FLOPs cannot be said.
    std::optional<PrefillFlops> flops(std::vector<std::string>& lines) const;
    /// Nothing without --model.
    std::optional<CostView> cost() const;
};

/// Recorded or made keys, values and queries, for --layout quantized.
struct DataOptions {
    std::string kv_data, seed;

    void add_to(Command& command);
    bool given() const { return !kv_data.empty(); }
    /// Nothing unless given. Throws Error(input) under another layout (but with a backend, which stores them under any), and
    /// on a --seed in vain.
    std::unique_ptr<KvData> load(const std::string& layout, bool backend = false) const;
    uint64_t seed_number() const;
};

/// Data mode: the same events on real keys and values.
struct BackendOptions {
    std::string backend = "none";
    bool attend = false;

    void add_to(Command& command);
    bool given() const { return backend != "none"; }
    /// Nothing unless given. Throws Error(input) on a model whose layers kernels cannot hold, and on --attend in vain.
    std::optional<DataRunOptions> resolve(const ModelOptions& model, const KvData* data, std::vector<std::string>& lines) const;
};

struct CapacityOptions {
    std::string blocks, tokens, memory;
    std::string blocks_option = "--blocks";  ///< how messages call it

    void add_to(Command& command);
    /// Blocks, or kUnlimited. Throws Error(input) unless at most one is given and it holds a block.
    uint64_t resolve(const Trace& trace, const std::optional<MemoryBytes>& bytes, const Console& console) const;
    /// --match token: the same room, counted in tokens; `bytes` are those of a block of one token. Re-blocks the trace,
    /// which has its own block size yet, to single tokens.
    uint64_t resolve_tokens(Trace& trace, uint32_t block_size, const std::optional<MemoryBytes>& bytes,
                            const Console& console) const;
};

struct CacheOptions {
    CacheConfig given;

    void add_to(Command& command);
    CacheOptions() { given.layout = kDefaultLayout; }
    bool chose_layout() const { return layout_option_ && layout_option_->count() > 0; }
    /// --engine, of commands that replay once.
    void add_engine_to(Command& command);
    /// All but the layout, strategy and accounting, which are lists in compare.
    void add_rules_to(Command& command);
    /// Checked and complete. Throws Error(input).
    CacheConfig resolve() const;
    /// Says what of the resolved configuration nobody chose.
    void explain_defaults(const CacheConfig& resolved, const Console& console) const;

  private:
    const CLI::Option* layout_option_ = nullptr;
};

/// Says how the prefix layout computes a replay of this.
void explain_path(const CacheConfig& cache, const Trace& trace, const RunOptions& run, const Console& console);

/// Series for plots.
struct SeriesOptions {
    std::string timeline;

    void add_to(Command& command);
    /// Points; 0: none. `page`: an HTML page is made, which draws them. Throws Error(input).
    uint64_t points(bool page) const;
};

struct WorkOptions {
    std::string decode = "on", concurrency = "1", arrivals;

    void add_to(Command& command);
    /// --arrivals, where there is --engine.
    void add_arrivals_to(Command& command);
    /// Throws Error(input).
    void resolve(RunOptions& run) const;
    /// The same for --arrivals; `engine`: nullptr without one.
    void resolve_arrivals(RunOptions& run, const EngineRow* engine) const;
    bool linked() const { return decode == "linked"; }
};

}  // namespace kvsim::app
