// Reading reports that were written before, by this version or another, or by hand: what is missing or of another type
// is absent, never an error. Only for the sources of this room.
#pragma once

#include <nlohmann/json.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace kvsim {

/// The value at a dotted path ("results.hits.hit_tokens"), null if there is none.
inline const nlohmann::ordered_json* find_value(const nlohmann::ordered_json& json, std::string_view path) {
    const nlohmann::ordered_json* at = &json;
    while (!path.empty()) {
        size_t dot = std::min(path.find('.'), path.size());
        if (!at->is_object()) return nullptr;
        auto found = at->find(std::string(path.substr(0, dot)));
        if (found == at->end()) return nullptr;
        at = &*found;
        path.remove_prefix(std::min(dot + 1, path.size()));
    }
    return at;
}

inline std::optional<double> number_at(const nlohmann::ordered_json& json, std::string_view path) {
    const nlohmann::ordered_json* value = find_value(json, path);
    if (!value || !value->is_number()) return {};
    return value->get<double>();
}

inline std::optional<uint64_t> whole_at(const nlohmann::ordered_json& json, std::string_view path) {
    const nlohmann::ordered_json* value = find_value(json, path);
    if (!value || !value->is_number_integer() || (!value->is_number_unsigned() && value->get<int64_t>() < 0)) return {};
    return value->get<uint64_t>();
}

/// "" if there is none.
inline std::string text_at(const nlohmann::ordered_json& json, std::string_view path) {
    const nlohmann::ordered_json* value = find_value(json, path);
    return value && value->is_string() ? value->get<std::string>() : std::string();
}

inline bool true_at(const nlohmann::ordered_json& json, std::string_view path) {
    const nlohmann::ordered_json* value = find_value(json, path);
    return value && value->is_boolean() && value->get<bool>();
}

/// An empty array if there is none.
inline const nlohmann::ordered_json& array_at(const nlohmann::ordered_json& json, std::string_view path) {
    static const nlohmann::ordered_json none = nlohmann::ordered_json::array();
    const nlohmann::ordered_json* value = find_value(json, path);
    return value && value->is_array() ? *value : none;
}

}  // namespace kvsim
