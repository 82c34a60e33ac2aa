// What a report says, in a sentence or two: the first thing on the page and in Markdown.
#pragma once

#include <nlohmann/json_fwd.hpp>

#include <string>

namespace kvsim {

/// Plain text, UTF-8, not escaped for anything; "" for a kind that has nothing to say. Names stand in it as the trace
/// spells them, without control characters. What a report lacks is left out.
std::string headline(const nlohmann::ordered_json& report);

}  // namespace kvsim
