#include <kvsim/core/error.h>
#include <kvsim/report/export_csv.h>
#include <kvsim/report/export_html.h>
#include <kvsim/report/export_junit.h>
#include <kvsim/report/export_markdown.h>
#include <kvsim/report/exports.h>
#include <kvsim/report/results_json.h>

#include <algorithm>

namespace kvsim {

const Registry<ExportRow>& exports() {
    static const Registry<ExportRow> all = [] {
        Registry<ExportRow> r("export");
        r.add({"csv", "one row per configuration, capacity or kernel", export_csv, csv_takes});
        r.add({"markdown", "tables, and charts that code hosts draw", export_markdown, markdown_takes});
        r.add({"html", "one page with charts, tables and definitions that needs no network",
               [](const NamedReports& reports) { return export_html(*reports.front().report); }, html_takes, false});
        r.add({"junit", "one test case per configuration, for CI servers", export_junit, junit_takes});
        return r;
    }();
    return all;
}

// The page carries its report in <script type="application/json" id="kvsim-report">, "</" written as "<\/".
static std::string_view json_of(std::string_view text) {
    size_t begin = text.find_first_not_of(" \t\r\n");
    if (begin == std::string_view::npos || text[begin] != '<') return text;
    size_t tag = text.find(kReportTag);
    if (tag == std::string_view::npos) return {};
    tag += std::string_view(kReportTag).size();
    return text.substr(tag, text.find("</script>", tag) - tag);
}

// "line 3, column 7" as file:3:7.
static std::string place(const std::string& file, std::string_view text, size_t byte) {
    byte = std::min(byte == 0 ? 0 : byte - 1, text.size());
    auto line = 1 + std::count(text.begin(), text.begin() + static_cast<ptrdiff_t>(byte), '\n');
    size_t start = text.substr(0, byte).rfind('\n');
    return file + ":" + std::to_string(line) + ":" + std::to_string(byte - (start == std::string_view::npos ? 0 : start + 1) + 1);
}

Json read_report(const std::string& file, const std::string& text) {
    if (text.find_first_not_of(" \t\r\n") == std::string::npos) throw_input(file + ": is empty; expected a report of kvsim");
    std::string_view json = json_of(text);
    if (json.empty()) throw_input(file + ": is a page without a report of kvsim in it");
    Json j;
    try {
        j = Json::parse(json);
    } catch (const Json::parse_error& e) {
        size_t offset = static_cast<size_t>(json.data() - text.data());
        throw_input(place(file, text, offset + e.byte) + ": expected a report of kvsim (JSON)");
    } catch (const Json::exception& e) {  // a number that no double holds
        throw_input(file + ": " + e.what());
    }
    if (!j.is_object() || !j.contains("schema_version") || !j["schema_version"].is_string() || !j.contains("kind") || !j["kind"].is_string())
        throw_input(file + ": expected a report of kvsim, with schema_version and kind");
    std::string version = j["schema_version"];
    if (version.substr(0, version.find('.')) != std::string(kSchemaVersion).substr(0, std::string(kSchemaVersion).find('.')))
        throw_input(file + ": schema_version \"" + version + "\"; this kvsim reads " + kSchemaVersion);
    return j;
}

std::string report_text(const std::string& file, const std::string& text) {
    Json report = read_report(file, text);
    if (json_of(text).data() == text.data()) return text;
    return report.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

void check_export(const ExportRow& row, std::string_view kind) {
    if (row.takes(kind)) return;
    std::string kinds;
    for (const char* k : {"replay", "compare", "curve", "size", "bench", "check"})
        if (row.takes(k)) kinds += (kinds.empty() ? "" : ", ") + std::string(k);
    throw_input("--export-" + row.id + ": makes nothing of a report of kind \"" + std::string(kind) + "\"" +
                (kinds.empty() ? "" : "; it takes " + kinds));
}

std::vector<std::string> export_texts(const std::vector<std::string>& ids,
                                      const std::vector<std::pair<std::string, std::string>>& reports) {
    std::vector<Json> parsed;
    for (const auto& [file, text] : reports) parsed.push_back(read_report(file, text));
    NamedReports named;
    for (size_t i = 0; i < reports.size(); ++i) named.push_back({reports[i].first, &parsed[i]});
    std::vector<std::string> out;
    for (const std::string& id : ids) {
        const ExportRow& row = exports().get(id);
        if (!row.several && reports.size() > 1)
            throw_input("--export-" + id + ": takes one report, not " + std::to_string(reports.size()));
        for (const Json& report : parsed) check_export(row, report["kind"].get<std::string>());
        out.push_back(row.write(named));
    }
    return out;
}

}  // namespace kvsim
