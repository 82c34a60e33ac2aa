#include <kvsim/core/error.h>
#include <kvsim/core/units.h>
#include <kvsim/report/check_parts.h>
#include <kvsim/report/export_parts.h>

#include <algorithm>
#include <map>
#include <set>

namespace kvsim {

namespace {

[[noreturn]] void wrong(const std::string& file, const std::string& what) {
    throw_input(file + ": " + what + "; this is no whole report of kvsim");
}

const Json& part(const std::string& file, const Json& j, const char* key, bool array, const std::string& of) {
    auto found = j.find(key);
    if (found == j.end() || (array ? !found->is_array() : !found->is_object()))
        wrong(file, of + ": expected " + key + (array ? ", an array" : ", an object"));
    return *found;
}


// Traces go by their bytes, since the same trace may have another file name; the second of the same bytes is "...#2".
std::map<std::string, std::string> trace_ids(const std::string& file, const Json& report) {
    std::map<std::string, std::string> ids;
    std::map<std::string, int> times;
    for (const Json& t : part(file, report, "traces", true, "compare")) {
        if (!t.is_object() || !t.contains("name") || !t["name"].is_string())
            wrong(file, "traces: expected objects with a name");
        std::string name = t["name"],
                    sha = t.contains("sha256") && t["sha256"].is_string() ? t["sha256"].get<std::string>() : "";
        if (sha.empty() || ids.count(name) != 0) continue;
        ids[name] = sha + "#" + std::to_string(++times[sha]);
    }
    return ids;
}

void add_cells(CheckParts& p) {
    std::map<std::string, std::string> traces = trace_ids(p.file, *p.report);
    for (const Json& cell : part(p.file, *p.report, "cells", true, "compare")) {
        std::string of = "cell " + std::to_string(p.cells.size());
        if (!cell.is_object()) wrong(p.file, of + ": expected an object");
        CheckUnit unit;
        unit.json = &cell;
        for (const auto& [axis, value] : part(p.file, cell, "axes", false, of).items()) {
            std::string text = text_of(value);
            if (axis == "trace" && traces.count(text) != 0) text = traces[text];
            unit.id += axis + "=" + text + "\n";
        }
        std::string status =
            cell.contains("status") && cell["status"].is_string() ? cell["status"].get<std::string>() : "";
        if (status != "ok" && status != "skipped" && status != "interrupted")
            wrong(p.file, of + ": expected status, ok or skipped or interrupted");
        unit.ok = status == "ok";
        if (unit.ok)
            part(p.file, cell, "results", false, of);
        else
            unit.status = status + (cell.contains("reason") ? ": " + text_of(cell["reason"]) : "");
        p.cells.push_back(std::move(unit));
    }
}

void add_points(CheckParts& p) {
    part(p.file, *p.report, "curve", false, "curve");
    if (!p.report->contains("points")) return;
    for (const Json& point : part(p.file, *p.report, "points", true, "curve")) {
        if (!point.is_object() || !point.contains("blocks") || !point["blocks"].is_number_unsigned())
            wrong(p.file, "points: expected objects with blocks");
        uint64_t blocks = point["blocks"];
        CheckUnit unit;
        unit.id = std::to_string(blocks);
        unit.name = format_count(blocks) + (blocks == 1 ? " block" : " blocks");
        unit.json = &point;
        p.cells.push_back(std::move(unit));
    }
}

void add_kernels(CheckParts& p) {
    for (const Json& k : part(p.file, *p.report, "kernels", true, "bench")) {
        if (!k.is_object() || !k.contains("name") || !k["name"].is_string() || !k.contains("backend") ||
            !k["backend"].is_string())
            wrong(p.file, "a row of kernels: expected name and backend");
        CheckUnit unit;
        unit.id = k["name"].get<std::string>() + " " + k["backend"].get<std::string>();
        if (k.contains("shape") && k["shape"].is_object())
            for (const auto& [key, value] : k["shape"].items()) unit.id += " " + key + "=" + text_of(value);
        unit.name = unit.id;
        unit.json = &k;
        unit.ok = k.contains("median_us") && k["median_us"].is_number();
        if (!unit.ok) unit.status = k.contains("status") ? text_of(k["status"]) : "not measured";
        if (!unit.ok && k.contains("reason")) unit.status += ": " + text_of(k["reason"]);
        p.cells.push_back(std::move(unit));
    }
    if (std::none_of(p.cells.begin(), p.cells.end(), [](const CheckUnit& u) { return u.ok; }))
        throw_input(p.file + ": nothing was measured");
}

}  // namespace

// What walks a report calls itself as deep as it is nested.
static void check_depth(const std::string& file, const Json& report) {
    std::vector<std::pair<const Json*, int>> open = {{&report, 0}};
    while (!open.empty()) {
        auto [at, depth] = open.back();
        open.pop_back();
        if (depth > 40) wrong(file, "nested deeper than 40 levels");
        for (const Json& below : *at)
            if (below.is_structured()) open.emplace_back(&below, depth + 1);
    }
}

CheckParts check_parts(const std::string& file, const Json& report) {
    CheckParts p;
    p.file = file;
    p.report = &report;
    p.whole.json = &report;
    check_depth(file, report);
    const std::string kind = report.at("kind");
    if (kind == "compare")
        add_cells(p);
    else if (kind == "curve")
        add_points(p);
    else if (kind == "bench")
        add_kernels(p);
    else if (kind == "replay" || kind == "size")
        part(file, report, "results", false, kind);
    else
        throw_input(file + ": a report of kind \"" + kind +
                    "\" has nothing to gate; expected replay, compare, curve, size or bench");
    std::set<std::string> ids;
    for (const CheckUnit& u : p.cells)
        if (!ids.insert(u.id).second) wrong(file, "there twice: " + printable(u.id));
    return p;
}

void name_cells(CheckParts& a, CheckParts* b) {
    if (a.report->at("kind") != "compare" || (b && b->report->at("kind") != "compare")) return;
    std::map<std::string, std::set<std::string>> values;
    for (const CheckParts* p : {static_cast<const CheckParts*>(&a), static_cast<const CheckParts*>(b)}) {
        if (!p) continue;
        for (const CheckUnit& u : p->cells)
            for (const auto& [axis, value] : u.json->at("axes").items())
                values[axis].insert(axis == "trace" ? u.id.substr(0, u.id.find('\n')) : text_of(value));
    }
    for (CheckParts* p : {&a, b}) {
        if (!p) continue;
        for (CheckUnit& u : p->cells) {
            for (const auto& [axis, value] : u.json->at("axes").items()) {
                bool always = axis == "eviction" || axis == "engine" || axis == "capacity";
                if (!always && values[axis].size() < 2) continue;
                u.name += (u.name.empty() ? "" : " ") + (axis == "block_size" ? "block_size=" : std::string()) +
                          text_of(value);
            }
            if (u.name.empty()) u.name = "cell";
        }
    }
}

static void walk(const Json& j, const std::string& path, const Json* parent, CheckArrays arrays,
                 const std::function<void(const CheckLeaf&)>& f) {
    auto below = [&](const std::string& name) { return path.empty() ? name : path + "." + name; };
    if (j.is_object()) {
        for (const auto& [key, value] : j.items()) walk(value, below(key), &j, arrays, f);
    } else if (j.is_array()) {
        if (arrays == CheckArrays::without) return;
        std::set<std::string> taken;
        for (size_t i = 0; i < j.size(); ++i) {
            std::string name = std::to_string(i);
            if (j[i].is_object() && j[i].contains("label") && j[i]["label"].is_string()) {
                std::string label = j[i]["label"];
                if (label.empty()) label = "(none)";
                if (taken.insert(label).second) name = label;
            }
            walk(j[i], below(name), &j, arrays, f);
        }
    } else {
        f({path, &j, parent});
    }
}

void for_each_leaf(const Json& json, const std::string& path, CheckArrays arrays,
                   const std::function<void(const CheckLeaf&)>& f) {
    walk(json, path, nullptr, arrays, f);
}

// What is no number that could be meant, or is looked up elsewhere.
static bool looked_up(const CheckParts& parts, const CheckUnit& unit, const std::string& key) {
    static const std::set<std::string> never = {"schema_version", "kind", "tool", "definitions"};
    if (never.count(key) != 0) return false;
    if (unit.json != parts.report) return true;
    const std::string kind = parts.report->at("kind");
    return !(kind == "compare" && key == "cells") && !(kind == "bench" && key == "kernels") &&
           !(kind == "curve" && (key == "points" || key == "curve"));
}

// The first place is `results`; a point of a curve is one itself, but for its bounds.
static void for_each_of(const CheckParts& parts, const CheckUnit& unit, bool first,
                        const std::function<void(const CheckLeaf&)>& f) {
    bool has_results = unit.json->contains("results");
    for (const auto& [key, value] : unit.json->items()) {
        if (!looked_up(parts, unit, key)) continue;
        if (!first) {
            walk(value, key, unit.json, CheckArrays::with, f);
        } else if (has_results && key == "results" && value.is_object()) {
            for (const auto& [name, part] : value.items())
                if (name != "observed") walk(part, key + "." + name, &value, CheckArrays::without, f);
        } else if (!has_results && unit.json != parts.report && key != "bounds") {
            walk(value, key, unit.json, CheckArrays::without, f);
        }
    }
}

std::vector<CheckLeaf> find_key(const CheckParts& parts, const CheckUnit& unit, const std::string& key) {
    for (bool first : {true, false}) {
        std::vector<CheckLeaf> found;
        bool whole = false;
        for_each_of(parts, unit, first, [&](const CheckLeaf& leaf) {
            if (leaf.path == key) {
                if (!whole) found.clear();
                whole = true;
                found.push_back(leaf);
                return;
            }
            size_t n = leaf.path.size(), k = key.size();
            if (!whole && n > k && leaf.path[n - k - 1] == '.' && leaf.path.compare(n - k, k, key) == 0)
                found.push_back(leaf);
        });
        if (!found.empty()) return found;
    }
    return {};
}

std::vector<std::string> all_paths(const CheckParts& parts, const CheckUnit& unit) {
    std::vector<std::string> paths;
    for_each_of(parts, unit, false, [&](const CheckLeaf& leaf) {
        if (leaf.value->is_number()) paths.push_back(leaf.path);
    });
    return paths;
}

Exact exact_of(const Json& number) {
    if (number.is_number_unsigned()) return Exact(number.get<uint64_t>());
    if (number.is_number_integer()) {
        int64_t n = number.get<int64_t>();
        return n < 0 ? -Exact(uint64_t{0} - static_cast<uint64_t>(n)) : Exact(static_cast<uint64_t>(n));
    }
    return Exact::of(number.get<double>());
}

bool same_value(const Json& a, const Json& b) {
    if (a.is_number_float() && b.is_number_float()) return a.get<double>() == b.get<double>();
    // nlohmann-json takes -1 for 2^64 - 1 where one is signed and the other is not.
    if (a.is_number() && b.is_number()) return a.type() == b.type() ? a == b : exact_of(a) == exact_of(b);
    return a == b;
}

std::string place_of(const CheckParts& parts, const CheckUnit& unit) {
    return parts.file + ": " + (unit.name.empty() ? "" : printable(unit.name) + ": ");
}

}  // namespace kvsim
