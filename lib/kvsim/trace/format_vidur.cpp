// Vidur's request traces: CSV with arrived_at (seconds), num_prefill_tokens, num_decode_tokens. The lengths of the
// Mooncake arXiv trace are published in this form.
#include <kvsim/trace/format_table.h>

namespace kvsim {
namespace {

class VidurReader : public TableReader {
  public:
    VidurReader() : TableReader(columns()) {}
    static std::vector<CsvColumn> columns() { return {{"arrived_at"}, {"num_prefill_tokens"}, {"num_decode_tokens"}}; }

  private:
    enum : size_t { kTime, kPrefill, kDecode };

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
            [](std::string_view line) { return CsvReader(VidurReader::columns()).is_header(line); }};
}

}  // namespace kvsim
