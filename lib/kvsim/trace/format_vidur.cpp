// Vidur's request traces: CSV with arrived_at (seconds), num_prefill_tokens, num_decode_tokens. The lengths of the
// Mooncake arXiv trace are published in this form.
#include <kvsim/trace/format_table.h>

namespace kvsim {
namespace {

enum : size_t { kTime, kPrefill, kDecode };

std::vector<CsvColumn> columns() { return {{"arrived_at"}, {"num_prefill_tokens"}, {"num_decode_tokens"}}; }

class VidurReader : public TableReader {
  public:
    VidurReader() : TableReader(columns()) {}

  private:
    void read_row(Trace& trace) override {
        add(trace, csv_.number(kTime, 0, kMaxSeconds), tokens(kPrefill), tokens(kDecode));
    }
};

}  // namespace

FormatRow vidur_format() {
    return {"vidur",
            "Vidur CSV: arrived_at (s), num_prefill_tokens, num_decode_tokens",
            "nothing (lengths only)",
            "",
            [](const Head&) { return false; },
            [](Spec&) -> std::unique_ptr<FormatReader> { return std::make_unique<VidurReader>(); },
            [](std::string_view line) { return CsvReader(columns()).is_header(line); }};
}

}  // namespace kvsim
