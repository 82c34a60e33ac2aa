// Names of blocks that are not plain small integers - strings, huge integers, names under a salt or an adapter - as
// 64-bit ids from 2^63 on, which plain names below 2^63 cannot meet.
#pragma once

#include <kvsim/core/units.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>

namespace kvsim {

class NameTable {
  public:
    static constexpr uint64_t kPlainLimit = uint64_t{1} << 63;

    /// `scope` is what the name is to be told apart by (salt and adapter); "" = none.
    uint64_t id(std::string_view scope, char kind, std::string_view name) {
        key_.clear();
        key_.append(std::to_string(scope.size())).append(":").append(scope).append(1, kind).append(name);
        return kPlainLimit + ids_.emplace(key_, ids_.size()).first->second;
    }
    /// An integer name: itself, or from the table where it is huge.
    uint64_t plain(uint64_t number) { return number < kPlainLimit ? number : id({}, 'i', std::to_string(number)); }

    /// The name behind an id, strings in quotes, without what it is told apart by. A look at all names: for messages.
    std::string name(uint64_t id) const {
        if (id < kPlainLimit) return std::to_string(id);
        for (const auto& [key, value] : ids_) {
            if (value != id - kPlainLimit) continue;
            size_t colon = key.find(':');
            size_t kind = colon + 1 + std::stoull(key.substr(0, colon));
            std::string text = key.substr(kind + 1);
            if (key[kind] == 's') return "\"" + printable(text.substr(0, 60)) + "\"";
            return key[kind] == 'n' ? name(std::stoull(text)) : text;  // a scope around a name, or a number
        }
        return std::to_string(id);
    }

  private:
    std::unordered_map<std::string, uint64_t> ids_;
    std::string key_;
};

}  // namespace kvsim
