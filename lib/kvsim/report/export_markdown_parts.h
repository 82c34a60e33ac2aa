// Pieces of the Markdown export. Only for export_markdown*.cpp.
#pragma once

#include <kvsim/report/export_parts.h>
#include <kvsim/report/mermaid.h>

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

namespace kvsim {

/// A table whose source can be read too: the first row is the heading, the first `left` columns stand to the left.
class MarkdownTable {
  public:
    explicit MarkdownTable(size_t left = 1) : left_(left) {}
    void add(std::vector<std::string> row) { rows_.push_back(std::move(row)); }
    bool empty() const { return rows_.size() < 2; }
    /// "" without rows below the heading.
    std::string str() const;

  private:
    size_t left_;
    std::vector<std::vector<std::string>> rows_;
};

/// The number as people read it: its key tells whether it is a share, bytes or a count.
std::string shown(const std::string& key, const Json& value);
/// "21.16", of part / whole; "-" of nothing.
std::string percent_of(std::optional<double> part, std::optional<double> whole);
/// "12,345" or "-".
std::string count_at(const Json& json, std::string_view path);
/// "39.1 GiB" or "-".
std::string bytes_at(const Json& json, std::string_view path);

/// A part that opens on a click; "" without a text.
std::string folded(const std::string& title, const std::string& text);

/// What follows the headline.
std::string compare_markdown(const Json& report);

}  // namespace kvsim
