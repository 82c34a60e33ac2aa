#include <kvsim/core/suggest.h>

#include <algorithm>

namespace kvsim {

static size_t edit_distance(std::string_view a, std::string_view b) {
    std::vector<std::vector<size_t>> d(a.size() + 1, std::vector<size_t>(b.size() + 1));
    for (size_t i = 0; i <= a.size(); ++i) d[i][0] = i;
    for (size_t j = 0; j <= b.size(); ++j) d[0][j] = j;
    for (size_t i = 1; i <= a.size(); ++i) {
        for (size_t j = 1; j <= b.size(); ++j) {
            size_t best = std::min(d[i - 1][j] + 1, d[i][j - 1] + 1);
            best = std::min(best, d[i - 1][j - 1] + (a[i - 1] != b[j - 1]));
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                best = std::min(best, d[i - 2][j - 2] + 1);
            d[i][j] = best;
        }
    }
    return d[a.size()][b.size()];
}

std::string closest(std::string_view word, const std::vector<std::string>& candidates) {
    if (word.size() > 64) return {};
    size_t best = std::max<size_t>(1, word.size() / 3) + 1;
    std::string found;
    for (const std::string& c : candidates) {
        size_t distance = edit_distance(word, c);
        if (distance < best) {
            best = distance;
            found = c;
        }
    }
    if (!found.empty() || word.size() < 2) return found;
    for (const std::string& c : candidates)
        if (c.size() > word.size() && c.compare(0, word.size(), word) == 0) return c;
    return {};
}

std::string did_you_mean(std::string_view word, const std::vector<std::string>& candidates) {
    std::string found = closest(word, candidates);
    return found.empty() ? found : " (did you mean '" + found + "'?)";
}

std::string join(const std::vector<std::string>& words, std::string_view separator) {
    std::string out;
    for (const std::string& w : words) {
        if (!out.empty()) out += separator;
        out += w;
    }
    return out;
}

}  // namespace kvsim
