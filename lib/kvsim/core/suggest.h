// "Did you mean": the closest known word by edit distance (insert, delete, replace, swap of neighbours).
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace kvsim {

/// Closest candidate within max(1, length / 3) edits, else the first that begins with `word` (two characters or more), else
/// empty. Ties: the first candidate.
std::string closest(std::string_view word, const std::vector<std::string>& candidates);

/// " (did you mean 'x'?)" or an empty string.
std::string did_you_mean(std::string_view word, const std::vector<std::string>& candidates);

/// "a, b, c"
std::string join(const std::vector<std::string>& words, std::string_view separator = ", ");

}  // namespace kvsim
