// Tensors of a safetensors file: an 8-byte little-endian header length, a JSON header that gives each tensor's dtype,
// shape and place, then the values. Nothing in the file is believed: every size, product and offset is checked against
// the file's own size before a byte of memory is asked for, and the tensors must fill the data without gap or overlap.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace kvsim {

struct SafeTensor {
    std::string name;
    std::string dtype;            ///< as written, "F32"
    std::vector<uint64_t> shape;  ///< the last axis varies fastest
    uint64_t values = 1;          ///< product of the shape
    uint64_t begin = 0, end = 0;  ///< bytes within the data section
};

class SafeTensors {
  public:
    /// Opens the file and checks its header. Throws Error(input) naming file, tensor and what was expected; Error(io).
    explicit SafeTensors(const std::string& path);
    ~SafeTensors();
    SafeTensors(const SafeTensors&) = delete;
    SafeTensors& operator=(const SafeTensors&) = delete;

    /// In the order of their bytes.
    const std::vector<SafeTensor>& tensors() const { return tensors_; }
    /// Null if there is none.
    const SafeTensor* find(const std::string& name) const;
    const std::map<std::string, std::string>& metadata() const { return metadata_; }

    /// Reads the rest of the file once, front to back: the values of the tensors named, as f32, into the vectors given
    /// (an F32 tensor without a copy in between). Returns the SHA-256 of the whole file; call once. Throws
    /// Error(input) for other dtypes than F32, F16 and BF16 and for values that are not finite.
    std::string read(const std::map<std::string, std::vector<float>*>& wanted);

    /// "FILE: tensor NAME: what".
    [[noreturn]] void fail(const SafeTensor& tensor, const std::string& what) const;
    [[noreturn]] void fail(const std::string& what) const;

  private:
    void read_header();
    void check_places();
    void read_exactly(char* out, uint64_t size);

    std::string path_;
    int fd_ = -1;
    uint64_t file_bytes_ = 0, data_bytes_ = 0, read_bytes_ = 0;
    std::array<char, 8> length_{};
    std::string header_;
    std::vector<SafeTensor> tensors_;
    std::map<std::string, std::string> metadata_;
};

}  // namespace kvsim
