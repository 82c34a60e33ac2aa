// What else is made of a report: everything below reads the JSON report that `--report` writes, so a page or a table
// made at once and one made later by `kvsim report` are the same.
#pragma once

#include <kvsim/core/registry.h>

#include <nlohmann/json_fwd.hpp>

#include <string>
#include <string_view>

namespace kvsim {

struct ExportRow {
    std::string id;  ///< of --export-<id>
    std::string summary;
    /// The whole file. `report` is of any kind that `takes`.
    std::string (*write)(const nlohmann::ordered_json& report);
    /// Whether there is anything to write of a report of this kind ("replay", "compare", ...).
    bool (*takes)(std::string_view kind);
};

/// csv, markdown, html, junit.
const Registry<ExportRow>& exports();

/// A report, or a page that carries one, from the text of `file`. Throws Error(input), naming the file and where it can
/// the line and column, if it is neither, if it is no report of kvsim, or one of another major schema version.
nlohmann::ordered_json read_report(const std::string& file, const std::string& text);

/// The JSON text of a report: as it was written, or taken out of a page. Throws as read_report does.
std::string report_text(const std::string& file, const std::string& text);

/// The export of a report's text. Throws Error(input) if its kind has none.
std::string export_report(const ExportRow& row, const nlohmann::ordered_json& report);
std::string export_report(const ExportRow& row, const std::string& report_text);

}  // namespace kvsim
