// Tables with aligned columns, for people. Only for the sources of this room.
#pragma once

#include <kvsim/report/compare_report.h>

#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <vector>

namespace kvsim {

/// The first `left` columns to the left, the others to the right.
class TextTable {
  public:
    explicit TextTable(size_t left = 1) : left_(left) {}
    void add(std::vector<std::string> row) {
        widths_.resize(std::max(widths_.size(), row.size()));
        for (size_t i = 0; i < row.size(); ++i) widths_[i] = std::max(widths_[i], row[i].size());
        rows_.push_back(std::move(row));
    }
    std::string str() const {
        std::string out;
        for (const auto& row : rows_) {
            std::string line = fmt::format("  {:<{}}", row[0], widths_[0]);
            for (size_t i = 1; i < row.size(); ++i) line += i < left_ ? fmt::format("   {:<{}}", row[i], widths_[i]) : fmt::format("   {:>{}}", row[i], widths_[i]);
            line.erase(line.find_last_not_of(' ') + 1);
            out += line + "\n";
        }
        return out;
    }

  private:
    size_t left_;
    std::vector<std::vector<std::string>> rows_;
    std::vector<size_t> widths_;
};

/// Bits and budgets against errors: one row per cell that was measured on keys and values; empty without any.
std::string trade_off_table(const CompareReport& report);

}  // namespace kvsim
