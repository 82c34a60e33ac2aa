// A report as Markdown: a headline, tables, charts in Mermaid.
#pragma once

#include <nlohmann/json_fwd.hpp>

#include <string>
#include <string_view>

namespace kvsim {

bool markdown_takes(std::string_view kind);
std::string export_markdown(const nlohmann::ordered_json& report);

}  // namespace kvsim
