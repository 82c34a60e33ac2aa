// Logs of prompts without token ids: JSONL, one request to a chat or completion API a line.
//
//   {"prompt":"..."}            or {"prompt":["...","..."]}: as many requests, as such APIs take them
//   {"messages":[{"role":"user","content":"..."}, ...]}      content may also be a list of {"type":"text","text":"..."}
//
// Without the engine's tokenizer there are no tokens, so `bytes_per_token` consecutive bytes of the text stand for one,
// the last one of a text possibly shorter. Prefixes of texts stay exact; where blocks end and how many there are is
// approximate, and every report says so. Parts of messages that are no text (images, tool calls) take no tokens.
//
// The text of messages is, for each message, <|role|>, a line feed, its text, a line feed: a request that goes on with a
// conversation begins with the text of the request before it.
//
// Up to 8 bytes are the name of a token, its first byte lowest; bytes that are not there are 0xFF, which UTF-8 never
// has, so a short last token differs from every full one. Prompts to different models share nothing: the first token of
// a text is named together with its model, from 0xFFFE000000000000 on (text has no byte 0xFE either).
#include <kvsim/core/date_time.h>
#include <kvsim/trace/format.h>

#include <unordered_map>

namespace kvsim {
namespace {

constexpr uint64_t kFirstScoped = 0xFFFE000000000000ull;

class TextReader : public FormatReader {
  public:
    explicit TextReader(Spec& spec) : bytes_(spec.whole("bytes_per_token", 4, 1, 8)) {}

    void read(LineSource& source, Trace& trace, ProblemList* problems) override {
        if (!interner_) interner_.emplace(trace.chains, Names::content);
        for_each_line(source, problems, [&] { read_line(source, trace); });
    }

    void finish(Trace& trace) override {
        trace.block_size = 1;
        trace.approximation = std::to_string(bytes_) + (bytes_ == 1 ? " byte" : " bytes") + " of text " +
                              (bytes_ == 1 ? "stands" : "stand") + " for a token";
        trace.notes.push_back("tokens are approximate: " + trace.approximation);
        if (other_parts_ != 0)
            trace.notes.push_back("parts of messages that are no text take no tokens: " + std::to_string(other_parts_));
    }
    uint32_t default_block_size() const override { return kDefaultBlockSize; }

  private:
    // ---- a line ----

    enum Key : unsigned { kPrompt = 1, kMessages = 2, kOutput = 4, kT = 8, kTimestamp = 16, kCreated = 32,
                          kSession = 64, kUser = 128, kModel = 256 };

    void read_line(LineSource& source, Trace& trace) {
        text_.clear();
        ends_.clear();
        outputs_.clear();
        session_.clear();
        user_.clear();
        model_ = {};
        choices_ = false;
        seen_ = 0;
        parts_now_ = 0;
        json_.open_object(source.line(), source.capacity(), source.here());
        std::string_view key;
        while (json_.next_field(key)) read_value(key);
        json_.finish();
        if (ends_.empty()) json_.fail_line("expected the key prompt or messages");
        if (choices_ && ends_.size() == 1 && !outputs_.empty()) outputs_.erase(outputs_.begin() + 1, outputs_.end());
        bool timed = (seen_ & (kT | kTimestamp | kCreated)) != 0;
        if (trace.requests() != 0 && timed != timed_)
            json_.fail_line("t, timestamp or created: either every line has one or none");
        if (!outputs_.empty() && outputs_.size() != ends_.size())
            json_.fail_line("found " + std::to_string(outputs_.size()) + " outputs for " +
                            std::to_string(ends_.size()) + " prompts");
        check_lengths();
        timed_ = timed;
        other_parts_ += parts_now_;
        for (size_t i = 0; i < ends_.size(); ++i) add(trace, i);
    }

    void read_value(std::string_view key) {
        bool null = json_.type() == JsonReader::Type::null;  // logs write absent values like this
        if (null) {  // NOLINT(bugprone-branch-clone): the order tells
            json_.skip();
        } else if (key == "prompt") {
            json_.once(seen_, kPrompt);
            read_prompt();
        } else if (key == "messages") {
            json_.once(seen_, kMessages);
            read_messages();
        } else if (key == "response" || key == "completion" || key == "output") {
            if (seen_ & kOutput) json_.fail("the output is given twice");
            seen_ |= kOutput;
            read_outputs();
        } else if (key == "choices") {
            if (seen_ & kOutput) json_.fail("the output is given twice");
            seen_ |= kOutput;
            choices_ = true;
            read_choices();
        } else if (key == "t" || key == "timestamp" || key == "created") {
            // t before timestamp before created, whatever their order in the line.
            Key bit = key == "t" ? kT : key == "timestamp" ? kTimestamp : kCreated;
            json_.once(seen_, bit);
            double time = read_time();
            if ((seen_ & (bit - 1) & (kT | kTimestamp)) == 0) time_ = time;
        } else if (key == "session_id" || key == "user") {
            json_.once(seen_, key == "user" ? kUser : kSession);
            std::string& label = key == "user" ? user_ : session_;
            label = json_.type() == JsonReader::Type::number ? std::to_string(json_.whole(0, ~uint64_t{0}))
                                                             : std::string(json_.string());
        } else if (key == "model") {
            json_.once(seen_, kModel);
            model_ = json_.string();
        } else {
            json_.skip();
        }
    }

    void read_prompt() {
        if (seen_ & kMessages) json_.fail("expected prompt or messages, not both");
        if (json_.type() != JsonReader::Type::array) return take_prompt();
        json_.enter_array();
        while (json_.next_element()) take_prompt();
        if (ends_.empty()) json_.fail_line("prompt: expected at least one text");
    }

    void take_prompt() {
        if (json_.type() != JsonReader::Type::string)
            json_.fail("expected a text, or a list of texts; a log of token ids can be written as kvsim");
        std::string_view text = json_.string();
        if (text.empty()) json_.fail("expected at least one byte of text");
        text_.append(text);
        ends_.push_back(text_.size());
    }

    void read_messages() {
        if (seen_ & kPrompt) json_.fail("expected prompt or messages, not both");
        json_.enter_array();
        while (json_.next_element()) {
            json_.enter_object();
            std::string_view key, role;
            content_.clear();
            while (json_.next_field(key)) {
                if (key == "role") {
                    role = json_.string();
                } else if (key == "content") {
                    read_content();
                } else {
                    json_.skip();
                }
            }
            if (role.empty()) json_.fail_line("messages: expected a role in each");
            text_.append("<|").append(role).append("|>\n").append(content_).append("\n");
        }
        if (text_.empty()) json_.fail_line("messages: expected at least one");
        ends_.push_back(text_.size());
    }

    // A text, null, or a list of parts.
    void read_content() {
        JsonReader::Type type = json_.type();
        if (type == JsonReader::Type::null) return json_.skip();
        if (type != JsonReader::Type::array) {
            content_.append(json_.string());
            return;
        }
        json_.enter_array();
        while (json_.next_element()) {
            json_.enter_object();
            bool text = false;
            std::string_view key;
            while (json_.next_field(key)) {
                if (key == "text" && json_.type() == JsonReader::Type::string) {
                    text = true;
                    content_.append(json_.string());
                } else {
                    json_.skip();
                }
            }
            parts_now_ += !text;
        }
    }

    void read_outputs() {
        if (json_.type() != JsonReader::Type::array) {
            outputs_.push_back(json_.string().size());
            return;
        }
        json_.enter_array();
        while (json_.next_element()) outputs_.push_back(json_.string().size());
    }

    // The answers of an API: several prompts have one each; of several to one prompt the first counts.
    void read_choices() {
        json_.enter_array();
        while (json_.next_element()) {
            outputs_.push_back(0);
            json_.enter_object();
            std::string_view key;
            while (json_.next_field(key)) {
                if (key == "message" && json_.type() == JsonReader::Type::object) {
                    json_.enter_object();
                    while (json_.next_field(key)) read_answer(key == "content");
                } else {
                    read_answer(key == "text");
                }
            }
        }
    }
    void read_answer(bool wanted) {
        if (wanted && json_.type() == JsonReader::Type::string) {
            outputs_.back() = json_.string().size();
        } else {
            json_.skip();
        }
    }

    double read_time() {
        if (json_.type() != JsonReader::Type::string) return json_.number(0, kMaxSeconds);
        std::string_view text = json_.string();
        double seconds = 0;
        Instant instant;
        if (parse_number(text, seconds) && seconds >= 0 && seconds <= kMaxSeconds) return seconds;
        if (parse_instant(text, instant) && instant.seconds >= 0) return instant.since(0);
        json_.fail("expected seconds, or a date and time such as 2023-11-16T18:15:46.68Z");
    }

    // ---- text to rows ----

    uint64_t tokens_of(uint64_t bytes) const { return (bytes + bytes_ - 1) / bytes_; }

    void check_lengths() {
        size_t begin = 0;
        for (size_t end : ends_) {
            if (tokens_of(end - begin) > kMaxTokens) json_.fail_line("the prompt is longer than 2147483647 tokens");
            begin = end;
        }
        for (uint64_t bytes : outputs_)
            if (tokens_of(bytes) > kMaxTokens) json_.fail_line("the output is longer than 2147483647 tokens");
    }

    void add(Trace& trace, size_t i) {
        size_t begin = i == 0 ? 0 : ends_[i - 1];
        name_tokens(std::string_view(text_).substr(begin, ends_[i] - begin));
        uint32_t row = interner_->add(names_.data(), names_.size());
        trace.prompt_tokens.push_back(static_cast<uint32_t>(names_.size()));
        trace.output_tokens.push_back(i < outputs_.size() ? static_cast<uint32_t>(tokens_of(outputs_[i])) : 0);
        trace.arrival_s.push_back(timed_ ? time_ : 0);
        trace.source_row.push_back(row);
        const std::string& session = session_.empty() ? user_ : session_;
        if (!session.empty()) trace.session.set(row, session);
        if (!model_.empty()) trace.lora.set(row, model_);
    }

    void name_tokens(std::string_view text) {
        size_t count = tokens_of(text.size());
        names_.resize(count);
        for (size_t i = 0; i < count; ++i) {
            std::string_view token = text.substr(i * bytes_, bytes_);
            uint64_t name = ~uint64_t{0};
            for (size_t b = token.size(); b > 0; --b) name = name << 8 | static_cast<unsigned char>(token[b - 1]);
            names_.data()[i] = name;
        }
        if (model_.empty()) return;
        std::string key(model_);
        key.append("/").append(std::to_string(names_[0]));
        names_.data()[0] = kFirstScoped + scoped_.emplace(key, scoped_.size()).first->second;
    }

    uint64_t bytes_;
    JsonReader json_;
    std::optional<PathInterner> interner_;
    std::unordered_map<std::string, uint64_t> scoped_;  ///< first tokens by model
    NumberBuffer names_;
    uint64_t other_parts_ = 0;
    bool timed_ = false;

    // Of the line being read.
    std::string text_, content_, session_, user_;
    std::vector<size_t> ends_;       ///< of each prompt in text_
    std::vector<uint64_t> outputs_;  ///< bytes
    std::string_view model_;
    bool choices_ = false;
    double time_ = 0;
    unsigned seen_ = 0;
    uint64_t parts_now_ = 0;
};

}  // namespace

FormatRow text_format() {
    return {"text",
            "prompts as text, JSONL: prompt or messages; bytes stand for tokens (approximate)",
            "pieces of text",
            "bytes_per_token=4",
            [](const Head& head) {
                auto prompt = head.find("prompt");
                auto messages = head.find("messages");
                return (prompt != head.end() && (prompt->second == '"' || prompt->second == '[')) ||
                       (messages != head.end() && messages->second == '[');
            },
            [](Spec& spec) -> std::unique_ptr<FormatReader> { return std::make_unique<TextReader>(spec); }};
}

}  // namespace kvsim
