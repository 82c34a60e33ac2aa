// Azure LLM inference traces (Azure/AzurePublicDataset): CSV with TIMESTAMP, ContextTokens and GeneratedTokens, nothing
// else. A time is an ISO date and time, with 7 decimals in the traces of 2023 and with an offset in those of 2024; here
// it becomes seconds since midnight (UTC) of the first day there is.
#include <kvsim/core/date_time.h>
#include <kvsim/core/units.h>
#include <kvsim/trace/format_table.h>

#include <algorithm>

namespace kvsim {
namespace {

class AzureReader : public TableReader {
  public:
    AzureReader() : TableReader(columns()) {}
    static std::vector<CsvColumn> columns() { return {{"TIMESTAMP"}, {"ContextTokens"}, {"GeneratedTokens"}}; }

    void finish(Trace& trace) override {
        TableReader::finish(trace);
        auto first = std::min_element(times_.begin(), times_.end(),
                                      [](const Instant& a, const Instant& b) { return a.seconds < b.seconds; });
        int64_t within_day = ((first->seconds % 86400) + 86400) % 86400;
        int64_t midnight = first->seconds - within_day;
        for (uint32_t r = 0; r < trace.requests(); ++r) trace.arrival_s[r] = times_[r].since(midnight);
    }

  private:
    enum : size_t { kTime, kContext, kGenerated };

    void read_row(Trace& trace) override {
        Instant time;
        if (!parse_instant(csv_.text(kTime), time))
            csv_.fail(kTime, "expected a date and time such as 2023-11-16 18:15:46.6805900, found '" +
                                 printable(std::string(csv_.text(kTime).substr(0, 40))) + "'");
        add(trace, 0, tokens(kContext), tokens(kGenerated));
        times_.push_back(time);
    }

    std::vector<Instant> times_;
};

}  // namespace

FormatRow azure_format() {
    return {"azure",
            "Azure LLM inference CSV: TIMESTAMP (date and time), ContextTokens, GeneratedTokens",
            "nothing (lengths only)",
            "",
            [](const Head&) { return false; },
            [](Spec&) -> std::unique_ptr<FormatReader> { return std::make_unique<AzureReader>(); },
            [](std::string_view line) { return CsvReader(AzureReader::columns()).is_header(line); }};
}

}  // namespace kvsim
