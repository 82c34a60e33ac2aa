// Reads the keys of a Hugging Face config.json, every value checked; used by hf_config.cpp only.
// The JSON library stays in the .cpp. A key with the value null counts as absent.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace kvsim {

class ConfigReader {
  public:
    using Keys = std::initializer_list<const char*>;

    /// Reads a file. Error(io) if it cannot be read, Error(input) with line and column if it is not JSON.
    /// In a multimodal config the keys are those of the nested text config.
    explicit ConfigReader(const std::string& path);
    ~ConfigReader();
    ConfigReader(const ConfigReader&) = delete;
    ConfigReader& operator=(const ConfigReader&) = delete;

    /// The first of several names of one thing that is there, or empty. "a.b" is key b of object a.
    std::string first_of(Keys keys) const;
    bool has(const std::string& key) const;
    bool is_text(const std::string& key) const;
    /// Whole number in [low, high] under the first name that is there. Error(input) on anything else.
    std::optional<uint64_t> whole(Keys keys, uint64_t high, uint64_t low = 1) const;
    /// As whole(), and Error(input) if none of the names is there.
    uint64_t need(Keys keys, uint64_t high, uint64_t low = 1) const;
    std::optional<bool> flag(const std::string& key) const;
    std::optional<std::string> text(const std::string& key) const;
    /// As text(); the outer object's value if the nested one has none.
    std::optional<std::string> text_anywhere(const std::string& key) const;
    std::vector<std::string> words(const std::string& key) const;
    std::vector<uint64_t> numbers(const std::string& key, uint64_t high) const;
    /// True for false, an empty list and an empty object too.
    bool empty(const std::string& key) const;

    /// "file: key: expected ..., found ..."
    [[noreturn]] void fail(const std::string& key, const std::string& expected) const;
    /// "file: key: message"
    [[noreturn]] void reject(const std::string& key, const std::string& message) const;

  private:
    struct Document;
    std::string path_;
    std::unique_ptr<Document> document_;
};

}  // namespace kvsim
