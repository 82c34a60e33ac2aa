// BurstGPT (HPMLL/BurstGPT): CSV with Timestamp (seconds from midnight of the first day), Model, Request tokens,
// Response tokens, Total tokens and Log Type; the files of the third part also have Session ID (conversations only) and
// Elapsed time (seconds until the whole answer was there).
//
// Log Type becomes the category, Session ID the session, Timestamp + Elapsed time the end. A request that failed has 0
// response tokens, some 0 request tokens as well; it is kept, as it came to the server. Total tokens and Model say
// nothing that a cache needs.
#include <kvsim/core/units.h>
#include <kvsim/trace/format_table.h>

namespace kvsim {
namespace {

class BurstGptReader : public TableReader {
  public:
    BurstGptReader() : TableReader(columns()) {}
    static std::vector<CsvColumn> columns() {
        return {{"Timestamp"},          {"Request tokens"},      {"Response tokens"},
                {"Session ID", false}, {"Elapsed time", false}, {"Log Type", false}};
    }

    void finish(Trace& trace) override {
        TableReader::finish(trace);
        if (failed_ != 0)
            trace.notes.push_back(format_count(failed_) + " of " + format_count(trace.requests()) +
                                  (failed_ == 1 ? " requests has" : " requests have") +
                                  " no response tokens (failed); kept");
    }

  private:
    enum : size_t { kTime, kRequest, kResponse, kSession, kElapsed, kLogType };

    void read_row(Trace& trace) override {
        double time = csv_.number(kTime, 0, kMaxSeconds);
        double elapsed = csv_.text(kElapsed).empty() ? -1 : csv_.number(kElapsed, 0, kMaxSeconds);
        uint32_t prompt = tokens(kRequest);
        uint32_t output = tokens(kResponse);
        uint32_t row = add(trace, time, prompt, output);
        failed_ += output == 0;
        if (elapsed >= 0) trace.end_s.set(row, time + elapsed);
        if (!csv_.text(kSession).empty()) trace.session.set(row, csv_.text(kSession));
        if (!csv_.text(kLogType).empty()) trace.category.set(row, csv_.text(kLogType));
    }

    uint64_t failed_ = 0;
};

}  // namespace

FormatRow burstgpt_format() {
    return {"burstgpt",
            "BurstGPT CSV: Timestamp (s), Request tokens, Response tokens, Log Type, Session ID, Elapsed time",
            "nothing (lengths only)",
            "",
            [](const Head&) { return false; },
            [](Spec&) -> std::unique_ptr<FormatReader> { return std::make_unique<BurstGptReader>(); },
            [](std::string_view line) { return CsvReader(BurstGptReader::columns()).is_header(line); }};
}

}  // namespace kvsim
