// A report taken apart for the gate: what is judged one by one (cells, points, kernels), what values are called, and
// where they are found. Only for the sources of this room.
#pragma once

#include <kvsim/report/check.h>
#include <kvsim/report/results_json.h>

#include <functional>
#include <string>
#include <vector>

namespace kvsim {

/// What rules are applied to: a cell of compare, a point of a curve, a kernel of bench, or the report itself.
struct CheckUnit {
    std::string id;    ///< equal in both reports where the same thing is meant
    std::string name;  ///< for people; empty: the report itself
    const Json* json = nullptr;
    bool ok = true;      ///< has numbers
    std::string status;  ///< "skipped: no such layout"
};

struct CheckParts {
    std::string file;
    const Json* report = nullptr;
    std::vector<CheckUnit> cells;  ///< empty: the report is one unit
    CheckUnit whole;               ///< all but the cells
};

/// Throws Error(input) naming `file` where the report is not what its kind should be.
CheckParts check_parts(const std::string& file, const Json& report);
/// Names of the cells of two reports (the second may be nullptr) by the axes that tell them apart.
void name_cells(CheckParts& a, CheckParts* b);

struct CheckLeaf {
    std::string path;  ///< "results.hits.token_hit_rate"
    const Json* value = nullptr;
    const Json* parent = nullptr;
};

enum class CheckArrays : uint8_t { without, with };

/// Every value that is neither object nor array. Elements of arrays are called by their label, else by their place.
void for_each_leaf(const Json& json, const std::string& path, CheckArrays arrays,
                   const std::function<void(const CheckLeaf&)>& f);

/// What `key` means in a unit: the first place that has it counts, `results` without `observed` and arrays, then all.
std::vector<CheckLeaf> find_key(const CheckParts& parts, const CheckUnit& unit, const std::string& key);
/// All paths that a key could have meant there.
std::vector<std::string> all_paths(const CheckParts& parts, const CheckUnit& unit);

Exact exact_of(const Json& number);
/// a == b, whatever digits they are written in.
bool same_value(const Json& a, const Json& b);
/// "a.json: " or "a.json: lru 10%: ".
std::string place_of(const CheckParts& parts, const CheckUnit& unit);

/// Throws Error(input) where the reports cannot be held against each other; warnings and changes of the configuration
/// go to `check`.
void check_comparable(const CheckParts& report, const CheckParts& baseline, const std::vector<std::string>& paths,
                      Check& check);
/// Without rules: what is not equal.
void check_equal(const CheckParts& report, const CheckParts& baseline, Check& check);
/// Without rules: times against the intervals of both.
void check_times(const CheckParts& report, const CheckParts& baseline, Check& check);

}  // namespace kvsim
