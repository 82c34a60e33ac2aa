// What the formats that are tables of lengths have in common: one CSV row per request, a time and two lengths, no names.
#pragma once

#include <kvsim/trace/csv_reader.h>
#include <kvsim/trace/format.h>

#include <utility>

namespace kvsim {

class TableReader : public FormatReader {
  public:
    void read(LineSource& source, Trace& trace, ProblemList* problems) override {
        // A header that is wrong leaves nothing to read.
        while (source.next()) {
            if (source.line().find_first_not_of(" \t\r") == std::string_view::npos) continue;
            csv_.read_header(source);
            for_each_line(source, problems, [&] {
                csv_.read_row(source);
                read_row(trace);
            });
            return;
        }
    }

    void finish(Trace& trace) override {
        trace.lengths_only = true;
        trace.block_size = kDefaultBlockSize;
    }

  protected:
    explicit TableReader(std::vector<CsvColumn> columns) : csv_(std::move(columns)) {}

    /// Adds the current row of csv_ to the trace: see add().
    virtual void read_row(Trace& trace) = 0;

    uint32_t tokens(size_t column) const { return static_cast<uint32_t>(csv_.whole(column, 0, kMaxTokens)); }

    /// A request without names; returns its row.
    static uint32_t add(Trace& trace, double arrival_s, uint32_t prompt, uint32_t output) {
        uint32_t row = trace.chains.append(kNone, 0, 0);
        trace.prompt_tokens.push_back(prompt);
        trace.output_tokens.push_back(output);
        trace.arrival_s.push_back(arrival_s);
        trace.source_row.push_back(row);
        return row;
    }

    CsvReader csv_;
};

}  // namespace kvsim
