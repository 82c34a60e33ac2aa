#include <kvsim/core/spec.h>
#include <kvsim/core/suggest.h>
#include <kvsim/trace/csv_reader.h>

#include <algorithm>

namespace kvsim {

static std::string_view without_blanks(std::string_view text) {
    while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
    while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
    return text;
}

// A field as a message shows it: in one line, and not all of a long one.
static std::string shown(std::string_view text) {
    std::string out(text.substr(0, 40));
    for (char& c : out)
        if (static_cast<unsigned char>(c) < 0x20) c = ' ';
    return out.empty() ? "nothing" : out + (text.size() > 40 ? "..." : "");
}

static const char* name_of(char delimiter) {
    switch (delimiter) {
        case ',': return "comma";
        case ';': return "semicolon";
        case '\t': return "tab";
        default: return "delimiter";
    }
}

CsvReader::CsvReader(std::vector<CsvColumn> columns, char delimiter)
    : columns_(std::move(columns)), place_(columns_.size(), kMissing), delimiter_(delimiter) {}

void CsvReader::use_places(std::vector<size_t> places) {
    place_ = std::move(places);
    width_ = 0;
}

void CsvReader::fail_at(size_t place, const std::string& message) const {
    Location at = where_;
    at.column = 1;
    for (size_t i = 0; i < place && i < record_.size(); ++i) {
        ++at.column;
        if (record_[i] != '\n') continue;
        ++at.line;
        at.column = 1;
    }
    throw_at(at, message);
}

void CsvReader::fail(size_t column, const std::string& message) const {
    fail_at(fields_[place_[column]].begin, std::string(columns_[column].name) + ": " + message);
}

// Reads the quoted field whose quote is at `at`, which moves behind the closing one; false if it has none.
bool CsvReader::take_quoted(size_t& at) {
    size_t begin = at + 1;
    bool doubled = false;
    for (at = begin;; at += 2) {
        at = record_.find('"', at);
        if (at == std::string_view::npos) return false;
        if (at + 1 == record_.size() || record_[at + 1] != '"') break;
        doubled = true;
    }
    std::string_view text = record_.substr(begin, at - begin);
    if (doubled) {
        std::string& plain = unquoted_.emplace_back();
        for (size_t i = 0; i < text.size(); ++i) {
            plain.push_back(text[i]);
            i += text[i] == '"';
        }
        text = plain;
    }
    fields_.push_back({text, begin - 1});
    ++at;
    return true;
}

// Cuts record_ into fields; false if it ends inside a quoted one.
bool CsvReader::split() {
    fields_.clear();
    unquoted_.clear();
    for (size_t at = 0;; ++at) {
        size_t begin = at;
        if (at < record_.size() && record_[at] == '"') {
            if (!take_quoted(at)) {
                open_quote_ = begin;
                return false;
            }
            if (at < record_.size() && record_[at] != delimiter_)
                fail_at(at, std::string("expected a ") + name_of(delimiter_) + " behind the closing quote");
        } else {
            at = std::min(record_.find(delimiter_, at), record_.size());
            std::string_view text = record_.substr(begin, at - begin);
            size_t quote = text.find('"');
            if (quote != std::string_view::npos)
                fail_at(begin + quote, "a quote inside a field; expected the whole field in quotes");
            fields_.push_back({text, begin});
        }
        if (at == record_.size()) return true;
    }
}

void CsvReader::read_row(LineSource& source) {
    where_ = source.here();
    record_ = source.line();
    if (!split()) {
        // A field goes on in the next line: join lines while an odd number of quotes is open, so that each is looked
        // at once.
        joined_.assign(record_);
        for (bool open = true; open && source.next();) {
            joined_.append("\n").append(source.line());
            open ^= std::count(source.line().begin(), source.line().end(), '"') % 2 != 0;
        }
        record_ = joined_;
        if (!split()) fail_at(open_quote_, "the quoted field is not closed");
    }
    check_width();
}

void CsvReader::check_width() const {
    auto found = [&] {
        return "found " + std::to_string(fields_.size()) + (fields_.size() == 1 ? " field" : " fields") + ", expected ";
    };
    if (width_ != 0 && fields_.size() != width_) fail_at(0, found() + std::to_string(width_) + " as in the header");
    for (size_t c = 0; width_ == 0 && c < columns_.size(); ++c)
        if (has(c) && place_[c] >= fields_.size())
            fail_at(0, found() + columns_[c].name + " in field " + std::to_string(place_[c] + 1));
}

void CsvReader::read_header(LineSource& source) {
    use_places(std::vector<size_t>(columns_.size(), kMissing));
    read_row(source);
    std::vector<std::string> names;
    for (const Field& f : fields_) names.emplace_back(without_blanks(f.text));
    for (size_t c = 0; c < columns_.size(); ++c) {
        auto found = std::find(names.begin(), names.end(), columns_[c].name);
        place_[c] = found == names.end() ? kMissing : static_cast<size_t>(found - names.begin());
        if (found == names.end()) {
            if (columns_[c].required)
                fail_at(0, "expected a header with the column " + std::string(columns_[c].name) + ", found " +
                               shown(record_));
        } else if (std::find(found + 1, names.end(), columns_[c].name) != names.end()) {
            fail(c, "the column is given twice");
        }
    }
    width_ = fields_.size();
}

bool CsvReader::is_header(std::string_view line) {
    if (line.size() > 4096) return false;
    record_ = line;
    try {
        if (!split()) return false;
    } catch (const Error&) {
        return false;
    }
    return std::all_of(columns_.begin(), columns_.end(), [&](const CsvColumn& c) {
        return !c.required || std::any_of(fields_.begin(), fields_.end(),
                                          [&](const Field& f) { return without_blanks(f.text) == c.name; });
    });
}

std::string_view CsvReader::text(size_t column) const {
    return has(column) ? fields_[place_[column]].text : std::string_view{};
}

std::string_view CsvReader::trimmed(size_t column) const { return without_blanks(text(column)); }

uint64_t CsvReader::whole(size_t column, uint64_t low, uint64_t high) const {
    uint64_t value = 0;
    if (!parse_whole(trimmed(column), value) || value < low || value > high)
        fail(column, "expected a whole number from " + std::to_string(low) + " to " + std::to_string(high) +
                         ", found " + shown(text(column)));
    return value;
}

double CsvReader::number(size_t column, double low, double high) const {
    double value = 0;
    if (!parse_number(trimmed(column), value))
        fail(column, "expected a number, found " + shown(text(column)));
    if (value < low || value > high) fail(column, "out of range: " + shown(text(column)));
    return value;
}

}  // namespace kvsim
