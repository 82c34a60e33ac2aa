// A report as JUnit XML: one test case per configuration.
#pragma once

#include <nlohmann/json_fwd.hpp>

#include <string>
#include <string_view>

namespace kvsim {

bool junit_takes(std::string_view kind);
std::string export_junit(const nlohmann::ordered_json& report);

}  // namespace kvsim
