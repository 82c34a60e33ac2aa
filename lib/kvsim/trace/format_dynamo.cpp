// NVIDIA Dynamo request traces (ai-dynamo/dynamo, lib/llm/src/request_trace): one record a line, bare or as the
// `event` of an envelope, written when a request has ended, so lines are not in order of arrival.
//
// Records of event_type request_end with a `replay` object are requests; tool events, payloads and requests that the
// recorder could not describe (images, embeddings) are skipped and counted. The hashes of `replay` are 64-bit names
// of a block with everything before it, one per block of trace_block_size tokens, the partial last one included.
// Newer recorders add output_sequence_hashes: names of the blocks behind the full ones of the prompt, so that what a
// request leaves in the cache has a name; its partial last one is dropped, as no request can look it up as a block.
//
// Differences from Dynamo's own replay: lines of several models are refused rather than mixed, and a session is a
// label; its requests keep their recorded arrival instead of waiting for each other.
#include <kvsim/core/units.h>
#include <kvsim/trace/format.h>
#include <kvsim/trace/one_model.h>

#include <algorithm>
#include <unordered_set>

namespace kvsim {
namespace {

constexpr const char* kSchema = "dynamo.request.trace.v1";
constexpr uint64_t kMaxMs = static_cast<uint64_t>(kMaxSeconds) * 1000;

struct DynamoLine {
    enum Seen : unsigned {
        kSchemaKey = 1 << 0,
        kEventType = 1 << 1,
        kEventTime = 1 << 2,
        kAgent = 1 << 3,
        kRequest = 1 << 4,
        kEvent = 1 << 5,
        kRequestId = 1 << 6,
        kModel = 1 << 7,
        kOutput = 1 << 8,
        kCached = 1 << 9,
        kReceived = 1 << 10,
        kTotal = 1 << 11,
        kReplay = 1 << 12,
        kBlockSize = 1 << 13,
        kLength = 1 << 14,
        kHashes = 1 << 15,
        kOutputHashes = 1 << 16,
        kSession = 1 << 17,
    };

    unsigned seen = 0;
    std::string event_type, session, request_id, model;
    uint64_t event_ms = 0, received_ms = 0;
    double total_ms = 0;
    uint64_t output = 0, cached = 0, block_size = 0, length = 0;
    const char* hashes_text = nullptr;
    bool has(Seen key) const { return (seen & key) != 0; }
};

class DynamoReader : public FormatReader {
    using enum DynamoLine::Seen;

  public:
    explicit DynamoReader(Spec& spec) : model_(spec, "dynamo", "model") {}

    void read(LineSource& source, Trace& trace, ProblemList* problems) override {
        if (!interner_) interner_.emplace(trace.chains, Names::prefix);
        for_each_log_line(source, problems, trace, [&] { read_line(source, trace); });
        if (trace.requests() == 0)  // said beside "has no requests"
            trace.notes = {"found " + std::to_string(other_events_ + no_replay_) +
                           " records, none of them a request_end with replay metrics"};
    }

    void finish(Trace& trace) override {
        trace.notes.clear();
        trace.block_size = block_size_;
        uint64_t first = *std::min_element(received_ms_.begin(), received_ms_.end());
        for (uint32_t row = 0; row < received_ms_.size(); ++row) {
            trace.arrival_s.push_back(static_cast<double>(received_ms_[row] - first) / 1e3);
            if (lasted_ms_[row] >= 0)
                trace.end_s.set(row, (static_cast<double>(received_ms_[row] - first) + lasted_ms_[row]) / 1e3);
        }
        if (!any_stored_) {
            trace.lookup_rows.clear();
            trace.stored_rows.clear();
            trace.row_tokens.clear();
        }
        auto note = [&](uint64_t count, const char* what) {
            if (count > 0) trace.notes.push_back(std::to_string(count) + what);
        };
        note(other_events_, " records of other events (tools, payloads) skipped");
        note(no_replay_, " requests without replay metrics skipped");
        note(no_output_, " requests without output_tokens count no output");
        note(odd_output_, " requests whose output hashes do not match output_tokens: their output has no names");
        model_.note(trace);
    }

  private:
    void read_line(LineSource& source, Trace& trace) {
        line_ = DynamoLine{};
        hashes_.resize(0);
        output_hashes_.resize(0);
        json_.open_object(source.line(), source.capacity(), source.here());
        std::string_view key;
        while (json_.next_field(key)) {
            if (key != "event" || json_.type() != JsonReader::Type::object) {
                read_record_key(key);
                continue;
            }
            json_.once(line_.seen, kEvent);
            json_.enter_object();
            while (json_.next_field(key)) read_record_key(key);
        }
        json_.finish();
        if (!line_.has(kSchemaKey)) json_.fail_line(std::string("expected the key schema, \"") + kSchema + "\"");
        if (!line_.has(kEventType)) json_.fail_line("expected the key event_type");
        if (line_.event_type != "request_end") {
            ++other_events_;
        } else if (!line_.has(kReplay)) {
            ++no_replay_;
        } else {
            add(trace);
        }
    }

    void read_record_key(std::string_view key) {
        if (json_.type() == JsonReader::Type::null) {  // NOLINT(bugprone-branch-clone): the order tells
            json_.skip();  // an absent value
        } else if (key == "schema") {
            json_.once(line_.seen, kSchemaKey);
            std::string schema(json_.string());
            if (schema != kSchema)
                json_.fail(std::string("expected \"") + kSchema + "\", found \"" + printable(schema.substr(0, 60)) +
                           "\"");
        } else if (key == "event_type") {
            json_.once(line_.seen, kEventType);
            line_.event_type = json_.string();
        } else if (key == "event_time_unix_ms") {
            json_.once(line_.seen, kEventTime);
            line_.event_ms = json_.whole(0, kMaxMs);
        } else if (key == "agent_context") {
            json_.once(line_.seen, kAgent);
            read_agent();
        } else if (key == "request") {
            json_.once(line_.seen, kRequest);
            json_.enter_object();
            std::string_view inner;
            while (json_.next_field(inner)) read_request_key(inner);
        } else {
            json_.skip();
        }
    }

    void read_agent() {
        json_.enter_object();
        std::string_view key;
        while (json_.next_field(key)) {
            if (key != "session_id" || json_.type() == JsonReader::Type::null) {
                json_.skip();
                continue;
            }
            json_.once(line_.seen, kSession);
            line_.session = json_.string();
        }
    }

    void read_request_key(std::string_view key) {
        if (json_.type() == JsonReader::Type::null) {  // NOLINT(bugprone-branch-clone): the order tells
            json_.skip();
        } else if (key == "request_id") {
            json_.once(line_.seen, kRequestId);
            line_.request_id = json_.string();
        } else if (key == "model") {
            json_.once(line_.seen, kModel);
            line_.model = json_.string();
        } else if (key == "output_tokens") {
            json_.once(line_.seen, kOutput);
            line_.output = json_.whole(0, kMaxTokens);
        } else if (key == "cached_tokens") {
            json_.once(line_.seen, kCached);
            line_.cached = json_.whole(0, kMaxTokens);
        } else if (key == "request_received_ms") {
            json_.once(line_.seen, kReceived);
            line_.received_ms = json_.whole(0, kMaxMs);
        } else if (key == "total_time_ms") {
            json_.once(line_.seen, kTotal);
            line_.total_ms = json_.number(0, kMaxSeconds * 1e3);
        } else if (key == "replay") {
            json_.once(line_.seen, kReplay);
            json_.enter_object();
            std::string_view inner;
            while (json_.next_field(inner)) read_replay_key(inner);
        } else {
            json_.skip();
        }
    }

    void read_replay_key(std::string_view key) {
        if (key == "trace_block_size") {
            json_.once(line_.seen, kBlockSize);
            line_.block_size = json_.whole(1, kMaxBlockSize);
            if (block_size_ != 0 && line_.block_size != block_size_)
                json_.fail("expected " + std::to_string(block_size_) + " as in the records before, found " +
                           std::to_string(line_.block_size));
        } else if (key == "input_length") {
            json_.once(line_.seen, kLength);
            line_.length = json_.whole(1, kMaxTokens);
        } else if (key == "input_sequence_hashes") {
            json_.once(line_.seen, kHashes);
            line_.hashes_text = read_hashes(hashes_);
        } else if (key == "output_sequence_hashes") {
            json_.once(line_.seen, kOutputHashes);
            read_hashes(output_hashes_);
        } else {
            json_.skip();
        }
    }

    /// Reads 64-bit names and returns where they stand.
    const char* read_hashes(NumberBuffer& out) {
        std::string_view text = json_.array_text();
        const char* end = nullptr;
        const char* wrong = parse_whole_array(text.data() + 1, text.data() + text.size(), out, &end);
        if (wrong) json_.fail_at(wrong, "expected whole numbers from 0 to 18446744073709551615 between commas");
        return text.data();
    }

    void add(Trace& trace) {
        static constexpr std::pair<DynamoLine::Seen, const char*> kNeeded[] = {
            {kRequestId, "request_id"},
            {kReceived, "request_received_ms"},
            {kBlockSize, "trace_block_size"},
            {kLength, "input_length"},
            {kHashes, "input_sequence_hashes"}};
        for (const auto& [bit, name] : kNeeded)
            if (!line_.has(bit)) json_.fail_line(std::string("expected the key ") + name + " in the request");
        if (!model_.keeps(json_, line_.model)) return;
        uint64_t expected = (line_.length + line_.block_size - 1) / line_.block_size;
        if (hashes_.size() != expected)
            json_.fail_at(line_.hashes_text, "input_sequence_hashes: found " + std::to_string(hashes_.size()) +
                                                 " hashes for " + std::to_string(line_.length) + " tokens, expected " +
                                                 std::to_string(expected) + " (ceil of the length / " +
                                                 std::to_string(line_.block_size) + ")");
        if (line_.has(kCached) && line_.cached > line_.length)
            json_.fail_line("cached_tokens: expected at most input_length, " + std::to_string(line_.length) +
                            ", found " + std::to_string(line_.cached));
        if (!request_ids_.insert(line_.request_id).second)
            json_.fail_line("request_id: '" + printable(line_.request_id) + "' was given before");
        add_chains(trace);
        block_size_ = static_cast<uint32_t>(line_.block_size);
        add_columns(trace);
    }

    void add_chains(Trace& trace) {
        uint64_t full = line_.length / line_.block_size;
        uint64_t unnamed = line_.length - full * line_.block_size + line_.output;
        uint64_t completed = unnamed / line_.block_size;
        uint64_t begun = (unnamed + line_.block_size - 1) / line_.block_size;
        bool fits = output_hashes_.size() == completed || output_hashes_.size() == begun;
        if (output_hashes_.size() > 0 && !fits) ++odd_output_;
        try {
            uint32_t row = interner_->add(hashes_.data(), hashes_.size());
            trace.lookup_rows.push_back(row);
            trace.row_tokens.push_back({static_cast<uint32_t>(line_.length), false});
            trace.stored_rows.push_back(kNone);
            if (!fits || completed == 0 || output_hashes_.size() == 0) return;
            trace.stored_rows.back() =
                interner_->add_after(row, static_cast<uint32_t>(full), output_hashes_.data(), completed);
            trace.row_tokens.push_back({static_cast<uint32_t>((full + completed) * line_.block_size), true});
            any_stored_ = true;
        } catch (const PrefixViolation& v) {
            json_.fail_at(line_.hashes_text, "block " + std::to_string(v.position) + " of the request: " + v.message());
        }
    }

    void add_columns(Trace& trace) {
        uint32_t row = trace.requests();
        trace.prompt_tokens.push_back(static_cast<uint32_t>(line_.length));
        trace.output_tokens.push_back(static_cast<uint32_t>(line_.output));
        trace.source_row.push_back(row);
        received_ms_.push_back(line_.received_ms);
        bool ended = line_.has(kEventTime) && line_.event_ms >= line_.received_ms;
        lasted_ms_.push_back(line_.has(kTotal) ? line_.total_ms
                             : ended           ? static_cast<double>(line_.event_ms - line_.received_ms)
                                               : -1);
        trace.sequence.set(row, line_.request_id);
        if (!line_.session.empty()) trace.session.set(row, line_.session);
        if (line_.has(kCached)) trace.cached_tokens.set(row, static_cast<int64_t>(line_.cached));
        if (!line_.has(kOutput)) ++no_output_;
    }

    OneModel model_;
    JsonReader json_;
    DynamoLine line_;
    std::optional<PathInterner> interner_;
    NumberBuffer hashes_, output_hashes_;
    std::unordered_set<std::string> request_ids_;
    std::vector<uint64_t> received_ms_;  ///< per row
    std::vector<double> lasted_ms_;      ///< per row; -1 = not known
    uint32_t block_size_ = 0;
    bool any_stored_ = false;
    uint64_t other_events_ = 0, no_replay_ = 0, no_output_ = 0, odd_output_ = 0;
};

}  // namespace

FormatRow dynamo_format() {
    return {"dynamo",
            "NVIDIA Dynamo request traces, schema dynamo.request.trace.v1",
            "prefixes",
            "model=NAME",
            [](const Head& head) {
                // An envelope has a time and the record; other logs have events of their own.
                auto event = head.find("event");
                bool wrapped = event != head.end() && event->second == '{' &&
                               head.size() == 1 + head.count("timestamp");
                return wrapped || (head.count("schema") != 0 && head.count("event_type") != 0);
            },
            [](Spec& spec) -> std::unique_ptr<FormatReader> { return std::make_unique<DynamoReader>(spec); }};
}

}  // namespace kvsim
