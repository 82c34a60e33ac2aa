// One line of JSON being put together: keys and values straight into a buffer, no document in between.
#pragma once

#include <kvsim/core/output_file.h>
#include <kvsim/trace/trace.h>

#include <fmt/format.h>

#include <cstdint>
#include <iterator>
#include <string>
#include <string_view>
#include <vector>

namespace kvsim {

/// The inside of a JSON string; bytes that are not ASCII stay as they are. `Text` is a string or a buffer of fmt's.
template <class Text>
void append_json_escaped(Text& out, std::string_view value) {
    for (char c : value) {
        auto code = static_cast<unsigned char>(c);
        if (c == '"' || c == '\\') out.push_back('\\');
        if (code < 0x20) {
            fmt::format_to(std::back_inserter(out), "\\u{:04x}", static_cast<unsigned>(code));
        } else {
            out.push_back(c);
        }
    }
}

class JsonLine {
  public:
    explicit JsonLine(OutputFile& out) : out_(out) {}

    void begin() {
        text_.push_back('{');
        first_ = true;
    }
    void key(std::string_view name) {
        if (!first_) text_.push_back(',');
        first_ = false;
        text_.push_back('"');
        append(name);
        append("\":");
    }
    void whole(std::string_view name, uint64_t value) {
        key(name);
        append_whole(value);
    }
    /// Shortest digits that read back as the same number.
    void number(std::string_view name, double value) {
        key(name);
        append_number(value);
    }
    void string(std::string_view name, std::string_view value) {
        key(name);
        append_string(value);
    }
    /// "name":[1,2,3]
    template <class Numbers>
    void array(std::string_view name, const Numbers& numbers) {
        key(name);
        text_.push_back('[');
        bool first = true;
        for (uint64_t n : numbers) {
            if (!first) text_.push_back(',');
            first = false;
            append_whole(n);
        }
        text_.push_back(']');
    }
    void end() {
        append("}\n");
        out_.write({text_.data(), text_.size()});
        text_.clear();
    }

    void append(std::string_view raw) { text_.append(raw.data(), raw.data() + raw.size()); }
    void append_whole(uint64_t value) {
        fmt::format_int digits(value);
        append({digits.data(), digits.size()});
    }
    template <class Float>
    void append_number(Float value) {
        fmt::format_to(std::back_inserter(text_), "{}", value);
    }

  private:
    void append_string(std::string_view value) {
        text_.push_back('"');
        append_json_escaped(text_, value);
        text_.push_back('"');
    }

    OutputFile& out_;
    fmt::memory_buffer text_;
    bool first_ = true;
};

/// The ids of a row's first `length` blocks, one by one; `out` is replaced.
inline void block_ids(const PrefixIndex& chains, uint32_t row, uint32_t length, std::vector<BlockId>& out) {
    thread_local std::vector<Segment> segments;
    chains.segments(row, length, segments);
    out.clear();
    for (const Segment& s : segments)
        for (uint32_t i = 0; i < s.count; ++i) out.push_back(s.begin + i);
}

/// The ids of the content chunks of a request.
inline void content_ids(const Trace& trace, uint32_t r, std::vector<uint32_t>& out) {
    const ContentColumn& content = trace.content_ids;
    out.assign(content.ids.begin() + static_cast<ptrdiff_t>(content.begin[r]),
               content.ids.begin() + static_cast<ptrdiff_t>(content.begin[r + 1]));
}

/// Ids in order of first appearance among lookups; those of the index where nothing but lookups is in it.
class DenseIds {
  public:
    DenseIds(const Trace& trace, bool needed) {
        if (needed) dense_.assign(trace.chains.unique_blocks(), kNone);
    }
    void renumber(std::vector<uint32_t>& ids) {
        if (dense_.empty()) return;
        for (uint32_t& id : ids) {
            uint32_t& to = dense_[id];
            if (to == kNone) to = next_++;
            id = to;
        }
    }

  private:
    std::vector<uint32_t> dense_;
    uint32_t next_ = 0;
};

/// "1 request", "2 requests".
inline std::string counted(uint64_t n, const std::string& thing) {
    return std::to_string(n) + " " + thing + (n == 1 ? "" : "s");
}

/// What a format for prompts does not say of a trace of objects.
inline constexpr const char* kLostObjects = "that every request is one object and no prompt";

}  // namespace kvsim
