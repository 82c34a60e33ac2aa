// A report as comma-separated values: one row per configuration, capacity or kernel.
#pragma once

#include <nlohmann/json_fwd.hpp>

#include <string>
#include <string_view>

namespace kvsim {

bool csv_takes(std::string_view kind);
std::string export_csv(const nlohmann::ordered_json& report);

}  // namespace kvsim
