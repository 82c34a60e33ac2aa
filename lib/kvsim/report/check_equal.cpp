// Without rules everything must be as it was: results and bounds, value by value, and the columns of a curve. What got
// better is a difference too, since a baseline that nobody renews no longer guards what was gained.
#include <kvsim/core/error.h>
#include <kvsim/core/units.h>
#include <kvsim/report/check_parts.h>

#include <algorithm>
#include <map>
#include <set>

namespace kvsim {

namespace {

// More of these is better, of those less; of all others nobody can say.
int direction(const std::string& path) {
    static const std::set<std::string> up = {"token_hit_rate",
                                             "block_hit_rate",
                                             "flop_hit_rate",
                                             "hit_tokens",
                                             "hit_blocks",
                                             "any_hit_blocks",
                                             "any_hit_tokens",
                                             "completed",
                                             "with_hit",
                                             "p10",
                                             "p50",
                                             "p90",
                                             "prefill_flops_saved",
                                             "prefill_seconds_saved",
                                             "requests_equal",
                                             "retained_mass",
                                             "mean_token_fill"};
    static const std::set<std::string> down = {"rejected",
                                               "waited",
                                               "preempted",
                                               "recomputed_tokens",
                                               "zero_hit",
                                               "stranded",
                                               "capacity",
                                               "regret",
                                               "stranded_blocks",
                                               "internal_fragmentation",
                                               "copied_tokens",
                                               "cow_copies",
                                               "peak_bytes",
                                               "key_nmse",
                                               "value_nmse",
                                               "output_nmse",
                                               "nmse",
                                               "bits_per_value",
                                               "bits_per_held_value",
                                               "mean_abs_error_tokens",
                                               "blocks_for_goal"};
    if (path.rfind("bounds.", 0) == 0) return 0;  // what the trace has in it
    if (path.rfind("results.evictions.", 0) == 0 || path.rfind("capacity.", 0) == 0) return -1;
    if (path.rfind("knees.", 0) == 0 && path.find(".share") == std::string::npos) return -1;
    std::string name = path.substr(path.rfind('.') + 1);
    return up.count(name) != 0 ? 1 : down.count(name) != 0 ? -1 : 0;
}

CheckVerdict verdict_of(const std::string& path, int more) {
    int good = direction(path) * more;
    return good > 0 ? CheckVerdict::better : good < 0 ? CheckVerdict::worse : CheckVerdict::changed;
}

std::string json_text(const Json& j) { return j.dump(-1, ' ', false, Json::error_handler_t::replace); }

/// What of a unit must be equal.
std::vector<std::string> compared(const std::string& kind, bool cell) {
    if (kind == "curve")
        return cell ? std::vector<std::string>{}
                    : std::vector<std::string>{"lookup_blocks", "lookup_tokens", "exact_from_blocks", "by", "tiers",
                                               "knees",         "bounds"};
    if (kind == "size") return {"goal", "capacity", "bytes", "results", "bounds"};
    return {"results", "bounds"};
}

std::map<std::string, const Json*> leaves_of(const CheckParts& p, const CheckUnit& u, bool cell,
                                             std::vector<std::string>& order) {
    std::map<std::string, const Json*> leaves;
    auto take = [&](const CheckLeaf& leaf) {
        // What was asked for is configuration.
        if (leaf.path == "goal.metric" || leaf.path == "goal.value") return;
        if (leaf.path.rfind("by.", 0) == 0 && leaf.path.find(".curve.") != std::string::npos) return;
        if (leaf.value->is_null()) throw_input(place_of(p, u) + leaf.path + " is null; expected a number");
        leaves[leaf.path] = leaf.value;
        order.push_back(leaf.path);
    };
    std::vector<std::string> keys = compared(p.report->at("kind"), cell);
    if (keys.empty()) {
        for_each_leaf(*u.json, "", CheckArrays::with, take);
    } else {
        for (const std::string& key : keys)
            if (u.json->contains(key)) for_each_leaf((*u.json)[key], key, CheckArrays::with, take);
    }
    return leaves;
}

void compare_units(const CheckParts& a, const CheckUnit& x, const CheckParts& b, const CheckUnit& y, bool cell,
                   Check& check) {
    std::vector<std::string> order, before;
    std::map<std::string, const Json*> is = leaves_of(a, x, cell, order), was = leaves_of(b, y, cell, before);
    auto add = [&](CheckVerdict v, const std::string& path, const Json* w, const Json* i) {
        check.findings.push_back({v, true, x.name, path, "", w ? json_text(*w) : "", i ? json_text(*i) : "", "equal", ""});
    };
    for (const std::string& path : order) {
        auto found = was.find(path);
        const Json& now = *is[path];
        if (found == was.end()) {
            add(CheckVerdict::added, path, nullptr, &now);
        } else if (same_value(now, *found->second)) {
            ++check.equal;
            check.not_measured += now == "not measured";
        } else {
            bool numbers = now.is_number() && found->second->is_number();
            int more = numbers ? exact_of(now).compare(exact_of(*found->second)) : 0;
            add(verdict_of(path, more), path, found->second, &now);
        }
    }
    for (const std::string& path : before)
        if (is.count(path) == 0) add(CheckVerdict::missing, path, was[path], nullptr);
}

// ---- columns of curves -----------------------------------------------------------------------------------------

using Column = std::map<uint64_t, uint64_t>;  ///< by capacity

std::vector<std::pair<std::string, Column>> columns_of(const CheckParts& p, const Json& curve,
                                                       const std::string& path) {
    auto numbers = [&](const std::string& key) {
        std::vector<uint64_t> v;
        bool good = curve.contains(key) && curve[key].is_array();
        if (good)
            for (const Json& n : curve[key]) {
                good = good && n.is_number_unsigned();
                if (good) v.push_back(n);
            }
        if (!good) throw_input(p.file + ": " + path + "." + key + ": expected an array of whole numbers");
        return v;
    };
    std::vector<uint64_t> blocks = numbers("blocks");
    std::vector<std::pair<std::string, Column>> columns;
    for (const auto& [key, values] : curve.items()) {
        if (key == "blocks") continue;
        std::vector<uint64_t> v = numbers(key);
        if (v.size() != blocks.size())
            throw_input(p.file + ": " + path + "." + key + ": expected as many values as blocks");
        columns.push_back({path + "." + key, {}});
        for (size_t i = 0; i < v.size(); ++i)
            if (!columns.back().second.emplace(blocks[i], v[i]).second)
                throw_input(p.file + ": " + path + ".blocks: " + std::to_string(blocks[i]) + " is there twice");
    }
    return columns;
}

/// An exact curve says everything: a value holds from its capacity to the next.
bool holds_between(const CheckParts& p) {
    const Json& report = *p.report;
    return report.contains("exact_from_blocks") &&
           !(report.contains("config") && report["config"].is_object() && report["config"].contains("points"));
}

std::optional<uint64_t> value_at(const Column& c, uint64_t blocks, bool holds) {
    auto next = c.upper_bound(blocks);
    if (next == c.begin()) return holds ? std::optional<uint64_t>(0) : std::nullopt;
    --next;
    if (next->first == blocks || holds) return next->second;
    return {};
}

/// One finding for a column: how many capacities differ, and where most.
void compare_column(const std::string& path, const Column& is, const Column& was, bool is_holds, bool was_holds,
                    Check& check) {
    std::set<uint64_t> capacities;
    for (const Column* c : {&is, &was})
        for (const auto& [blocks, value] : *c) capacities.insert(blocks);
    uint64_t differ = 0, more = 0, missing = 0, added = 0, most = 0, at = 0;
    for (uint64_t blocks : capacities) {
        std::optional<uint64_t> x = value_at(is, blocks, is_holds), y = value_at(was, blocks, was_holds);
        if (x == y) {
            ++check.equal;
            continue;
        }
        if (!x || !y) {
            ++(x ? added : missing);
            continue;
        }
        ++differ;
        more += *x > *y;
        uint64_t by = std::max(*x, *y) - std::min(*x, *y);
        if (by > most) most = by, at = blocks;
    }
    if (differ > 0) {
        CheckVerdict v = more == differ ? CheckVerdict::better
                         : more == 0    ? CheckVerdict::worse
                                        : CheckVerdict::changed;
        check.findings.push_back(
            {v, true, format_count(at) + (at == 1 ? " block" : " blocks"), path, "",
             std::to_string(*value_at(was, at, was_holds)), std::to_string(*value_at(is, at, is_holds)), "equal",
             format_count(differ) + " of " + format_count(capacities.size()) + " capacities differ, this one most"});
    }
    auto one_sided = [&](uint64_t count, CheckVerdict v, const char* where) {
        if (count > 0)
            check.findings.push_back({v, true, "", path, "", "", "", "equal",
                                      format_count(count) + " capacities are in the " + where + " only"});
    };
    one_sided(missing, CheckVerdict::missing, "baseline");
    one_sided(added, CheckVerdict::added, "report");
}

void compare_curves(const CheckParts& a, const CheckParts& b, Check& check) {
    auto all = [](const CheckParts& p) {
        std::map<std::string, Column> columns;
        auto take = [&](const Json& curve, const std::string& path) {
            for (auto& [key, column] : columns_of(p, curve, path)) columns[key] = std::move(column);
        };
        take((*p.report)["curve"], "curve");
        if (!p.report->contains("by")) return columns;
        for (const Json& group : (*p.report)["by"]) {
            bool whole =
                group.is_object() && group.contains("label") && group["label"].is_string() && group.contains("curve");
            if (!whole) throw_input(p.file + ": by: expected objects with label and curve");
            take(group["curve"], "by." + group["label"].get<std::string>() + ".curve");
        }
        return columns;
    };
    std::map<std::string, Column> is = all(a), was = all(b);
    for (const auto& [path, column] : is) {
        auto found = was.find(path);
        if (found != was.end())
            compare_column(path, column, found->second, holds_between(a), holds_between(b), check);
        else
            check.findings.push_back({CheckVerdict::added, true, "", path, "", "", "", "equal", ""});
    }
    for (const auto& [path, column] : was)
        if (is.count(path) == 0)
            check.findings.push_back({CheckVerdict::missing, true, "", path, "", "", "", "equal", ""});
}

}  // namespace

void check_equal(const CheckParts& a, const CheckParts& b, Check& check) {
    std::map<std::string, const CheckUnit*> before;
    for (const CheckUnit& u : b.cells) before[u.id] = &u;
    auto add = [&](CheckVerdict v, bool failed, const CheckUnit& u, const std::string& was, const std::string& is) {
        check.findings.push_back({v, failed, u.name, "", "", was, is, "equal", ""});
    };
    auto words = [](const CheckUnit& u) {
        return Json(u.ok ? "ok" : u.status).dump(-1, ' ', false, Json::error_handler_t::replace);
    };
    if ((a.cells.empty() && b.cells.empty()) || check.kind == "curve") compare_units(a, a.whole, b, b.whole, false, check);
    if (check.kind == "curve") compare_curves(a, b, check);
    for (const CheckUnit& u : a.cells) {
        auto found = before.find(u.id);
        if (found == before.end()) {
            add(CheckVerdict::added, true, u, "", words(u));
            continue;
        }
        const CheckUnit& then = *found->second;
        before.erase(found);
        if (u.ok && then.ok)
            compare_units(a, u, b, then, true, check);
        else if (u.ok != then.ok)
            add(u.ok ? CheckVerdict::added : CheckVerdict::missing, true, u, words(then), words(u));
        else
            add(CheckVerdict::skipped, u.status.rfind("interrupted", 0) == 0, u, words(then), words(u));
    }
    for (const CheckUnit& u : b.cells)
        if (before.count(u.id) != 0) add(CheckVerdict::missing, true, u, words(u), "");
}

}  // namespace kvsim
