// The rows of the tables people read. Only for the sources of this room.
#pragma once

#include <kvsim/report/replay_report.h>

#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <vector>

namespace kvsim {

/// "label   value   remark" rows with aligned columns.
class Rows {
  public:
    void add(std::string label, std::string value, std::string remark = {}) {
        rows_.push_back({std::move(label), std::move(value), std::move(remark)});
    }
    void gap() { rows_.push_back({}); }
    std::string str(bool color) const {
        size_t label = 0, value = 0;
        for (const Row& r : rows_) {
            label = std::max(label, r.label.size());
            value = std::max(value, r.value.size());
        }
        std::string out;
        for (const Row& r : rows_) {
            std::string line = fmt::format("  {:<{}}  {}{:>{}}{}  {}", r.label, label, color ? "\x1b[1m" : "", r.value,
                                           value, color ? "\x1b[0m" : "", r.remark);
            if (r.label.empty()) line.clear();
            line.erase(line.find_last_not_of(' ') + 1);
            out += line + "\n";
        }
        return out;
    }

  private:
    struct Row {
        std::string label, value, remark;
    };
    std::vector<Row> rows_;
};

/// What is stored in which bytes, and what that costs; nothing where the report does not say.
void add_compression(Rows& rows, const ReplayReport& report);
/// --engine: its own numbers, and why a request hit no more; nothing without.
void add_engine(Rows& rows, const ReplayReport& report);
std::string explanation_text(const ReplayReport& report);
/// Data mode: what was stored, and the kernels; nothing without.
std::string kernels_table(const ReplayReport& report);
/// Per layer, and how far back tokens are still there.
std::string compression_table(const ReplayReport& report);

}  // namespace kvsim
