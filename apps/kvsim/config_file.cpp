#include "config_file.h"

#include <kvsim/core/spec.h>

#include <nlohmann/json.hpp>

#include <algorithm>
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

/// Rejects a key that stands twice in one object: nlohmann-json would keep the last one silently.
class DuplicateCheck {
  public:
    bool operator()(int depth, Json::parse_event_t event, Json& parsed) {
        auto level = static_cast<size_t>(depth);
        if (event == Json::parse_event_t::object_start) {
            keys_.resize(level + 2);
            keys_[level + 1].clear();
        } else if (event == Json::parse_event_t::key) {
            auto key = parsed.get<std::string>();
            auto& seen = keys_[level];
            if (std::find(seen.begin(), seen.end(), key) != seen.end() && twice.empty()) twice = key;
            seen.push_back(key);
        }
        return true;
    }
    std::string twice;

  private:
    std::vector<std::vector<std::string>> keys_;
};

std::vector<ConfigItem> read_config(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    std::stringstream buffer;
    buffer << file.rdbuf();
    if (!file) throw_io(path + ": cannot read the configuration");
    std::string text = buffer.str();
    Json root;
    DuplicateCheck check;
    try {
        root = Json::parse(text, std::ref(check), true, true);
    } catch (const Json::parse_error& e) {
        throw_at(location_of(path, text, e.byte > 0 ? e.byte - 1 : 0), "not valid JSON; expected an object of options");
    }
    if (!check.twice.empty()) {
        size_t first = text.find('"' + check.twice + '"');
        size_t second = text.find('"' + check.twice + '"', first + 1);
        throw_at(location_of(path, text, second), check.twice + ": the key is given twice");
    }
    size_t begin = 0;
    if (root.is_object() && root.contains("schema_version")) {
        if (!root.contains("config")) throw_input(path + ": is a report without a config block");
        begin = text.find("\"config\"");
        Json block = root["config"];
        root = std::move(block);
    }
    if (!root.is_object()) throw_at({path, 1, 1}, "expected a JSON object of options");
    std::vector<ConfigItem> items;
    for (const auto& [key, value] : root.items()) {
        ConfigItem item{key, {}, location_of(path, text, text.find('"' + key + '"', begin))};
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

std::string config_text(const std::vector<ConfigItem>& items) {
    Json out = Json::object();
    for (const ConfigItem& item : items) {
        std::string key = item.key;
        std::replace(key.begin(), key.end(), '-', '_');
        const std::string& value = item.values.front();
        uint64_t number = 0;
        if (value == "true" || value == "false") {
            out[key] = value == "true";
        } else if (parse_whole(value, number)) {
            out[key] = number;
        } else {
            out[key] = value;
        }
    }
    return out.dump(2) + "\n";
}

}  // namespace kvsim::app
