// safetensors files made by hand for the tests.
#pragma once

#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

namespace kvsim_test {

template <class T>
std::string bytes_of(const std::vector<T>& values) {
    return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T)};
}

/// Header length, header, data.
inline std::string safetensors_text(const std::string& header, const std::string& data) {
    return bytes_of(std::vector<uint64_t>{header.size()}) + header + data;
}

/// Builds a file tensor by tensor.
class TensorFile {
  public:
    TensorFile& add(const std::string& name, const std::string& dtype, const std::string& shape,
                    const std::string& bytes) {
        fields_ += (fields_.empty() ? "" : ",") + ("\"" + name + "\":{\"dtype\":\"" + dtype + "\",\"shape\":" + shape) +
                   ",\"data_offsets\":[" + std::to_string(data_.size()) + "," +
                   std::to_string(data_.size() + bytes.size()) + "]}";
        data_ += bytes;
        return *this;
    }
    TensorFile& add(const std::string& name, const std::string& shape, const std::vector<float>& values) {
        return add(name, "F32", shape, bytes_of(values));
    }
    std::string text() const { return safetensors_text("{" + fields_ + "}", data_); }

  private:
    std::string fields_, data_;
};

}  // namespace kvsim_test
