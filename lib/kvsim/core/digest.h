// SHA-256 of a stream, as the report names traces by.
#pragma once

#include <cstddef>
#include <memory>
#include <string>

namespace kvsim {

class Sha256 {
  public:
    Sha256();
    ~Sha256();
    Sha256(const Sha256&) = delete;
    Sha256& operator=(const Sha256&) = delete;

    void update(const char* data, size_t size);
    /// 64 lower-case hex digits; call once, last.
    std::string finish();

  private:
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace kvsim
