#include "config_file.h"

#include <kvsim/core/spec.h>

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>

namespace kvsim::app {

using Json = nlohmann::ordered_json;

static Location location_of(const std::string& path, const std::string& text, size_t byte) {
    Location where{path, 1, 1};
    for (size_t i = 0; i < byte && i < text.size(); ++i) {
        ++where.column;
        if (text[i] != '\n') continue;
        ++where.line;
        where.column = 1;
    }
    return where;
}

static std::string value_text(const Json& value, const Location& where, const std::string& key) {
    if (value.is_string()) return value.get<std::string>();
    if (value.is_number() || value.is_boolean()) return value.dump();
    throw_at(where, key + ": expected a string, a number, true, false, or an array of them");
}

/// A key of the text: where it stands and how deep (1 = the outermost object).
struct KeyPlace {
    std::string key;
    int depth;
    size_t offset;
};

// Strings followed by a colon, outside comments. The text is known to be JSON with comments.
static std::vector<KeyPlace> key_places(const std::string& text) {
    std::vector<KeyPlace> places;
    int depth = 0;
    for (size_t i = 0; i < text.size(); ++i) {
        char c = text[i];
        if (c == '/' && i + 1 < text.size()) {
            bool line = text[i + 1] == '/';
            size_t end = text.find(line ? "\n" : "*/", i + 2);
            if (end == std::string::npos) break;
            i = line ? end : end + 1;
        } else if (c == '"') {
            size_t end = i + 1;
            while (end < text.size() && text[end] != '"') end += text[end] == '\\' ? 2 : 1;
            size_t next = text.find_first_not_of(" \t\r\n", end + 1);
            if (next != std::string::npos && text[next] == ':') places.push_back({text.substr(i + 1, end - i - 1), depth, i});
            i = end;
        } else if (c == '{' || c == '[') {
            ++depth;
        } else if (c == '}' || c == ']') {
            --depth;
        }
    }
    return places;
}

std::vector<ConfigItem> read_config(const std::string& path) {
    std::error_code error;
    if (std::filesystem::is_directory(path, error)) throw_io(path + ": is a directory; expected a configuration file");
    std::ifstream file(path, std::ios::binary);
    if (!file) throw_io(path + ": cannot open the configuration: " + std::strerror(errno));
    std::stringstream buffer;
    buffer << file.rdbuf();
    std::string text = buffer.str();
    Json root;
    try {
        root = Json::parse(text, nullptr, true, true);
    } catch (const Json::parse_error& e) {
        throw_at(location_of(path, text, e.byte > 0 ? e.byte - 1 : 0), "not valid JSON; expected an object of options");
    }
    std::vector<KeyPlace> places = key_places(text);
    int depth = 1;
    size_t begin = 0;
    if (root.is_object() && root.contains("schema_version")) {
        if (!root.contains("config")) throw_input(path + ": is a report without a config block");
        for (const KeyPlace& p : places)
            if (p.depth == 1 && p.key == "config") begin = p.offset + 1;
        depth = 2;
        Json block = root["config"];
        root = std::move(block);
    }
    if (!root.is_object()) throw_at({path, 1, 1}, "expected a JSON object of options");
    // nlohmann-json keeps the last of two equal keys silently, so look at the places.
    auto place_of = [&](const std::string& key) {
        size_t found = text.size();
        for (const KeyPlace& p : places) {
            if (p.depth != depth || p.offset < begin || p.key != key) continue;
            if (found != text.size() && depth == 1)
                throw_at(location_of(path, text, p.offset), key + ": the key is given twice");
            if (found == text.size()) found = p.offset;
        }
        return location_of(path, text, found);
    };
    std::vector<ConfigItem> items;
    for (const auto& [key, value] : root.items()) {
        ConfigItem item{key, {}, place_of(key)};
        std::replace(item.key.begin(), item.key.end(), '_', '-');
        if (value.is_array()) {
            for (const Json& v : value) item.values.push_back(value_text(v, item.where, key));
            if (item.values.empty()) throw_at(item.where, key + ": expected at least one value");
        } else {
            item.values.push_back(value_text(value, item.where, key));
        }
        for (const ConfigItem& before : items)
            if (before.key == item.key) throw_at(item.where, key + ": the option is given twice");
        items.push_back(std::move(item));
    }
    return items;
}

static Json value_json(const std::string& value) {
    uint64_t number = 0;
    if (value == "true" || value == "false") return value == "true";
    if (parse_whole(value, number) && std::to_string(number) == value) return number;
    return value;
}

std::string config_text(const std::vector<ConfigItem>& items) {
    Json out = Json::object();
    for (const ConfigItem& item : items) {
        std::string key = item.key;
        std::replace(key.begin(), key.end(), '-', '_');
        if (item.values.size() == 1) {
            out[key] = value_json(item.values.front());
            continue;
        }
        for (const std::string& value : item.values) out[key].push_back(value_json(value));
    }
    return out.dump(2) + "\n";
}

}  // namespace kvsim::app
