// LMCache lookup-hash logs (LMCache/LMCache, `lmcache server --lookup-hash-log-dir DIR`): JSONL files, one line per
// lookup with timestamp (Unix seconds), request_id, model_name, chunk_size, seq_len and chunk_hashes.
//
// A hash is a hex string that names a chunk of chunk_size tokens with everything before it; only full chunks have
// one, floor(seq_len / chunk_size) of them. Hex of up to 64 bits is read as the number it is, longer ones (SHA-256,
// BLAKE3) and negative ones (Python's own hash) are names.
//
// The log is of lookups, not of requests: what a request generated is not in it, and an engine that looks the same
// request up again writes it again. Lookups of no tokens are skipped. The cache behind the log is LMCache's, below
// the engine's own: the engine asks it about whole prompts all the same.
#include <kvsim/core/units.h>
#include <kvsim/trace/format.h>
#include <kvsim/trace/names.h>
#include <kvsim/trace/one_model.h>

#include <algorithm>

namespace kvsim {
namespace {

constexpr const char* kHexDigits = "0123456789abcdef";

struct LmcacheLine {
    unsigned seen = 0;
    double timestamp = 0;
    std::string request, model;
    uint64_t chunk_size = 0, length = 0;
    const char* hashes_text = nullptr;
};

class LmcacheReader : public FormatReader {
  public:
    explicit LmcacheReader(Spec& spec) : model_(spec, "lmcache", "model_name") {}

    void read(LineSource& source, Trace& trace, ProblemList* problems) override {
        if (!interner_) interner_.emplace(trace.chains, Names::prefix);
        for_each_log_line(source, problems, trace, [&] { read_line(source, trace); });
    }

    void finish(Trace& trace) override {
        trace.block_size = chunk_size_;
        double first = *std::min_element(trace.arrival_s.begin(), trace.arrival_s.end());
        for (double& arrival : trace.arrival_s) arrival -= first;
        trace.notes.emplace_back("a lookup log does not know output lengths: every output is 0");
        uint64_t repeated = trace.requests() - trace.sequence.names().size();
        if (repeated > 0)
            trace.notes.push_back(std::to_string(repeated) + " lookups repeat a request_id; they count as requests");
        if (empty_ > 0) trace.notes.push_back(std::to_string(empty_) + " lookups of no tokens skipped");
        model_.note(trace);
    }

  private:
    void read_line(LineSource& source, Trace& trace) {
        LmcacheLine line;
        read_keys(source, line);
        if (line.length == 0 && hashes_.size() == 0) {
            ++empty_;
            return;
        }
        if (!model_.keeps(json_, line.model)) return;
        if (chunk_size_ != 0 && line.chunk_size != chunk_size_)
            json_.fail_line("chunk_size: expected " + std::to_string(chunk_size_) + " as in the lines before, found " +
                            std::to_string(line.chunk_size));
        uint64_t expected = line.length / line.chunk_size;
        if (hashes_.size() != expected)
            json_.fail_at(line.hashes_text, "chunk_hashes: found " + std::to_string(hashes_.size()) + " hashes for " +
                                                std::to_string(line.length) + " tokens, expected " +
                                                std::to_string(expected) + " (floor of seq_len / " +
                                                std::to_string(line.chunk_size) + ")");
        try {
            interner_->add(hashes_.data(), hashes_.size());
        } catch (const PrefixViolation& v) {
            json_.fail_at(line.hashes_text, "chunk_hashes[" + std::to_string(v.position) +
                                                "]: the chunk stood behind another chunk before; a hash must name a "
                                                "chunk together with everything before it");
        }
        chunk_size_ = static_cast<uint32_t>(line.chunk_size);
        uint32_t row = trace.requests();
        trace.prompt_tokens.push_back(static_cast<uint32_t>(line.length));
        trace.output_tokens.push_back(0);
        trace.arrival_s.push_back(line.timestamp);
        trace.source_row.push_back(row);
        trace.sequence.set(row, line.request);
    }

    void read_keys(LineSource& source, LmcacheLine& line) {
        hashes_.resize(0);
        json_.open_object(source.line(), source.capacity(), source.here());
        std::string_view key;
        while (json_.next_field(key)) {
            if (key == "timestamp") {
                json_.once(line.seen, 1);
                line.timestamp = json_.number(0, kMaxSeconds);
            } else if (key == "request_id") {
                json_.once(line.seen, 2);
                line.request = json_.string();
            } else if (key == "model_name") {
                json_.once(line.seen, 4);
                line.model = json_.string();
            } else if (key == "chunk_size") {
                json_.once(line.seen, 8);
                line.chunk_size = json_.whole(1, kMaxBlockSize);
            } else if (key == "seq_len") {
                json_.once(line.seen, 16);
                line.length = json_.whole(0, kMaxTokens);
            } else if (key == "chunk_hashes") {
                json_.once(line.seen, 32);
                line.hashes_text = json_.place();
                json_.enter_array();
                while (json_.next_element()) hashes_.push_back(read_hash());
            } else {
                json_.skip();
            }
        }
        json_.finish();
        static constexpr const char* kKeys[] = {"timestamp",  "request_id", "model_name",
                                                "chunk_size", "seq_len",    "chunk_hashes"};
        for (unsigned i = 0; i < 6; ++i)
            if (!(line.seen & (1u << i))) json_.fail_line(std::string("expected the key ") + kKeys[i]);
    }

    // Leading zeros and the case of letters do not count, so that equal numbers are equal names.
    uint64_t read_hash() {
        std::string_view text = json_.string();
        std::string_view digits = text;
        bool negative = !digits.empty() && digits[0] == '-';
        if (negative) digits.remove_prefix(1);
        if (digits.substr(0, 2) == "0x") digits.remove_prefix(2);
        name_ = negative ? "-" : "";
        size_t sign = name_.size();
        uint64_t number = 0;
        bool any = false;
        for (char c : digits) {
            size_t digit = std::string_view(kHexDigits).find(c >= 'A' && c <= 'F' ? static_cast<char>(c + 32) : c);
            if (digit == std::string_view::npos)
                json_.fail("expected hexadecimal digits, found \"" + printable(std::string(text.substr(0, 40))) + "\"");
            number = number * 16 + digit;
            any = true;
            if (digit != 0 || name_.size() > sign) name_ += kHexDigits[digit];
        }
        if (!any) json_.fail("expected hexadecimal digits");
        if (negative || name_.size() > 16) return names_.id({}, 'x', name_);
        return names_.plain(number);
    }

    OneModel model_;
    JsonReader json_;
    std::optional<PathInterner> interner_;
    NameTable names_;
    std::string name_;
    NumberBuffer hashes_;
    uint32_t chunk_size_ = 0;
    uint64_t empty_ = 0;
};

}  // namespace

FormatRow lmcache_format() {
    return {"lmcache",
            "LMCache lookup-hash logs: chunk_hashes as hex strings, full chunks only",
            "prefixes",
            "model=NAME",
            [](const Head& head) { return head.count("chunk_hashes") != 0 && head.count("seq_len") != 0; },
            [](Spec& spec) -> std::unique_ptr<FormatReader> { return std::make_unique<LmcacheReader>(spec); }};
}

}  // namespace kvsim
