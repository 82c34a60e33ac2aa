// The axes of `kvsim compare`: which traces, in which blocks, under which models, layouts, strategies, engines and
// capacities; crossed, they are the cells of its report. What is said of engines alone is in compare_engines.cpp.
#pragma once

#include "options.h"

#include <kvsim/report/compare_report.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace kvsim::app {

class CompareAxes {
  public:
    void add_to(Command& command);
    void add_seeds_to(Command& command, const std::string& group);
    /// Whatever can be told wrong before a trace is read. Throws Error(input).
    void check();
    const std::vector<std::string>& inputs() const { return paths_; }
    /// Reads the traces and crosses the axes. What makes no sense is a cell with the reason in `spec.skip`.
    void make_cells(const Console& console, bool digest, CompareReport& report);
    /// What results depend on; a valid configuration of the command.
    void resolved(ConfigEntries& config) const;

    std::string versus;        ///< empty until check(): lru, or the first engine where only engines hit
    bool needs_versus = true;  ///< there are differences to tell, so the strategy they refer to is added
    size_t blame = 0;          ///< it was asked who lost most
    uint64_t timeline = 0;     ///< points of the series of each cell
    bool bounds = true, verify = false;
    uint64_t first_seed = 0;

  private:
    /// One trace in one block size, as a group of layouts sees it.
    struct Variant {
        std::unique_ptr<Trace> trace;
        std::unique_ptr<Trace> in_blocks;  ///< --match token: before it was cut into single tokens
        uint32_t asked_block_size = 0;     ///< --match token: capacities are counted in blocks of it
        std::string skip;                  ///< why there is none
    };
    /// What the cells of one table have in common.
    struct Group {
        size_t path = 0, table = 0;
        std::string block_size, model, kv_dtype, k_dtype, v_dtype;  ///< "": not given
    };

    void check_rules() const;
    void check_capacities() const;
    void check_engines();
    bool is_engine(const std::string& spec) const;
    void add_groups(size_t path, CompareReport& report);
    void load_all(const Console& console, bool digest, CompareReport& report);
    Variant variant(size_t path, const std::string& block_size, bool fork, bool tokens) const;
    const Variant& shared_variant(size_t path, const std::string& block_size, bool fork, bool tokens);
    void add_layout(const Group& group, const std::string& layout, CompareReport& report);
    void add_engine(const Group& group, const std::string& engine, CompareReport& report);
    void finish_engine(CompareCell& cell, const Trace& of_table) const;
    CapacityOptions capacity_of(const CompareCell& cell) const;
    CompareCell cell_of(const Group& group, const CacheConfig& config, const Variant& v, CompareReport& report);
    void add_model(CompareCell& cell, const Variant& v, bool tokens, CompareReport& report);
    void add_data(CompareCell& cell, CompareReport& report) const;
    ModelOptions model_of(const CompareCell& cell) const;
    void finish_cell(CompareCell& cell, const Variant& v);
    CacheConfig rules_of(const std::string& layout) const;
    std::vector<std::string> strategies(const CacheConfig& config) const;
    std::vector<std::string> accountings(const CacheConfig& config) const;
    std::vector<std::string> capacities() const;
    bool only_quantized() const;
    std::vector<std::string> with_seeds(const CacheConfig& cache) const;

    std::vector<std::string> paths_, block_sizes_, blocks_, tokens_, memory_, layouts_, evictions_, accountings_,
        engines_, models_, kv_dtypes_, k_dtypes_, v_dtypes_;
    TraceOptions trace_;
    CacheOptions cache_;
    ModelOptions model_;
    WorkOptions work_;
    DataOptions data_;
    std::string warmup_, seeds_ = "5", seed_ = "0";

    const Console* console_ = nullptr;
    std::unique_ptr<KvData> kv_data_;
    RunOptions run_;
    uint64_t seed_count_ = 5;
    std::vector<std::unique_ptr<Trace>> originals_;
    std::vector<uint32_t> default_block_sizes_;
    std::vector<std::pair<std::string, std::unique_ptr<Variant>>> variants_;
    std::vector<std::unique_ptr<PrefillFlops>> flops_;
};

}  // namespace kvsim::app
