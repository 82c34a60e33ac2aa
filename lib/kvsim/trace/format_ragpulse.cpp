// RAGPulse (flashserve/RAGPulse): one JSON object a line; timestamp is a string of seconds, hash_ids a dict of lists
// that name content chunks of at most 512 tokens, not prefixes: the same passage keeps its id at any position. The
// file is two runs one after the other, so requests are sorted by time (stable). Groups count in file order. A chunk
// weighs min(512, floor(input_length / chunks + 0.5)) tokens. There is nothing to re-block.
#include <kvsim/trace/format.h>

namespace kvsim {
namespace {

class RagPulseReader : public FormatReader {
  public:
    void read(LineSource& source, Trace& trace, ProblemList* problems) override {
        if (!interner_) interner_.emplace(trace.chains, Names::content);
        for_each_line(source, problems, [&] { read_line(source, trace); });
    }

    void finish(Trace& trace) override {
        trace.block_size = 512;
        trace.content = true;
        trace.content_ids.begin.push_back(trace.content_ids.ids.size());
        trace.content_ids.unique = static_cast<uint32_t>(dense_.size());
        trace.notes.emplace_back("ids name chunks of content, not prefixes: flat counts the chunks, pinned and tree "
                                 "their paths from the root");
    }

  private:
    void read_line(LineSource& source, Trace& trace) {
        json_.open_object(source.line(), source.capacity(), source.here());
        double timestamp = -1;
        uint64_t input = 0, output = 0;
        unsigned seen = 0;
        session_.clear();
        ids_.resize(0);
        auto once = [&](unsigned bit) { json_.once(seen, bit); };
        std::string_view key;
        while (json_.next_field(key)) {
            if (key == "timestamp") {
                once(1);
                timestamp = read_seconds();
            } else if (key == "input_length") {
                once(2);
                input = json_.whole(1, kMaxTokens);
            } else if (key == "output_length") {
                once(4);
                output = json_.whole(0, kMaxTokens);
            } else if (key == "hash_ids") {
                once(8);
                json_.enter_object();
                std::string_view group;
                while (json_.next_field(group)) json_.whole_array(ids_);
            } else if (key == "session_id") {
                once(16);
                session_ = std::string(json_.string());
            } else {
                json_.skip();
            }
        }
        json_.finish();
        static constexpr const char* kKeys[] = {"timestamp", "input_length", "output_length", "hash_ids"};
        for (unsigned i = 0; i < 4; ++i)
            if (!(seen & (1u << i))) json_.fail_line(std::string("expected the key ") + kKeys[i]);
        uint32_t row = trace.requests();
        interner_->add(ids_.data(), ids_.size());
        trace.content_ids.begin.push_back(trace.content_ids.ids.size());
        for (size_t i = 0; i < ids_.size(); ++i)
            trace.content_ids.ids.push_back(
                dense_.emplace(ids_[i], static_cast<uint32_t>(dense_.size())).first->second);
        trace.prompt_tokens.push_back(static_cast<uint32_t>(input));
        trace.output_tokens.push_back(static_cast<uint32_t>(output));
        trace.arrival_s.push_back(timestamp);
        trace.source_row.push_back(row);
        if (!session_.empty()) trace.session.set(row, session_);
    }

    double read_seconds() {
        if (json_.type() != JsonReader::Type::string) return json_.number(0, kMaxSeconds);
        double seconds = 0;
        std::string text(json_.string());
        if (!parse_number(text, seconds) || seconds < 0 || seconds > kMaxSeconds)
            json_.fail("expected seconds as a number or a string of one, found \"" + text.substr(0, 40) + "\"");
        return seconds;
    }

    JsonReader json_;
    std::optional<PathInterner> interner_;
    NumberBuffer ids_;
    std::string session_;
    std::unordered_map<uint64_t, uint32_t> dense_;
};

}  // namespace

FormatRow ragpulse_format() {
    return {"ragpulse",
            "RAGPulse JSONL: hash_ids is a dict of lists of content chunks",
            "content",
            "",
            [](const Head& head) {
                auto ids = head.find("hash_ids");
                return ids != head.end() && ids->second == '{';
            },
            [](Spec&) -> std::unique_ptr<FormatReader> { return std::make_unique<RagPulseReader>(); }};
}

}  // namespace kvsim
