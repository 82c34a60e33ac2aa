// A pull reader over one JSON text: simdjson On-Demand behind a small interface that turns every problem into one
// line with file:line:column, key and expectation. One translation unit includes simdjson, so builds stay lean.
#pragma once

#include <kvsim/core/error.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace kvsim {

/// Numbers appended without ever clearing memory that is about to be written.
class NumberBuffer {
  public:
    const uint64_t* data() const { return storage_.data(); }
    uint64_t* data() { return storage_.data(); }
    size_t size() const { return size_; }
    uint64_t operator[](size_t i) const { return storage_[i]; }
    void resize(size_t size) {
        room(size);
        size_ = size;
    }
    /// Makes sure that data()[0 .. size) can be written.
    void room(size_t size) {
        if (storage_.size() < size) storage_.resize(size + size / 2);
    }
    void push_back(uint64_t value) {
        room(size_ + 1);
        storage_[size_++] = value;
    }

  private:
    std::vector<uint64_t> storage_;
    size_t size_ = 0;
};

class JsonReader {
  public:
    JsonReader();
    ~JsonReader();
    JsonReader(const JsonReader&) = delete;
    JsonReader& operator=(const JsonReader&) = delete;

    /// The text that fail_at() and location() speak of, for a caller that reads it by itself.
    void set_text(std::string_view text, const Location& where);
    /// Begins with an object. `text` must have LineSource::kPadding readable bytes behind it; `capacity` says how many
    /// bytes can be read from its start. `where` is the location of its first character (column is ignored).
    void open_object(std::string_view text, size_t capacity, const Location& where);
    /// Next field of the innermost object; false at its end, which returns to the object or array around it.
    bool next_field(std::string_view& key);
    /// Next element of the innermost array; false at its end.
    bool next_element();
    /// After the outermost object: nothing but white space may follow.
    void finish();

    enum class Type : uint8_t { object, array, string, number, boolean, null };
    Type type();
    /// Where the current value begins, for fail_at().
    const char* place();
    void enter_object();
    void enter_array();

    /// Whole number in [low, high].
    uint64_t whole(uint64_t low, uint64_t high);
    /// Finite number in [low, high].
    double number(double low, double high);
    /// The string, escapes resolved; valid until the next text is opened.
    std::string_view string();
    bool boolean();
    /// Whether the current value is an array whose first element is a string.
    bool array_of_strings();
    /// Text of the array from '[' to ']'.
    std::string_view array_text();
    /// Elements of an array of whole numbers 0 .. 2^64 - 1, appended to `out`; `limit` is the largest allowed.
    void whole_array(NumberBuffer& out, uint64_t limit = ~uint64_t{0});
    /// Sets the bit; throws at the current value if it was set: a key that is given twice.
    void once(unsigned& seen, unsigned bit) {
        if (seen & bit) fail("the key is given twice");
        seen |= bit;
    }
    /// Any value, skipped.
    void skip();

    /// Throws at the current value.
    [[noreturn]] void fail(const std::string& message);
    /// Throws at a place inside the text.
    [[noreturn]] void fail_at(const char* place, const std::string& message);
    /// From here on fail_line() means the current value (an event inside a document).
    void begin_item();
    /// Throws at the line, or the item, as a whole.
    [[noreturn]] void fail_line(const std::string& message);
    Location location(const char* place) const;
    /// Where the text, or the item, begins.
    Location line_location() const;

  private:
    struct State;
    std::unique_ptr<State> s_;
};

/// Appends the numbers of "[1, 2, 3]" from `text` (which begins behind '[') up to the closing bracket. Returns the
/// place of the first character that does not belong there, or nullptr; `end` is set behind the bracket.
/// At least 8 bytes behind the text must be readable.
const char* parse_whole_array(const char* text, const char* limit, NumberBuffer& out, const char** end);

}  // namespace kvsim
