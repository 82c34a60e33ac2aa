#include <kvsim/report/export_parts.h>

#include <algorithm>
#include <map>

namespace kvsim {

void add_fields(Fields& to, const Json& from, const std::string& prefix) {
    if (from.is_array() || from.is_null()) return;
    if (!from.is_object()) {
        to.emplace_back(prefix, &from);
        return;
    }
    for (const auto& [key, value] : from.items()) add_fields(to, value, prefix.empty() ? key : prefix + "." + key);
}

void add_fields(Fields& to, const Json& from, const std::vector<const char*>& keys) {
    for (const char* key : keys)
        if (const Json* value = find_value(from, key)) add_fields(to, *value, std::string(key));
}

std::string text_of(const Json& scalar) {
    return scalar.is_string() ? scalar.get<std::string>() : scalar.dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::string cell_name(const Json& axes, bool layout, bool accounting) {
    if (std::string engine = text_at(axes, "engine"); !engine.empty()) return engine;
    std::string eviction = text_at(axes, "eviction"), of = text_at(axes, "layout"), out;
    if (layout && !of.empty()) out += of + " ";
    if (std::string words = text_at(axes, "accounting"); accounting && !words.empty()) out += words + " ";
    return out + (eviction.empty() ? of : eviction);
}

std::vector<CellTable> cell_tables(const Json& report) {
    std::map<uint64_t, CellTable> tables;
    const Json& traces = array_at(report, "traces");
    for (const Json& cell : array_at(report, "cells")) {
        uint64_t at = whole_at(cell, "table").value_or(0);
        CellTable& table = tables[at];
        if (at < traces.size()) table.trace = &traces[at];
        table.cells.push_back(&cell);
    }
    std::vector<CellTable> out;
    for (auto& [at, table] : tables) out.push_back(std::move(table));
    return out;
}

std::string table_name(const CellTable& table) {
    const Json none = Json::object(), *axes = find_value(*table.cells.front(), "axes");
    if (!axes) axes = &none;
    std::string out = table.trace ? text_at(*table.trace, "name") : text_at(*axes, "trace");
    std::optional<uint64_t> size = whole_at(table.trace ? *table.trace : *axes, "block_size");
    if (size) out += ", blocks of " + std::to_string(*size) + (*size == 1 ? " token" : " tokens");
    if (std::string model = text_at(*axes, "model"); !model.empty()) out += ", " + model;
    for (const auto& [key, words] : {std::pair{"kv_dtype", " in "}, {"k_dtype", ", keys in "}, {"v_dtype", ", values in "}})
        if (std::string dtype = text_at(*axes, key); !dtype.empty()) out += words + dtype;
    return out;
}

std::string capacity_name(const Json& axes) {
    std::string given = text_at(axes, "capacity");
    bool digits = !given.empty() && std::all_of(given.begin(), given.end(), [](char c) { return c >= '0' && c <= '9'; });
    return digits ? given + (given == "1" ? " block" : " blocks") : given;
}

std::string shape_words(const Json& shape) {
    Fields fields;
    add_fields(fields, shape, "");
    std::string out;
    for (const auto& [key, value] : fields) out += (out.empty() ? "" : " ") + key + "=" + text_of(*value);
    return out;
}

}  // namespace kvsim
