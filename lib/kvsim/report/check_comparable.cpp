// Whether two reports speak of the same thing: what differs here is no regression but another question.
#include <kvsim/core/error.h>
#include <kvsim/core/suggest.h>
#include <kvsim/core/units.h>
#include <kvsim/report/check_parts.h>

#include <algorithm>
#include <map>
#include <set>

namespace kvsim {

namespace {

std::string shortened(const std::string& text) {
    return printable(text.size() <= 200 ? text : text.substr(0, 200) + "...");
}

[[noreturn]] void differ(const CheckParts& a, const CheckParts& b, const std::string& what, const std::string& is,
                         const std::string& was) {
    throw_input(a.file + ": " + what + " is " + (is.empty() ? "not told" : shortened(is)) + ", in the baseline " +
                b.file + " " + (was.empty() ? "it is not told" : shortened(was)) +
                "; such reports are not held against each other");
}

std::string member(const Json& j, const char* key) {
    if (!j.is_object() || !j.contains(key)) return {};
    return j[key].is_string() ? j[key].get<std::string>() : j[key].dump(-1, ' ', false, Json::error_handler_t::replace);
}

// ---- traces ----------------------------------------------------------------------------------------------------

std::map<std::string, std::string> digests(const CheckParts& p) {
    std::map<std::string, std::string> d;
    if (p.report->contains("traces"))
        for (const Json& t : (*p.report)["traces"]) d[member(t, "name")] = member(t, "sha256");
    else if (p.report->contains("trace"))
        d[""] = member((*p.report)["trace"], "sha256");
    return d;
}

// Under one name there are the same bytes; and some trace is in both.
void check_traces(const CheckParts& a, const CheckParts& b, Check& check) {
    std::map<std::string, std::string> is = digests(a), was = digests(b);
    std::set<std::string> known;
    for (const auto& [name, digest] : was) known.insert(digest);
    bool any = is.empty() && was.empty(), untold = false;
    for (const auto& [name, digest] : is) {
        auto same_name = was.find(name);
        std::string what = "trace.sha256" + (name.empty() ? "" : " of " + printable(name));
        if (same_name != was.end() && same_name->second != digest) differ(a, b, what, digest, same_name->second);
        any = any || known.count(digest) != 0;
        untold = untold || (digest.empty() && a.report->contains("config") && (*a.report)["config"].contains("trace"));
    }
    if (!any)
        differ(a, b, "trace.sha256", is.empty() ? "" : is.begin()->second, was.empty() ? "" : was.begin()->second);
    if (untold)
        check.warnings.push_back(
            "neither report has the digest of a trace (trace.sha256): whether it is the same cannot be told");
}

// ---- data and devices ------------------------------------------------------------------------------------------

void check_source(const CheckParts& a, const CheckUnit& x, const CheckParts& b, const CheckUnit& y) {
    auto source = [](const CheckUnit& u) -> const Json* {
        const Json* at = u.json;
        for (const char* key : {"results", "compression", "data_source"}) {
            if (!at->is_object() || !at->contains(key)) return nullptr;
            at = &(*at)[key];
        }
        return at;
    };
    const Json *is = source(x), *was = source(y);
    if (!is || !was) return;
    for (const char* key : {"kind", "sha256"})
        if (member(*is, key) != member(*was, key))
            differ(a, b, (x.name.empty() ? "" : printable(x.name) + ": ") + "compression.data_source." + key,
                   member(*is, key), member(*was, key));
}

void check_device(const CheckParts& a, const CheckUnit& x, const CheckParts& b, const CheckUnit& y) {
    if (!x.ok || !y.ok || member(*x.json, "device") == member(*y.json, "device")) return;
    differ(a, b, printable(x.name) + ": device", member(*x.json, "device"), member(*y.json, "device"));
}

void check_units(const CheckParts& a, const CheckParts& b) {
    bool bench = a.report->at("kind") == "bench";
    if (a.cells.empty() && b.cells.empty()) check_source(a, a.whole, b, b.whole);
    std::map<std::string, const CheckUnit*> before;
    for (const CheckUnit& u : b.cells) before[u.id] = &u;
    for (const CheckUnit& u : a.cells) {
        auto found = before.find(u.id);
        if (found == before.end()) continue;
        if (bench)
            check_device(a, u, b, *found->second);
        else
            check_source(a, u, b, *found->second);
    }
}

// ---- definitions -----------------------------------------------------------------------------------------------

// Of parts that are looked at only where a rule names one of their values.
bool beside(const std::string& definition, const std::vector<std::string>& paths) {
    static const std::set<std::string> parts = {"kernels", "difference", "blame",  "seeds", "knees",
                                                "pareto",  "explain",    "engine", "fits",  "calibration"};
    std::string part = definition.substr(0, definition.find('.'));
    if (part == "engine" && definition == "engine") return false;  // whose rules these are
    if (parts.count(part) == 0) return false;
    return std::none_of(paths.begin(), paths.end(),
                        [&](const std::string& p) { return p.rfind(part + ".", 0) == 0 || p == part; });
}

// In compare a definition is the texts of all cells: more or fewer cells have more or fewer of them.
bool within(const std::string& few, const std::string& many) {
    std::set<std::string> texts;
    auto split = [](const std::string& all, auto&& f) {
        for (size_t at = 0; at <= all.size();) {
            size_t end = std::min(all.find(" | ", at), all.size());
            f(all.substr(at, end - at));
            at = end + 3;
        }
    };
    split(many, [&](const std::string& t) { texts.insert(t); });
    bool all = true;
    split(few, [&](const std::string& t) { all = all && texts.count(t) != 0; });
    return all;
}

// The cells that ran.
std::set<std::string> ran(const CheckParts& p) {
    std::set<std::string> ids;
    for (const CheckUnit& u : p.cells)
        if (u.ok) ids.insert(u.id);
    return ids;
}

// Whether the report has anything of that name, which then is what is defined.
bool has(const CheckParts& p, const std::string& name) {
    bool found = false;
    auto look = [&](const Json& j) {
        for_each_leaf(j, "", CheckArrays::without, [&](const CheckLeaf& leaf) {
            std::string path = "." + leaf.path + ".";
            found = found || path.find("." + name + ".") != std::string::npos;
        });
    };
    for (const auto& [key, value] : p.report->items()) {
        if (key == "definitions" || key == "config") continue;
        found = found || key == name;
        if (value.is_object()) look(value);
    }
    for (const CheckUnit& u : p.cells) look(*u.json);
    return found;
}

std::map<std::string, std::string> definitions_of(const CheckParts& p) {
    if (!p.report->contains("definitions") || !(*p.report)["definitions"].is_object())
        throw_input(p.file + ": expected definitions; this is no whole report of kvsim");
    std::map<std::string, std::string> d;
    for (const auto& [key, text] : (*p.report)["definitions"].items())
        d[key] = member((*p.report)["definitions"], key.c_str());
    return d;
}

void check_definitions(const CheckParts& a, const CheckParts& b, const std::vector<std::string>& paths, Check& check) {
    std::map<std::string, std::string> is = definitions_of(a), was = definitions_of(b);
    bool other_cells = ran(a) != ran(b), other_config = !check.config.empty();
    for (const auto& [key, text] : is) {
        auto found = was.find(key);
        if (found == was.end() || found->second == text || beside(key, paths)) continue;
        if (other_config && (key == "goal" || key == "curve" || key == "concurrency")) continue;  // what was asked for
        if (other_cells && (within(text, found->second) || within(found->second, text))) continue;
        differ(a, b, "definitions." + key, "\"" + text + "\"", "\"" + found->second + "\"");
    }
    for (const auto* one : {&is, &was}) {
        const auto& other = one == &is ? was : is;
        for (const auto& [key, text] : *one) {
            if (other.count(key) != 0 || key.find('.') != std::string::npos || beside(key, paths)) continue;
            bool explained =
                other_config || other_cells || (has(one == &is ? a : b, key) && !has(one == &is ? b : a, key));
            if (key == "approximate" || !explained)
                differ(a, b, "definitions." + key, one == &is ? "\"" + text + "\"" : "",
                       one == &is ? "" : "\"" + text + "\"");
            check.warnings.push_back("definitions." + key + (one == &is ? " is new" : " is gone"));
        }
    }
}

// ---- what is only printed --------------------------------------------------------------------------------------

void config_changes(const CheckParts& a, const CheckParts& b, Check& check) {
    static const Json none = Json::object();
    auto config = [](const CheckParts& p) -> const Json& {
        auto found = p.report->find("config");
        return found != p.report->end() && found->is_object() ? *found : none;
    };
    const Json &is = config(a), &was = config(b);
    auto text = [](const Json& j) { return j.dump(-1, ' ', false, Json::error_handler_t::replace); };
    for (const auto& [key, value] : is.items()) {
        if (!was.contains(key))
            check.config.push_back({key, "", text(value)});
        else if (!same_value(was[key], value))
            check.config.push_back({key, text(was[key]), text(value)});
    }
    for (const auto& [key, value] : was.items())
        if (!is.contains(key)) check.config.push_back({key, text(value), ""});
}

}  // namespace

void check_comparable(const CheckParts& a, const CheckParts& b, const std::vector<std::string>& paths, Check& check) {
    if (a.report->at("kind") != b.report->at("kind")) differ(a, b, "kind", a.report->at("kind"), b.report->at("kind"));
    config_changes(a, b, check);
    check_traces(a, b, check);
    check_units(a, b);
    check_definitions(a, b, paths, check);
    if (check.report.version != check.baseline->version)
        check.warnings.push_back("the report is of kvsim " + check.report.version + ", the baseline of kvsim " +
                                 check.baseline->version);
}

}  // namespace kvsim
