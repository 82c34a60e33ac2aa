#include <kvsim/core/version.h>
#include <kvsim/report/list_report.h>
#include <kvsim/report/replay_report.h>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>

namespace kvsim {

using Json = nlohmann::ordered_json;

// `first` and what follows; lines after the first stand under the beginning of the text.
static std::string wrapped(const std::string& first, const std::string& words, size_t width) {
    constexpr size_t kFewest = 24;  // columns for text, however narrow the terminal
    if (width == 0 || first.size() + words.size() <= width) return first + words + "\n";
    size_t room = std::max(kFewest, width - std::min(width, first.size()));
    std::string out, head = first, rest = words;
    while (rest.size() > room) {
        size_t cut = rest.rfind(' ', room);
        if (cut == std::string::npos || cut == 0) cut = rest.find(' ');
        if (cut == std::string::npos) break;
        out += head + rest.substr(0, cut) + "\n";
        rest.erase(0, cut + 1);
        head.assign(first.size(), ' ');
    }
    return out + head + rest + "\n";
}

std::string list_table(const std::vector<ListSection>& sections, bool color, size_t columns) {
    std::string out;
    for (const ListSection& s : sections) {
        size_t width = 0;
        for (const ListRow& r : s.rows) width = std::max(width, r.id.size());
        if (!out.empty()) out += "\n";
        out += fmt::format("{}{}{}\n", color ? "\x1b[1m" : "", s.title, color ? "\x1b[0m" : "");
        for (const ListRow& r : s.rows) {
            out += wrapped(fmt::format("  {:<{}}  ", r.id, width), r.summary, columns);
            if (!r.detail.empty()) out += wrapped(fmt::format("  {:<{}}    ", "", width), r.detail, columns);
            size_t longest = 0;
            for (const auto& parameter : r.parameters) longest = std::max(longest, parameter.first.size());
            for (const auto& [parameter, what] : r.parameters)
                out += wrapped(fmt::format("  {:<{}}    {:<{}}  ", "", width, parameter, longest), what, columns);
        }
    }
    return out;
}

static Json head(const char* kind) {
    Json j;
    j["schema_version"] = kSchemaVersion;
    j["kind"] = kind;
    j["tool"] = {{"version", version()}, {"git", git_commit()}};
    return j;
}

static std::string text(const Json& j) { return j.dump(2, ' ', false, Json::error_handler_t::replace) + "\n"; }

std::string list_json(const std::vector<ListSection>& sections) {
    Json j = head("list");
    for (const ListSection& s : sections) {
        Json rows = Json::array();
        for (const ListRow& r : s.rows) {
            Json row = {{"id", r.id}, {"summary", r.summary}};
            if (!r.detail.empty()) row["detail"] = r.detail;
            for (const auto& [key, text] : r.facts) row[key] = text;
            for (const auto& [parameter, what] : r.parameters) {
                size_t equals = parameter.find('=');
                row["parameters"].push_back({{"key", parameter.substr(0, equals)}, {"default", parameter.substr(equals + 1)}, {"summary", what}});
            }
            rows.push_back(std::move(row));
        }
        j[s.title] = std::move(rows);
    }
    return text(j);
}

std::string problems_json(const std::string& trace, const std::string& format, const std::vector<std::string>& problems) {
    Json j = head("trace_validate");
    j["trace"] = {{"name", trace}, {"format", format}};
    j["problems"] = problems;
    return text(j);
}

}  // namespace kvsim
