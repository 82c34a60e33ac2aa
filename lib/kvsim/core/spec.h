// The one notation for things with parameters, `id:key=value,key=value`, and for lists of them.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace kvsim {

/// A parsed `id:key=value,...`. Parameters must be asked for by name; finish() rejects what nobody asked for.
class Spec {
  public:
    /// Throws Error(input) on an empty id, a parameter without '=' or a repeated key.
    static Spec parse(std::string_view text);

    const std::string& id() const { return id_; }
    bool has(const std::string& key) const { return values_.count(key) != 0; }

    std::string text(const std::string& key, const std::string& fallback);
    /// Throws Error(input) unless the value is a whole number in [low, high].
    uint64_t whole(const std::string& key, uint64_t fallback, uint64_t low, uint64_t high);
    /// Throws Error(input) unless the value is a finite number in [low, high].
    double number(const std::string& key, double fallback, double low, double high);
    /// Throws Error(input) unless the value is one of `words`.
    std::string choice(const std::string& key, const std::string& fallback,
                       const std::vector<std::string>& words);
    bool on_off(const std::string& key, bool fallback) {
        return choice(key, fallback ? "on" : "off", {"on", "off"}) == "on";
    }
    /// Throws Error(input) naming the first parameter that nothing asked for.
    void finish() const;

  private:
    const std::string* ask(const std::string& key);
    std::string id_;
    std::map<std::string, std::string> values_;
    std::vector<std::string> asked_;
};

/// Splits a list of specs: a comma starts a new item unless the text up to the next comma has '=' before
/// any ':'. "lru,gdsf:cost=flops,x=1,fifo" -> lru | gdsf:cost=flops,x=1 | fifo.
std::vector<std::string> split_spec_list(std::string_view text);

/// Whole number of decimal digits only; false on anything else or above 2^64 - 1.
bool parse_whole(std::string_view text, uint64_t& value);
/// Finite decimal number, whole text; false on anything else.
bool parse_number(std::string_view text, double& value);

}  // namespace kvsim
