// Errors the library throws. The library never prints and never exits: an application catches
// `Error`, prints what() and picks the exit code by kind (docs/DESIGN.md section 5).
#pragma once

#include <cstdint>
#include <stdexcept>
#include <string>
#include <utility>

namespace kvsim {

enum class ErrorKind : uint8_t {
    input,   ///< usage, configuration or trace invalid: exit code 2
    io,      ///< a file could not be read or written: exit code 3
    failed,  ///< an invariant of ours does not hold: exit code 3
};

/// One line, ready to be shown. Input errors begin with file:line:column where there is a file.
class Error : public std::runtime_error {
  public:
    Error(ErrorKind kind, const std::string& message) : std::runtime_error(message), kind_(kind) {}
    ErrorKind kind() const { return kind_; }

  private:
    ErrorKind kind_;
};

[[noreturn]] inline void throw_input(const std::string& message) { throw Error(ErrorKind::input, message); }
[[noreturn]] inline void throw_io(const std::string& message) { throw Error(ErrorKind::io, message); }
[[noreturn]] inline void throw_failed(const std::string& message) { throw Error(ErrorKind::failed, message); }

/// Where in an input file something stands; line and column count from 1, 0 = not applicable.
struct Location {
    std::string file;
    uint64_t line = 0;
    uint64_t column = 0;

    std::string str() const {
        std::string s = file;
        if (line != 0) s += ":" + std::to_string(line);
        if (line != 0 && column != 0) s += ":" + std::to_string(column);
        return s;
    }
};

[[noreturn]] inline void throw_at(const Location& where, const std::string& message) {
    throw_input(where.str() + ": " + message);
}

}  // namespace kvsim
