// The cache layouts there are.
#pragma once

#include <kvsim/core/registry.h>

#include <string>

namespace kvsim {

struct LayoutRow {
    std::string id;
    std::string summary;
    std::string options;  ///< which options mean something under it
};

Registry<LayoutRow>& layouts();

}  // namespace kvsim
