// Lines of a file, a pipe or standard input, plain, zstd or gzip (told by their first bytes), in bounded memory:
// a buffer of some MiB, larger only if one line is. Every line is followed by readable padding, as simdjson wants.
// Binary formats take records of a fixed size instead; one source is read either way, not both.
#pragma once

#include <kvsim/core/error.h>

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace kvsim {

class LineSource {
  public:
    static constexpr size_t kPadding = 64;  ///< readable bytes after every line and after whole()

    /// `path` "-" is standard input. `digest`: compute SHA-256 of the decompressed bytes on the way.
    /// Throws Error(io) if it cannot be opened, Error(input) on broken compressed data (also later, while reading).
    /// `progress`, if given, is increased by the bytes read.
    LineSource(const std::string& path, bool digest, std::atomic<uint64_t>* progress = nullptr);
    ~LineSource();
    LineSource(const LineSource&) = delete;
    LineSource& operator=(const LineSource&) = delete;

    /// Fetches the next line without its line end (LF or CRLF); false at the end of the input.
    bool next();
    std::string_view line() const { return line_; }
    uint64_t number() const { return number_; }
    /// False for a last line that has no line end.
    bool terminated() const { return terminated_; }
    /// Readable bytes from line().data() on.
    size_t capacity() const { return static_cast<size_t>(buffer_.data() + buffer_.size() - line_.data()); }
    /// Puts the current line back: the next next() returns it again.
    void unread() { unread_ = true; }
    /// Makes everything from the current line to the end of the input one line, which is returned.
    std::string_view whole();

    /// The next records of `size` bytes each, as many as are at hand, valid until the next call. Shorter than one
    /// record only at the end of an input that breaks off inside one; empty at the end.
    std::string_view next_records(size_t size);
    /// The first `size` bytes of the input, or all if it has fewer, before anything is read; they stay to be read.
    std::string_view peek(size_t size);

    /// Bytes of the input where that is known beforehand: of a plain file. 0 = not known.
    uint64_t size_hint() const;

    const std::string& name() const { return name_; }
    Location here(uint64_t column = 0) const { return {name_, number_, column}; }
    /// Call after the last line: 64 hex digits.
    std::string sha256();
    uint64_t bytes() const { return bytes_; }

  private:
    class Input;
    class Digest;
    bool fill();

    std::string name_;
    std::unique_ptr<Input> input_;
    std::unique_ptr<Digest> digest_;
    std::vector<char> buffer_;
    size_t begin_ = 0;  ///< first byte not yet handed out
    size_t end_ = 0;    ///< bytes read into the buffer
    uint64_t bytes_ = 0;
    std::atomic<uint64_t>* progress_;
    bool eof_ = false;
    bool unread_ = false;
    bool terminated_ = true;
    std::string_view line_;
    uint64_t number_ = 0;
};

}  // namespace kvsim
