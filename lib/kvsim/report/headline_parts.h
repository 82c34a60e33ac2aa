// Words that headlines of all kinds share. Only for headline*.cpp.
#pragma once

#include <kvsim/report/json_view.h>

#include <string>
#include <vector>

namespace kvsim {

using Json = nlohmann::ordered_json;

/// "24.1 %"; "below 0.1 %", "above 99.9 %" rather than a rounded nothing or everything.
std::string share_text(double fraction);
/// "3.2 points"; "less than 0.1 points".
std::string points_text(double fraction);
/// "10,000 blocks (39.1 GiB)"; without bytes the blocks alone; "" of an unlimited capacity.
std::string room_text(const Json& capacity);
/// "10,000", or in short with bytes "10,000 (39.1 GiB)".
std::string short_room_text(const Json& capacity);
/// "a, b and c"
std::string joined(const std::vector<std::string>& parts);
std::string cleaned(const std::string& name);

/// The best that was possible: hit tokens of the bound that the results are held against (DESIGN, Bounds), over the
/// looked-up tokens. `pinned`: optimal_admit, else optimal.
struct Gap {
    double best = 0;  ///< token hit rate of the bound
    double gap = 0;   ///< what is missing to it, at least 0: a bound counts blocks, and blocks hold different tokens
    bool reached = false;  ///< no block is missing to it
};
std::optional<Gap> gap_of(const Json& cell, bool pinned);

std::string compare_headline(const Json& report);

}  // namespace kvsim
