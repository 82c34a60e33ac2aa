// A report as one page that needs no network.
#pragma once

#include <nlohmann/json_fwd.hpp>

#include <string>
#include <string_view>

namespace kvsim {

/// What stands before the JSON report in the page; </script> ends it.
inline constexpr const char* kReportTag = "<script type=\"application/json\" id=\"kvsim-report\">";

bool html_takes(std::string_view kind);
std::string export_html(const nlohmann::ordered_json& report);

}  // namespace kvsim
