// The JSON header of a safetensors file, taken apart: its grammar is checked here, its numbers against the file in
// safetensors.cpp. One translation unit includes the JSON parser.
#pragma once

#include <kvsim/kvdata/safetensors.h>

#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace kvsim::safetensors {

struct Header {
    std::vector<SafeTensor> tensors;
    std::map<std::string, std::string> metadata;
};

/// Names, dtypes, shapes and offsets as they are written; `values` is left at 1.
Header parse_header(const std::string& path, const std::string& text);

/// A name from the file as it may stand in a message: short, in one line.
std::string shown(std::string_view name);
/// "[3, 5, 512]".
std::string shape_text(const std::vector<uint64_t>& shape);

}  // namespace kvsim::safetensors
