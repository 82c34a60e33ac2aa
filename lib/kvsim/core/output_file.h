// Output that is there whole or not at all: written to a temporary file beside the target, renamed at the end.
// Opened before the work starts, so that a bad path fails at once.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace kvsim {

class OutputFile {
  public:
    /// `path` "-" is standard output. Throws Error(io) if the temporary file cannot be created.
    explicit OutputFile(const std::string& path);
    /// Removes the temporary file unless commit() was called.
    ~OutputFile();
    OutputFile(const OutputFile&) = delete;
    OutputFile& operator=(const OutputFile&) = delete;

    void write(std::string_view text);
    /// Writes the rest and renames. Throws Error(io); call once, last.
    void commit();

    /// Removes every temporary file that is still open: for a signal handler (async-signal-safe).
    static void remove_all_unfinished();

  private:
    void flush();
    std::string path_;
    std::string temporary_;
    std::string buffer_;
    int fd_ = -1;
    int slot_ = -1;
};

}  // namespace kvsim
