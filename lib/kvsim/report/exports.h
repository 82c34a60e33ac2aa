// What else is made of a report: everything below reads the JSON report that `--report` writes, so a page or a table
// made at once and one made later by `kvsim report` are the same.
#pragma once

#include <kvsim/core/registry.h>

#include <nlohmann/json_fwd.hpp>

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace kvsim {

/// A report and what it is called where there are several.
struct NamedReport {
    std::string name;
    const nlohmann::ordered_json* report;
};
using NamedReports = std::vector<NamedReport>;

struct ExportRow {
    std::string id;  ///< of --export-<id>
    std::string summary;
    /// The whole file. The reports are of kinds that `takes`.
    std::string (*write)(const NamedReports& reports);
    /// Whether there is anything to write of a report of this kind ("replay", "compare", ...).
    bool (*takes)(std::string_view kind);
    bool several = true;  ///< whether more than one report can be in a file
};

/// csv, markdown, html, junit.
const Registry<ExportRow>& exports();

/// A report, or a page that carries one, from the text of `file`. Throws Error(input), naming the file and where it can
/// the line and column, if it is neither, if it is no report of kvsim, or one of another major schema version.
nlohmann::ordered_json read_report(const std::string& file, const std::string& text);

/// The JSON text of a report: as it was written, or taken out of a page. Throws as read_report does.
std::string report_text(const std::string& file, const std::string& text);

/// Throws Error(input), naming the option, if `row` makes nothing of reports of this kind.
void check_export(const ExportRow& row, std::string_view kind);

/// One text per id of `ids`, made of the texts of reports, each with the name of its file. Throws Error(input) as above.
std::vector<std::string> export_texts(const std::vector<std::string>& ids,
                                      const std::vector<std::pair<std::string, std::string>>& reports);

}  // namespace kvsim
