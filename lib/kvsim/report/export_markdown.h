// A report as Markdown: a headline, tables, charts in Mermaid.
#pragma once

#include <kvsim/report/exports.h>

namespace kvsim {

bool markdown_takes(std::string_view kind);
/// One after the other.
std::string export_markdown(const NamedReports& reports);

}  // namespace kvsim
