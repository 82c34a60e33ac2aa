#include <kvsim/core/error.h>
#include <kvsim/core/spec.h>
#include <kvsim/core/suggest.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdio>

namespace kvsim {

bool parse_whole(std::string_view text, uint64_t& value) {
    if (text.empty()) return false;
    auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    return error == std::errc{} && end == text.data() + text.size();
}

bool parse_number(std::string_view text, double& value) {
    if (text.empty()) return false;
    auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    return error == std::errc{} && end == text.data() + text.size() && std::isfinite(value);
}

Spec Spec::parse(std::string_view text) {
    Spec spec;
    size_t colon = text.find(':');
    spec.id_ = std::string(text.substr(0, colon));
    if (spec.id_.empty()) throw_input("'" + std::string(text) + "': expected id or id:key=value,...");
    if (colon == std::string_view::npos) return spec;
    std::string_view rest = text.substr(colon + 1);
    if (rest.empty()) throw_input("'" + std::string(text) + "': expected key=value after ':'");
    while (!rest.empty()) {
        size_t comma = rest.find(',');
        std::string_view item = rest.substr(0, comma);
        size_t equals = item.find('=');
        if (equals == std::string_view::npos || equals == 0)
            throw_input("'" + std::string(text) + "': expected key=value, found '" + std::string(item) + "'");
        auto [at, fresh] = spec.values_.emplace(item.substr(0, equals), item.substr(equals + 1));
        if (!fresh) throw_input("'" + std::string(text) + "': parameter '" + at->first + "' is given twice");
        if (comma == rest.size() - 1) throw_input("'" + std::string(text) + "': expected key=value after the last comma");
        rest = comma == std::string_view::npos ? std::string_view{} : rest.substr(comma + 1);
    }
    return spec;
}

const std::string* Spec::ask(const std::string& key) {
    asked_.push_back(key);
    auto found = values_.find(key);
    return found == values_.end() ? nullptr : &found->second;
}

std::string Spec::text(const std::string& key, const std::string& fallback) {
    const std::string* value = ask(key);
    return value ? *value : fallback;
}

uint64_t Spec::whole(const std::string& key, uint64_t fallback, uint64_t low, uint64_t high) {
    const std::string* value = ask(key);
    if (!value) return fallback;
    uint64_t number = 0;
    if (!parse_whole(*value, number) || number < low || number > high)
        throw_input(id_ + ": parameter " + key + "=" + *value + ": expected a whole number from " +
                    std::to_string(low) + " to " + std::to_string(high));
    return number;
}

// "0.5", without the zeros that say nothing.
static std::string shortest(double value) {
    char out[32];
    std::snprintf(out, sizeof out, "%.10g", value);
    return out;
}

double Spec::number(const std::string& key, double fallback, double low, double high) {
    const std::string* value = ask(key);
    if (!value) return fallback;
    double number = 0;
    if (!parse_number(*value, number) || number < low || number > high)
        throw_input(id_ + ": parameter " + key + "=" + *value + ": expected a number from " +
                    shortest(low) + " to " + shortest(high));
    return number;
}

std::string Spec::choice(const std::string& key, const std::string& fallback,
                         const std::vector<std::string>& words) {
    const std::string* value = ask(key);
    if (!value) return fallback;
    if (std::find(words.begin(), words.end(), *value) == words.end())
        throw_input(id_ + ": parameter " + key + "=" + *value + ": expected one of " + join(words) +
                    did_you_mean(*value, words));
    return *value;
}

void Spec::finish() const {
    for (const auto& [key, value] : values_) {
        if (std::find(asked_.begin(), asked_.end(), key) != asked_.end()) continue;
        if (asked_.empty()) throw_input("'" + id_ + "' takes no parameters, found '" + key + "'");
        throw_input("'" + id_ + "' has no parameter '" + key + "'" + did_you_mean(key, asked_) + "; known: " +
                    join(asked_));
    }
}

std::vector<std::string> split_spec_list(std::string_view text) {
    std::vector<std::string> items;
    size_t start = 0;
    while (start <= text.size()) {
        size_t comma = text.find(',', start);
        if (comma == std::string_view::npos) comma = text.size();
        std::string_view piece = text.substr(start, comma - start);
        size_t equals = piece.find('=');
        bool continues = !items.empty() && equals != std::string_view::npos && equals < piece.find(':');
        if (continues) {
            items.back().append(",").append(piece);
        } else {
            items.emplace_back(piece);
        }
        start = comma + 1;
    }
    return items;
}

}  // namespace kvsim
