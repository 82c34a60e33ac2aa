// Rows of a CSV file (RFC 4180) on top of LineSource: a header that names the columns, in any order; fields in quotes
// may hold commas, quotes (doubled) and line breaks. Columns nobody asked for are ignored. Every problem is one line
// with file:line:column, the column's name and what was expected. Tables without a header that can be relied on have
// their columns told by number.
#pragma once

#include <kvsim/trace/line_source.h>

#include <deque>
#include <string>
#include <string_view>
#include <vector>

namespace kvsim {

struct CsvColumn {
    const char* name;
    bool required = true;
};

class CsvReader {
  public:
    /// Columns are spoken of by their place in `columns` from here on.
    explicit CsvReader(std::vector<CsvColumn> columns, char delimiter = ',');

    static constexpr size_t kMissing = ~size_t{0};
    /// Instead of a header: per column, which field of a row it is, from 0 (kMissing: none). Rows may have more.
    void use_places(std::vector<size_t> places);
    /// Takes the current line as the header. Throws Error(input) if a required column is missing or one is twice.
    void read_header(LineSource& source);
    /// Takes the current line, and those after it that a quoted field goes on in, as a row.
    void read_row(LineSource& source);
    /// Whether `line` is a header with every required column.
    bool is_header(std::string_view line);

    /// Whether the header has the column.
    bool has(size_t column) const { return place_[column] != kMissing; }
    /// The field of the current row; "" where the header lacks the column.
    std::string_view text(size_t column) const;
    /// The same without blanks around it.
    std::string_view trimmed(size_t column) const;
    /// Whole number in [low, high], blanks around it allowed.
    uint64_t whole(size_t column, uint64_t low, uint64_t high) const;
    /// Finite number in [low, high].
    double number(size_t column, double low, double high) const;
    /// Throws at the column's field.
    [[noreturn]] void fail(size_t column, const std::string& message) const;

  private:
    struct Field {
        std::string_view text;
        size_t begin;  ///< in record_
    };
    bool split();
    bool take_quoted(size_t& at);
    void check_width() const;
    [[noreturn]] void fail_at(size_t place, const std::string& message) const;

    std::vector<CsvColumn> columns_;
    std::vector<size_t> place_;  ///< per column: which field of a row
    size_t open_quote_ = 0;      ///< where split() stopped at a quoted field that does not end
    size_t width_ = 0;           ///< fields of the header
    char delimiter_;
    std::vector<Field> fields_;
    std::string_view record_;
    std::string joined_;               ///< the record, where it is more than one line
    std::deque<std::string> unquoted_;  ///< fields with doubled quotes
    Location where_;
};

}  // namespace kvsim
