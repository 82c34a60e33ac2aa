// Helpers of the model tests.
#pragma once

#include <doctest/doctest.h>

#include "support/process.h"
#include <kvsim/core/error.h>
#include <kvsim/quant/dtype.h>
#include <kvsim/model/hf_config.h>
#include <kvsim/model/model.h>
#include <unistd.h>
#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <functional>

namespace model_support {

using namespace kvsim;
namespace fs = std::filesystem;

/// A file that lives as long as the object.
class TempFile {
  public:
    explicit TempFile(const std::string& text) {
        static int count = 0;
        path_ = (fs::temp_directory_path() /
                 ("kvsim_model_test_" + std::to_string(getpid()) + "_" + std::to_string(count++) + ".json"))
                    .string();
        std::ofstream(path_, std::ios::binary) << text;
    }
    ~TempFile() {
        std::error_code ignored;
        fs::remove(path_, ignored);
    }
    TempFile(const TempFile&) = delete;
    TempFile& operator=(const TempFile&) = delete;
    const std::string& path() const { return path_; }

  private:
    std::string path_;
};

inline std::string error_of(const std::function<void()>& call, ErrorKind kind = ErrorKind::input) {
    try {
        call();
    } catch (const Error& e) {
        CHECK(e.kind() == kind);
        return e.what();
    }
    return "no error";
}

inline ModelShape from_text(const std::string& text) { return model_from_hf_config(TempFile(text).path()); }

/// The message for a config, with the path cut off.
inline std::string config_error(const std::string& text) {
    TempFile file(text);
    std::string message = error_of([&] { model_from_hf_config(file.path()); });
    CHECK(message.rfind(file.path() + ":", 0) == 0);
    CHECK(message.find('\n') == std::string::npos);
    return message.substr(std::min(message.size(), file.path().size() + 1));
}

inline const ModelShape& preset(const char* id) { return models().get(id).shape; }

inline uint64_t layers_of(const ModelShape& shape, LayerKind kind) {
    uint64_t count = 0;
    for (const LayerGroup& group : shape.groups)
        if (group.kind == kind) count += group.count;
    return count;
}

inline uint64_t fixed_bytes(const ModelShape& shape) { return bytes_per_sequence_at(shape, 0); }

inline std::string all_notes(const ModelShape& shape) { return join(notes(shape), "|"); }

inline ModelShape one_group(const LayerGroup& group) {
    ModelShape shape;
    shape.id = "test";
    shape.groups = {group};
    return shape;
}

inline bool same_bytes(const ModelShape& a, const ModelShape& b) {
    return bytes_per_token(a) == bytes_per_token(b) && bytes_per_token_all(a) == bytes_per_token_all(b) &&
           bytes_per_sequence_at(a, 1000) == bytes_per_sequence_at(b, 1000) &&
           fixed_bytes(a) == fixed_bytes(b);
}

inline std::string example(const std::string& name) {
    return kvsim_test::source_file("configs/models/" + name);
}

inline std::string repeat(const std::string& text, size_t times) {
    std::string out;
    for (size_t i = 0; i < times; ++i) out += text;
    return out;
}

/// A config with 4 layers of 8 heads x 64, plus the given members.
inline std::string config(const std::string& members) {
    return R"({"model_type":"test","torch_dtype":"bfloat16","num_hidden_layers":4,"hidden_size":512,)"
           R"("num_attention_heads":8)" +
           (members.empty() ? "" : "," + members) + "}";
}

inline void wrong(const std::string& members, const std::string& message) {
    CHECK(config_error(config(members)) == " " + message);
}

}  // namespace model_support
