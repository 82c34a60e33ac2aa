#include <kvsim/core/error.h>
#include <kvsim/model/hf_reader.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <nlohmann/json.hpp>

namespace kvsim {

using nlohmann::json;

namespace {

constexpr size_t kMaxBytes = 16u << 20;  // the largest published ones are far below 1 MiB

std::string read_all(const std::string& path) {
    std::ifstream in(path, std::ios::binary);
    if (!in) throw_io(path + ": cannot open: " + std::strerror(errno));
    std::string text;
    std::array<char, 65536> chunk;
    while (in && text.size() <= kMaxBytes) {
        in.read(chunk.data(), chunk.size());
        text.append(chunk.data(), static_cast<size_t>(in.gcount()));
    }
    if (in.bad()) throw_io(path + ": cannot read");
    if (text.size() > kMaxBytes)
        throw_input(path + ": expected a model's config.json, found a file of more than 16 MiB");
    return text;
}

/// Python writes NaN, Infinity and -Infinity, which are not JSON: they become 0, positions stay.
void replace_non_finite(std::string& text) {
    static constexpr const char* kWords[] = {"-Infinity", "Infinity", "NaN"};
    bool quoted = false;
    for (size_t i = 0; i < text.size(); ++i) {
        if (quoted && text[i] == '\\') {
            ++i;
        } else if (text[i] == '"') {
            quoted = !quoted;
        } else if (!quoted) {
            for (const char* word : kWords)
                if (text.compare(i, std::strlen(word), word) == 0)
                    text.replace(i, std::strlen(word), "0" + std::string(std::strlen(word) - 1, ' '));
        }
    }
}

Location position(const std::string& path, const std::string& text, size_t offset) {
    Location where{path, 1, 1};
    for (size_t i = 0; i < offset && i < text.size(); ++i) {
        ++where.column;
        if (text[i] == '\n') where = {path, where.line + 1, 1};
    }
    return where;
}

json parse(const std::string& path) {
    std::string text = read_all(path);
    replace_non_finite(text);
    try {
        return json::parse(text);
    } catch (const json::parse_error& e) {
        std::string what = e.what();
        size_t expected = what.rfind("; expected ");
        std::string detail = expected == std::string::npos ? "" : what.substr(expected);
        throw_at(position(path, text, e.byte == 0 ? 0 : e.byte - 1), "not valid JSON" + detail);
    } catch (const json::exception&) {  // a number beyond the range of double
        throw_input(path + ": not valid JSON: a number is out of range");
    }
}

/// Follows "a.b" from an object; null pointer if it is absent or null.
const json* find(const json& object, const std::string& key) {
    const json* node = &object;
    for (size_t begin = 0; begin <= key.size();) {
        size_t dot = std::min(key.find('.', begin), key.size());
        if (!node->is_object()) return nullptr;
        auto member = node->find(key.substr(begin, dot - begin));
        if (member == node->end() || member->is_null()) return nullptr;
        node = &*member;
        begin = dot + 1;
    }
    return node;
}

bool has_layers(const json& node) {
    for (const char* key : {"num_hidden_layers", "n_layer", "n_layers", "num_layers"})
        if (find(node, key)) return true;
    return false;
}

std::string shown(const json* value) {
    if (!value) return "nothing";
    if (value->is_array()) return "a list of " + std::to_string(value->size());
    if (value->is_object()) return "an object";
    std::string text = value->dump();
    return text.size() > 40 ? text.substr(0, 40) + "..." : text;
}

}  // namespace

struct ConfigReader::Document {
    json root;
    const json* text = nullptr;
    std::string prefix;  ///< "text_config." if the keys are in there
};

ConfigReader::ConfigReader(const std::string& path) : path_(path), document_(std::make_unique<Document>()) {
    Document& d = *document_;
    d.root = parse(path);
    d.text = &d.root;
    if (!d.root.is_object())
        throw_input(path + ": expected a JSON object with the keys of a model's config.json, found " +
                    shown(&d.root));
    for (const char* key : {"text_config", "llm_config", "language_config", "thinker_config.text_config"}) {
        const json* nested = find(d.root, key);
        if (!nested || !nested->is_object()) continue;
        if (!has_layers(*nested) && has_layers(d.root)) continue;
        d.text = nested;
        d.prefix = std::string(key) + ".";
        break;
    }
}

ConfigReader::~ConfigReader() = default;

std::string ConfigReader::first_of(Keys keys) const {
    for (const char* key : keys)
        if (has(key)) return key;
    return {};
}

bool ConfigReader::has(const std::string& key) const { return find(*document_->text, key) != nullptr; }

bool ConfigReader::is_text(const std::string& key) const {
    const json* value = find(*document_->text, key);
    return value && value->is_string();
}

std::optional<uint64_t> ConfigReader::whole(Keys keys, uint64_t high, uint64_t low) const {
    std::string key = first_of(keys);
    if (key.empty()) return std::nullopt;
    const json& value = *find(*document_->text, key);
    if (!value.is_number_unsigned() || value.get<uint64_t>() < low || value.get<uint64_t>() > high)
        fail(key, "a whole number from " + std::to_string(low) + " to " + std::to_string(high));
    return value.get<uint64_t>();
}

uint64_t ConfigReader::need(Keys keys, uint64_t high, uint64_t low) const {
    std::optional<uint64_t> value = whole(keys, high, low);
    if (!value)
        fail(*keys.begin(), "a whole number from " + std::to_string(low) + " to " + std::to_string(high));
    return *value;
}

std::optional<bool> ConfigReader::flag(const std::string& key) const {
    const json* value = find(*document_->text, key);
    if (!value) return std::nullopt;
    if (!value->is_boolean()) fail(key, "true or false");
    return value->get<bool>();
}

std::optional<std::string> ConfigReader::text(const std::string& key) const {
    const json* value = find(*document_->text, key);
    if (!value) return std::nullopt;
    if (!value->is_string()) fail(key, "a string");
    return value->get<std::string>();
}

std::optional<std::string> ConfigReader::text_anywhere(const std::string& key) const {
    if (has(key)) return text(key);
    const json* value = find(document_->root, key);
    if (!value) return std::nullopt;
    if (!value->is_string()) throw_input(path_ + ": " + key + ": expected a string, found " + shown(value));
    return value->get<std::string>();
}

std::vector<std::string> ConfigReader::words(const std::string& key) const {
    const json* value = find(*document_->text, key);
    if (!value || !value->is_array()) fail(key, "a list of strings");
    std::vector<std::string> out;
    for (const json& item : *value) {
        if (!item.is_string())
            reject(key, "expected a list of strings, found " + shown(&item) + " at index " +
                            std::to_string(out.size()));
        out.push_back(item.get<std::string>());
    }
    return out;
}

std::vector<uint64_t> ConfigReader::numbers(const std::string& key, uint64_t high) const {
    const json* value = find(*document_->text, key);
    if (!value || !value->is_array()) fail(key, "a list of whole numbers");
    std::vector<uint64_t> out;
    for (const json& item : *value) {
        if (!item.is_number_unsigned() || item.get<uint64_t>() > high)
            reject(key, "expected whole numbers from 0 to " + std::to_string(high) + ", found " +
                            shown(&item) + " at index " + std::to_string(out.size()));
        out.push_back(item.get<uint64_t>());
    }
    return out;
}

bool ConfigReader::empty(const std::string& key) const {
    const json* value = find(*document_->text, key);
    return !value || (value->is_boolean() && !value->get<bool>()) ||
           (value->is_structured() && value->empty());
}

void ConfigReader::fail(const std::string& key, const std::string& expected) const {
    reject(key, "expected " + expected + ", found " + shown(find(*document_->text, key)));
}

void ConfigReader::reject(const std::string& key, const std::string& message) const {
    throw_input(path_ + ": " + document_->prefix + key + ": " + message);
}

}  // namespace kvsim
