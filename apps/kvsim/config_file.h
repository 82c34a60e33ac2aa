// Configuration files: one JSON object of long option names (snake_case or with '-'), comments allowed. A report is
// one too: its `config` block is used.
#pragma once

#include <kvsim/core/error.h>

#include <string>
#include <vector>

namespace kvsim::app {

struct ConfigItem {
    std::string key;  ///< long option name with '-'
    std::vector<std::string> values;
    Location where;
};

/// Throws Error(input) with file:line:column, Error(io).
std::vector<ConfigItem> read_config(const std::string& path);

/// The same items as the text of a configuration file.
std::string config_text(const std::vector<ConfigItem>& items);

}  // namespace kvsim::app
