// Names of blocks that are not plain small integers - strings, huge integers, names under a salt or an adapter - as
// 64-bit ids from 2^63 on, which plain names below 2^63 cannot meet.
#pragma once

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

  private:
    std::unordered_map<std::string, uint64_t> ids_;
    std::string key_;
};

}  // namespace kvsim
