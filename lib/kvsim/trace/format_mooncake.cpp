// Mooncake request traces (kvcache-ai/Mooncake): one JSON object a line with timestamp (ms), input_length,
// output_length and hash_ids, one id per block of the prompt, each naming the block with all before it.
//
// How many tokens an id stands for is not in the file, but (input_length, number of ids) of many requests leave one
// answer: with n ids, ceil means (n - 1) * B < length <= n * B, floor means n * B <= length < (n + 1) * B. Every
// row narrows the interval of B under both readings; the row that leaves no answer is the broken one.
// Other keys are ignored, except session_id, category and turn where they are there.
#include <kvsim/trace/format.h>

#include <algorithm>
#include <bit>
#include <cstring>

namespace kvsim {
namespace {

/// Block sizes that agree with every row so far, under one reading of the last partial block.
struct BlockSizeRange {
    uint64_t low = 1;
    uint64_t high = kMaxBlockSize;
    bool empty() const { return low > high; }

    void narrow_ceil(uint64_t length, uint64_t ids) {
        if (ids == 0) return narrow(1, 0);
        narrow((length + ids - 1) / ids, ids == 1 ? kMaxBlockSize : (length - 1) / (ids - 1));
    }
    void narrow_floor(uint64_t length, uint64_t ids) {
        narrow(length / (ids + 1) + 1, ids == 0 ? kMaxBlockSize : length / ids);
    }
    /// The one size left, or the one power of two among those left; 0 if neither.
    uint64_t only() const {
        if (low == high) return low;
        uint64_t power = std::bit_ceil(low);
        return !empty() && power <= high && power * 2 > high ? power : 0;
    }

  private:
    void narrow(uint64_t l, uint64_t h) {
        low = std::max(low, l);
        high = std::min(high, h);
    }
};

/// One request as the line says it.
struct MooncakeLine {
    double timestamp_ms = 0;
    uint64_t input = 0, output = 0;
    const char* ids_text = nullptr;
};

/// The plain shape nearly every line has: the four keys, once each, whole numbers, no other key. False, with no
/// opinion, on anything else, also on anything wrong: then JsonReader reads the line and finds the words for it.
bool scan_plain(std::string_view text, MooncakeLine& line, NumberBuffer& ids) {
    const char* p = text.data();
    const char* limit = p + text.size();
    auto blanks = [&] {
        while (*p == ' ' || *p == '\t') ++p;
    };
    auto take = [&](std::string_view word) {
        if (static_cast<size_t>(limit - p) < word.size() || std::memcmp(p, word.data(), word.size()) != 0) return false;
        p += word.size();
        return true;
    };
    auto number = [&](uint64_t& value) {
        const char* start = p;
        value = 0;
        while (*p >= '0' && *p <= '9') value = value * 10 + static_cast<uint64_t>(*p++ - '0');
        return p > start && p - start <= 15 && (*start != '0' || p - start == 1);
    };
    unsigned seen = 0;
    uint64_t timestamp = 0;
    blanks();
    if (!take("{")) return false;
    for (unsigned keys = 0; keys < 4; ++keys) {
        blanks();
        unsigned bit = take("\"timestamp\"") ? 1 : take("\"input_length\"") ? 2 : take("\"output_length\"") ? 4
                                                                        : take("\"hash_ids\"")    ? 8 : 0;
        if (bit == 0 || (seen & bit)) return false;
        seen |= bit;
        blanks();
        if (!take(":")) return false;
        blanks();
        if (bit == 8) {
            line.ids_text = p;
            ids.resize(0);
            if (!take("[") || parse_whole_array(p, limit, ids, &p) != nullptr || p > limit) return false;
        } else if (!number(bit == 1 ? timestamp : bit == 2 ? line.input : line.output)) {
            return false;
        }
        blanks();
        if (!take(keys < 3 ? "," : "}")) return false;
    }
    blanks();
    line.timestamp_ms = static_cast<double>(timestamp);
    return p == limit && line.input >= 1 && line.input <= kMaxTokens && line.output <= kMaxTokens &&
           line.timestamp_ms <= kMaxSeconds * 1e3;
}

class MooncakeReader : public FormatReader {
  public:
    explicit MooncakeReader(Spec& spec) {
        block_size_ = spec.whole("tokens_per_id", 0, 1, kMaxBlockSize);
        tail_ = spec.choice("tail", "auto", {"auto", "ceil", "none"});
        content_ = spec.choice("ids", "prefix", {"prefix", "content"}) == "content";
        if (content_ && tail_ != "auto") throw_input("mooncake: tail has no meaning with ids=content");
        if (block_size_ != 0) {
            ceil_.low = ceil_.high = block_size_;
            floor_ = ceil_;
        }
        if (tail_ == "ceil") floor_.low = floor_.high + 1;
        if (tail_ == "none") ceil_.low = ceil_.high + 1;
    }

    void read(LineSource& source, Trace& trace, ProblemList* problems) override {
        if (!interner_) interner_.emplace(trace.chains, content_ ? Names::content : Names::prefix);
        for_each_line(source, problems, [&] { read_line(source, trace); });
    }

    void finish(Trace& trace) override {
        uint64_t ceil = ceil_.only();
        uint64_t floor = floor_.only();
        // Blocks of 512 and a named tail are what Mooncake writes: a few short requests are no reason to think otherwise.
        bool usual = ceil_.low <= 512 && 512 <= ceil_.high;
        bool use_ceil = !ceil_.empty() && (floor_.empty() || ceil != 0 || floor == 0 || usual);
        uint64_t size = use_ceil ? ceil : floor;
        if (size == 0) {
            const BlockSizeRange& range = use_ceil ? ceil_ : floor_;
            size = std::clamp<uint64_t>(512, range.low, range.high);
            trace.notes.push_back("the trace leaves " + std::to_string(range.low) + " to " +
                                  std::to_string(range.high) + " tokens per id possible; taking " +
                                  std::to_string(size) + ", override with --format mooncake:tokens_per_id=N");
        } else if (block_size_ == 0) {
            trace.notes.push_back("an id stands for " + std::to_string(size) + " tokens, inferred from the lengths");
        }
        if (tail_ == "auto" && use_ceil && !floor_.empty() && floor != 0)
            trace.notes.push_back("no request tells whether a partial last block has an id; taking ceil");
        if (content_) trace.notes.emplace_back("ids name content, not prefixes");
        if (!content_)
            trace.notes.push_back(use_ceil ? "the last partial block of a prompt has an id"
                                       : "ids name full blocks only; the tail of a prompt is unnamed");
        trace.block_size = static_cast<uint32_t>(size);
        if (content_) make_content(trace);
    }

  private:
    void read_line(LineSource& source, Trace& trace) {
        MooncakeLine line;
        uint32_t row = trace.requests();
        session_.clear();
        category_.clear();
        turn_ = Column<int64_t>::missing();
        json_.set_text(source.line(), source.here());
        if (!scan_plain(source.line(), line, ids_)) read_any(source, line);
        check_count(line.input, line.ids_text);
        try {
            interner_->add(ids_.data(), ids_.size());
        } catch (const PrefixViolation& v) {
            json_.fail_at(line.ids_text, "hash_ids[" + std::to_string(v.position) + "]: " + v.message() +
                                             " (ids that name content need --format mooncake:ids=content)");
        }
        trace.prompt_tokens.push_back(static_cast<uint32_t>(line.input));
        trace.output_tokens.push_back(static_cast<uint32_t>(line.output));
        trace.arrival_s.push_back(line.timestamp_ms / 1e3);
        trace.source_row.push_back(row);
        if (!session_.empty()) trace.session.set(row, session_);
        if (!category_.empty()) trace.category.set(row, category_);
        if (turn_ != Column<int64_t>::missing()) trace.turn.set(row, turn_);
        if (content_) raw_.insert(raw_.end(), ids_.data(), ids_.data() + ids_.size());
        if (content_) raw_count_.push_back(ids_.size());
    }

    // Any JSON object that says what a request needs.
    void read_any(LineSource& source, MooncakeLine& line) {
        json_.open_object(source.line(), source.capacity(), source.here());
        std::string_view text;
        unsigned seen = 0;
        std::string_view key;
        auto once = [&](unsigned bit) { json_.once(seen, bit); };
        while (json_.next_field(key)) {
            if (key == "timestamp") {
                once(1);
                line.timestamp_ms = json_.number(0, kMaxSeconds * 1e3);
            } else if (key == "input_length") {
                once(2);
                line.input = json_.whole(1, kMaxTokens);
            } else if (key == "output_length") {
                once(4);
                line.output = json_.whole(0, kMaxTokens);
            } else if (key == "hash_ids") {
                once(8);
                text = json_.array_text();
            } else if (key == "session_id") {
                once(16);
                session_ = json_.type() == JsonReader::Type::string ? std::string(json_.string())
                                                                    : std::to_string(json_.whole(0, ~uint64_t{0}));
            } else if (key == "category") {
                once(32);
                category_ = std::string(json_.string());
            } else if (key == "turn") {
                once(64);
                turn_ = static_cast<int64_t>(json_.whole(0, kMaxTokens));
            } else {
                json_.skip();
            }
        }
        json_.finish();
        static constexpr const char* kKeys[] = {"timestamp", "input_length", "output_length", "hash_ids"};
        for (unsigned i = 0; i < 4; ++i)
            if (!(seen & (1u << i))) json_.fail_line(std::string("expected the key ") + kKeys[i]);
        ids_.resize(0);
        line.ids_text = text.data();
        const char* end = nullptr;
        const char* wrong = parse_whole_array(text.data() + 1, text.data() + text.size(), ids_, &end);
        if (wrong) json_.fail_at(wrong, "hash_ids: expected whole numbers between commas");
    }

    void check_count(uint64_t input, const char* place) {
        if (content_) return;
        BlockSizeRange ceil = ceil_;
        BlockSizeRange floor = floor_;
        ceil.narrow_ceil(input, ids_.size());
        floor.narrow_floor(input, ids_.size());
        if (ceil.empty() && floor.empty()) json_.fail_at(place, "hash_ids: " + expectation(input));
        ceil_ = ceil;
        floor_ = floor;
    }

    std::string expectation(uint64_t input) const {
        std::string found = "found " + std::to_string(ids_.size()) + " ids for " + std::to_string(input) + " tokens";
        const BlockSizeRange& range = ceil_.empty() ? floor_ : ceil_;
        if (range.low != range.high)
            return found + ", which no number of tokens per id explains together with the lines before";
        uint64_t n = ceil_.empty() ? input / range.low : (input + range.low - 1) / range.low;
        return found + ", expected " + std::to_string(n) + " (" + (ceil_.empty() ? "floor" : "ceil") +
               " of the length / " + std::to_string(range.low) + ")";
    }

    // Ids that name content: `chains` holds their paths, the ids themselves get dense numbers of their own.
    void make_content(Trace& trace) const {
        trace.content = true;
        std::unordered_map<uint64_t, uint32_t> dense;
        size_t at = 0;
        for (size_t count : raw_count_) {
            trace.content_ids.begin.push_back(at);
            for (size_t i = 0; i < count; ++i, ++at)
                trace.content_ids.ids.push_back(
                    dense.emplace(raw_[at], static_cast<uint32_t>(dense.size())).first->second);
        }
        trace.content_ids.begin.push_back(at);
        trace.content_ids.unique = static_cast<uint32_t>(dense.size());
    }

    uint64_t block_size_;
    std::string tail_;
    bool content_;
    BlockSizeRange ceil_, floor_;
    JsonReader json_;
    std::optional<PathInterner> interner_;
    NumberBuffer ids_;
    std::string session_, category_;
    int64_t turn_ = 0;
    std::vector<uint64_t> raw_;
    std::vector<size_t> raw_count_;
};

}  // namespace

FormatRow mooncake_format() {
    return {"mooncake",
            "Mooncake JSONL: timestamp (ms), input_length, output_length, hash_ids",
            "prefixes",
            "tokens_per_id=inferred tail=auto|ceil|none ids=prefix|content",
            [](const Head& head) {
                auto ids = head.find("hash_ids");
                return ids != head.end() && ids->second == '[' && head.count("input_length") != 0 &&
                       head.count("timestamp") != 0;
            },
            [](Spec& spec) -> std::unique_ptr<FormatReader> { return std::make_unique<MooncakeReader>(spec); }};
}

}  // namespace kvsim
