// Memory of a backend that gives itself back, with a type, so that a table of integers never travels as something else.
#pragma once

#include <kvsim/backend/backend.h>

#include <utility>
#include <vector>

namespace kvsim {

template <class T>
class Buffer {
  public:
    Buffer() = default;
    Buffer(Backend& backend, uint64_t count)
        : backend_(&backend), data_(static_cast<T*>(backend.allocate(count * sizeof(T)))), count_(count) {}
    Buffer(const Buffer&) = delete;
    Buffer& operator=(const Buffer&) = delete;
    Buffer(Buffer&& other) noexcept { swap(other); }
    Buffer& operator=(Buffer&& other) noexcept {
        swap(other);
        return *this;
    }
    ~Buffer() {
        if (data_) backend_->release(data_);
    }

    T* data() const { return data_; }
    uint64_t size() const { return count_; }
    uint64_t bytes() const { return count_ * sizeof(T); }
    /// Room for so many; what was in it may be gone.
    void reserve(Backend& backend, uint64_t count) {
        if (count > count_) *this = Buffer(backend, count);
    }
    void write(uint64_t at, const T* values, uint64_t count) {
        if (count > 0) backend_->copy_in(data_ + at, values, count * sizeof(T));
    }
    void read(uint64_t at, T* values, uint64_t count) const {
        if (count > 0) backend_->copy_out(values, data_ + at, count * sizeof(T));
    }

  private:
    void swap(Buffer& other) {
        std::swap(backend_, other.backend_);
        std::swap(data_, other.data_);
        std::swap(count_, other.count_);
    }
    Backend* backend_ = nullptr;
    T* data_ = nullptr;
    uint64_t count_ = 0;
};

}  // namespace kvsim
