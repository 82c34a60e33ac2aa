// The native format (docs/DESIGN.md section 9): a header, then one event a line, or one JSON document with an events
// array. Made to be written by a logger inside a serving engine, so `request` lines may come in any order.
//
// A file of prompt, decode, fork and free lines is turned into one request per sequence besides its events: a
// sequence's chain is its prompt, its output is what all its decode lines add. A fork's child is a request whose
// prompt is what its parent holds then: the parent's blocks as far as they have names.
#include <kvsim/trace/format_kvsim_line.h>

#include <algorithm>

namespace kvsim {
namespace {

using namespace native;

/// A request being put together.
struct Sequence {
    uint32_t request = 0;
    Location where;
    std::string scope;
    uint32_t first_token = 0;
    uint64_t prompt_tokens = 0;
    uint64_t output_tokens = 0;
    std::vector<uint64_t> prompt;  ///< raw names of blocks, or tokens
    std::vector<uint64_t> output;  ///< likewise; only while every output token so far has a name
    bool output_named = true;
    bool alive = true;
};

/// What the lines of a file name.
enum class Named : uint8_t { unknown, tokens, blocks, nothing };

class KvsimReader : public FormatReader {
  public:
    explicit KvsimReader(bool scopes) : scopes_(scopes) {}
    void read(LineSource& source, Trace& trace, ProblemList* problems) override {
        saw_header_ = false;
        if (uses_events_)
            throw_input(source.name() + ": prompt, decode, fork and free lines keep the order of one file; expected no second one");
        Head head = read_head(source);
        if (head.count("events") != 0) return read_document(source, trace);
        for_each_log_line(source, problems, trace, [&] { open_line(source, trace); });
    }

    void finish(Trace& trace) override {
        for (Sequence& s : sequences_) emit(s, trace);
        if (!any_stored_) {
            trace.lookup_rows.clear();
            trace.stored_rows.clear();
        }
        if (!any_stored_) trace.row_tokens.clear();
        trace.lengths_only = named_ == Named::nothing;
        trace.block_size = uses_tokens() ? 1 : block_size_;
        if (trace.lengths_only && block_size_ == 0) trace.block_size = kDefaultBlockSize;
        if (uses_tokens()) trace.tokens_begin.push_back(trace.token_ids.size());
    }
    uint32_t default_block_size() const override {
        if (!uses_tokens()) return 0;
        return block_size_ != 0 ? block_size_ : kDefaultBlockSize;
    }
    bool sorted_by_arrival() const override { return !uses_events_; }

  private:
    const bool scopes_;  ///< salts and adapters tell names apart

    bool uses_tokens() const { return named_ == Named::tokens; }
    /// Tokens per name of a chain.
    uint64_t unit() const { return named_ == Named::blocks ? block_size_ : 1; }

    // ---- text to Line ----

    // A header has the key kvsim_trace; an event has the key op.
    bool is_header(LineSource& source) {
        if (source.line().find("\"kvsim_trace\"") == std::string_view::npos) return false;
        json_.open_object(source.line(), source.capacity(), source.here());
        std::string_view key;
        while (json_.next_field(key)) {
            if (key == "op") return false;
            if (key == "kvsim_trace") return true;
            json_.skip();
        }
        return false;
    }

    void open_line(LineSource& source, Trace& trace) {
        bool header = is_header(source);
        json_.open_object(source.line(), source.capacity(), source.here());
        if (header) return read_header(trace);
        if (!saw_header_) json_.fail_line("expected the header {\"kvsim_trace\":1, ...} first");
        reader_.read(line_);
        json_.finish();
        apply(trace);
    }

    void read_header(Trace& trace) {
        std::string_view key;
        unsigned before = header_seen_;
        header_seen_ = 0;
        while (json_.next_field(key))
            if (!header_key(key, trace)) reader_.unknown_key(key, {"kvsim_trace", "name", "block_size", "meta"});
        json_.finish();
        constexpr unsigned kBlockSize = 4;
        if (header_done_ && (before & kBlockSize) != (header_seen_ & kBlockSize))
            json_.fail_line("block_size: differs from the header before");
        end_header();
    }

    bool header_key(std::string_view key, Trace& trace) {
        if (key == "kvsim_trace") {
            json_.once(header_seen_, 1);
            json_.whole(1, 1);
        } else if (key == "name") {
            json_.once(header_seen_, 2);
            std::string name(json_.string());
            if (!trace.name.empty() && trace.name != name) json_.fail("differs from the header before");
            trace.name = name;
        } else if (key == "block_size") {
            json_.once(header_seen_, 4);
            auto size = static_cast<uint32_t>(json_.whole(1, kMaxBlockSize));
            if (header_done_ && size != block_size_) json_.fail("differs from the header before");
            block_size_ = size;
        } else if (key == "meta") {
            json_.once(header_seen_, 8);
            if (json_.type() != JsonReader::Type::object) json_.fail("expected an object");
            json_.skip();
        } else {
            return false;
        }
        return true;
    }
    void end_header() { saw_header_ = header_done_ = true; }

    void read_document(LineSource& source, Trace& trace) {
        source.next();
        std::string_view text = source.whole();
        json_.open_object(text, text.size() + LineSource::kPadding, source.here());
        std::string_view key;
        bool events = false;
        bool version = false;
        while (json_.next_field(key)) {
            version = version || key == "kvsim_trace";
            if (key == "events") {
                if (events) json_.fail("the key is given twice");
                events = true;
                end_header();
                json_.enter_array();
                while (json_.next_element()) {
                    json_.begin_item();
                    json_.enter_object();
                    reader_.read(line_);
                    apply(trace);
                }
            } else if (events && key == "block_size") {
                json_.fail("expected before events");
            } else if (!header_key(key, trace)) {
                reader_.unknown_key(key, {"kvsim_trace", "name", "block_size", "meta", "events"});
            }
        }
        json_.finish();
        if (!version) json_.fail_line("expected the key kvsim_trace");
    }

    // ---- Line to rows ----

    [[noreturn]] void fail(const std::string& message) { json_.fail_line(message); }

    void apply(Trace& trace) {
        bool is_request = line_.op == kRequest;
        if (is_request ? uses_events_ : uses_requests_)
            fail("op " + std::string(op_name(line_.op)) + ": a file uses request lines or prompt, decode, fork and free lines, "
                 "not both");
        (is_request ? uses_requests_ : uses_events_) = true;
        switch (line_.op) {
            case kRequest: apply_request(trace); break;
            case kPrompt: apply_prompt(trace); break;
            case kDecode: apply_decode(trace); break;
            case kFork: apply_fork(trace); break;
            default: apply_free(trace); break;
        }
    }

    // Checks the prompt's keys and moves its names into `s`.
    void take_prompt(Sequence& s) {
        bool tokens = line_.has(kTokens);
        bool blocks = line_.has(kBlocks);
        if (tokens ? blocks : !blocks && !line_.has(kLength))
            fail("expected tokens, or length with blocks, or length alone");
        Named named = tokens ? Named::tokens : blocks ? Named::blocks : Named::nothing;
        if (named_ != Named::unknown && named_ != named)
            fail("a file names tokens, or blocks, or nothing in all its lines; expected " + named_text(named_) +
                 " as before");
        named_ = named;
        bool scoped = scopes_ && (!line_.salt.empty() || !line_.lora.empty());
        s.scope = scoped ? std::to_string(line_.salt.size()) + ':' + line_.salt + line_.lora : "";
        const NumberBuffer& names = tokens ? line_.tokens : line_.blocks;
        if (tokens) {
            if (line_.tokens.size() == 0) fail("tokens: expected at least one token");
            if (line_.has(kLength) && line_.length != line_.tokens.size())
                fail("length: expected " + std::to_string(line_.tokens.size()) + ", the number of tokens");
            s.prompt_tokens = line_.tokens.size();
        } else {
            if (blocks) check_blocks();
            s.prompt_tokens = line_.length;
        }
        if (line_.has(kCachedTokens) && line_.cached_tokens > s.prompt_tokens)
            fail("cached_tokens: expected at most the length of the prompt, " + std::to_string(s.prompt_tokens));
        s.prompt.assign(names.data(), names.data() + names.size());
        if (tokens) s.first_token = static_cast<uint32_t>(names[0]);
        scope_names(s.prompt, s.scope, tokens, true);
    }

    static std::string named_text(Named named) {
        return named == Named::tokens ? "tokens" : named == Named::blocks ? "length with blocks" : "length alone";
    }

    void check_blocks() {
        if (!line_.has(kLength)) fail("expected the key length beside blocks");
        if (line_.length == 0)  // only a request that names nothing may be empty
            fail("length: expected a whole number from 1 to " + std::to_string(kMaxTokens) + ", found 0");
        if (block_size_ == 0) fail("blocks: expected block_size in the header");
        uint64_t floor = line_.length / block_size_;
        uint64_t ceil = (line_.length + block_size_ - 1) / block_size_;
        uint64_t n = line_.blocks.size();
        if (n == floor || n == ceil) return;
        fail("blocks: found " + std::to_string(n) + " names for " + std::to_string(line_.length) + " tokens, expected " +
             std::to_string(ceil) + (floor == ceil ? "" : " (ceil) or " + std::to_string(floor) + " (floor)") +
             " of the length / " + std::to_string(block_size_));
    }

    // Under a salt or adapter the same name is another block. For tokens the first one tells a chain apart.
    void scope_names(std::vector<uint64_t>& names, const std::string& scope, bool tokens, bool from_start) {
        if (tokens) {
            if (!scope.empty() && from_start) names[0] = names_.id(scope, 't', std::to_string(names[0]));
            return;
        }
        if (scope.empty()) return;
        for (uint64_t& name : names) name = names_.id(scope, 'n', std::to_string(name));
    }

    Sequence& start_sequence(Trace& trace, Sequence&& s) {
        uint32_t row = trace.requests();
        s.request = row;
        s.where = json_.line_location();
        trace.prompt_tokens.push_back(static_cast<uint32_t>(s.prompt_tokens));
        trace.output_tokens.push_back(0);
        trace.arrival_s.push_back(line_.t);
        trace.source_row.push_back(row);
        sequences_.push_back(std::move(s));
        return sequences_.back();
    }

    void take_columns(Trace& trace, uint32_t row) {
        trace.sequence.set(row, line_.seq);
        if (line_.has(kTEnd)) trace.end_s.set(row, line_.t_end);
        if (line_.has(kN) && (samples_ += line_.n) > kMostSamples)
            fail("n: more than " + std::to_string(kMostSamples) + " parallel samples in all");
        if (line_.has(kTEnd) && line_.t_end < line_.t) fail("t_end: expected a time not before t");
        if (line_.has(kPriority)) trace.priority.set(row, line_.priority);
        auto put = [&](Key key, Column<int64_t>& column, uint64_t value) {
            if (line_.has(key)) column.set(row, static_cast<int64_t>(value));
        };
        put(kStep, trace.step, line_.step);
        put(kTurn, trace.turn, line_.turn);
        put(kMaxTokensKey, trace.max_tokens, line_.max_tokens);
        put(kCachedTokens, trace.cached_tokens, line_.cached_tokens);
        put(kN, trace.samples, line_.n);
        if (line_.has(kCategory)) trace.category.set(row, line_.category);
        if (line_.has(kSession)) trace.session.set(row, line_.session);
        if (line_.has(kParent)) trace.parent.set(row, line_.parent);
        if (line_.has(kSalt)) trace.salt.set(row, line_.salt);
        if (line_.has(kLora)) trace.lora.set(row, line_.lora);
    }

    void apply_request(Trace& trace) {
        if (trace.requests() > 0 && line_.has(kT) != timed_)
            fail("t: either every request line has it or none");
        timed_ = line_.has(kT);
        Sequence s;
        take_prompt(s);
        take_output(s, line_.output_tokens, kOutputTokens, line_.output_length, kOutputLength);
        start_sequence(trace, std::move(s));
        Sequence& made = sequences_.back();
        take_columns(trace, made.request);
        take_scores(trace, made, kNone);
        emit(made, trace);
        sequences_.pop_back();
    }

    // Output of a request or decode line: tokens, a count, or a count with the names of the blocks it completes.
    void take_output(Sequence& s, const NumberBuffer& tokens, Key tokens_key, uint64_t count, Key count_key) {
        uint64_t n = line_.has(count_key) ? count : 0;
        if (line_.has(tokens_key)) {
            if (!uses_tokens()) fail("output tokens need a prompt of tokens");
            if (line_.has(count_key) && count != tokens.size())
                fail("expected " + std::to_string(tokens.size()) + " output tokens, found the count " +
                     std::to_string(count));
            n = tokens.size();
            if (s.output_named) s.output.insert(s.output.end(), tokens.data(), tokens.data() + tokens.size());
        } else if (line_.has(kOutputBlocks)) {
            if (named_ != Named::blocks) fail("output_blocks need a prompt of blocks");
            take_output_blocks(s, n);
        } else if (n > 0 && named_ != Named::blocks) {
            s.output_named = false;
        }
        s.output_tokens += n;
        if (s.prompt_tokens + s.output_tokens > 2 * kMaxTokens || s.output_tokens > kMaxTokens)
            fail("the output is longer than " + std::to_string(kMaxTokens) + " tokens");
    }

    void take_output_blocks(Sequence& s, uint64_t n) {
        uint64_t before = (s.prompt_tokens + s.output_tokens) / block_size_;
        uint64_t after = (s.prompt_tokens + s.output_tokens + n) / block_size_;
        if (line_.output_blocks.size() != after - before)
            fail("output_blocks: found " + std::to_string(line_.output_blocks.size()) + " names, expected " +
                 std::to_string(after - before) + ", the blocks that these output tokens complete");
        if (s.prompt_tokens / block_size_ + s.output.size() != before) s.output_named = false;
        std::vector<uint64_t> names(line_.output_blocks.data(), line_.output_blocks.data() + line_.output_blocks.size());
        scope_names(names, s.scope, false, false);
        if (s.output_named) s.output.insert(s.output.end(), names.begin(), names.end());
    }

    uint32_t live(const std::string& seq) {
        auto found = live_.find(seq);
        if (found == live_.end()) fail("seq: unknown sequence '" + seq + "'");
        if (!sequences_[found->second].alive) fail("seq: sequence '" + seq + "' has been freed");
        return found->second;
    }
    void must_be_new(const char* key, const std::string& seq) {
        auto found = live_.find(seq);
        if (found != live_.end() && sequences_[found->second].alive)
            fail(std::string(key) + ": sequence '" + seq + "' is in use; free it first");
    }

    void apply_prompt(Trace& trace) {
        must_be_new("seq", line_.seq);
        Sequence s;
        take_prompt(s);
        uint32_t row = start_sequence(trace, std::move(s)).request;
        take_columns(trace, row);
        live_[line_.seq] = row;
        trace.events.push_back({EventKind::prompt, row, kNone, trace.prompt_tokens[row]});
    }

    void apply_decode(Trace& trace) {
        uint32_t row = live(line_.seq);
        if (!line_.has(kN) && !line_.has(kTokens)) fail("expected n or tokens");
        Sequence& s = sequences_[row];
        uint64_t before = s.output_tokens;
        take_output(s, line_.tokens, kTokens, line_.n, kN);
        trace.output_tokens[row] = static_cast<uint32_t>(s.output_tokens);
        trace.events.push_back({EventKind::decode, row, kNone, static_cast<uint32_t>(s.output_tokens - before)});
        take_scores(trace, s, static_cast<uint32_t>(trace.events.size() - 1));
    }

    void apply_fork(Trace& trace) {
        uint32_t parent = live(line_.seq);
        if (!line_.has(kChild)) fail("expected the key child");
        must_be_new("child", line_.child);
        Sequence s;
        const Sequence& p = sequences_[parent];
        s.scope = p.scope;
        s.first_token = p.first_token;
        s.prompt_tokens = p.prompt_tokens + p.output_tokens;
        s.prompt = p.prompt;
        if (p.output_tokens > 0) {
            // The parent's partial tail has moved on; what is named are its full blocks, and its output if that
            // follows them without a gap.
            uint64_t full = p.prompt_tokens / unit();
            s.prompt.resize(std::min<size_t>(s.prompt.size(), full));
            if (p.output_named && s.prompt.size() == full)
                s.prompt.insert(s.prompt.end(), p.output.begin(), p.output.end());
        }
        if (!line_.has(kT)) line_.t = trace.arrival_s[parent];
        uint32_t row = start_sequence(trace, std::move(s)).request;
        trace.sequence.set(row, line_.child);
        for (Labels* labels : {&trace.category, &trace.session, &trace.salt, &trace.lora})
            if (labels->id(parent) != kNone) labels->set(row, std::string((*labels)[parent]));
        if (trace.priority.has(parent)) trace.priority.set(row, trace.priority[parent]);
        live_[line_.child] = row;
        trace.events.push_back({EventKind::fork, row, parent, trace.prompt_tokens[row]});
    }

    void apply_free(Trace& trace) {
        uint32_t row = live(line_.seq);
        sequences_[row].alive = false;
        trace.events.push_back({EventKind::free, row, kNone, 0});
    }

    void take_scores(Trace& trace, const Sequence& sequence, uint32_t event) {
        uint64_t tokens = sequence.prompt_tokens + sequence.output_tokens;
        for (const ScoreLine& s : line_.scores) {
            for (const ScoreWeight& w : s.top)
                if (w.position >= tokens)
                    fail("scores: position " + std::to_string(w.position) + ": expected one of the " +
                         std::to_string(tokens) + " tokens of the sequence");
            trace.scores.push_back({sequence.request, event, s.layer, s.head, trace.score_weights.size(),
                                    static_cast<uint32_t>(s.top.size()), s.rest});
            trace.score_weights.insert(trace.score_weights.end(), s.top.begin(), s.top.end());
        }
    }

    // Adds a finished sequence's chains to the index; requests come in the order of their rows.
    void emit(Sequence& s, Trace& trace) {
        if (!interner_) interner_.emplace(trace.chains, uses_tokens() ? Names::content : Names::prefix);
        trace.output_tokens[s.request] = static_cast<uint32_t>(s.output_tokens);
        if (uses_tokens()) {
            trace.tokens_begin.push_back(trace.token_ids.size());
            trace.token_ids.push_back(s.first_token);  // the first name may carry a scope
            for (size_t i = 1; i < s.prompt.size(); ++i)
                trace.token_ids.push_back(static_cast<uint32_t>(s.prompt[i]));
            if (s.output_named)
                for (uint64_t token : s.output) trace.token_ids.push_back(static_cast<uint32_t>(token));
        }
        uint64_t kept = std::min<uint64_t>(s.prompt.size(), s.prompt_tokens / unit());
        try {
            uint32_t row = interner_->add(s.prompt.data(), s.prompt.size());
            trace.lookup_rows.push_back(row);
            trace.row_tokens.push_back({static_cast<uint32_t>(s.prompt_tokens), false});
            bool named = s.output_named && !s.output.empty() && kept == s.prompt_tokens / unit();
            uint32_t stored = kNone;
            if (named) {
                stored = interner_->add_after(row, static_cast<uint32_t>(kept), s.output.data(), s.output.size());
                trace.row_tokens.push_back({static_cast<uint32_t>((kept + s.output.size()) * unit()), true});
                any_stored_ = true;
            }
            trace.stored_rows.push_back(stored);
        } catch (const PrefixViolation& v) {
            throw_at(s.where, "sequence '" + trace.sequence_name(s.request) + "', block " +
                                  std::to_string(v.position) + ": " + v.message(names_.name(v.id)));
        }
    }

    JsonReader json_;
    Line line_;
    NameTable names_;
    LineReader reader_{json_, names_};
    std::optional<PathInterner> interner_;
    std::vector<Sequence> sequences_;  ///< of event files; a request line's only while it is read
    std::unordered_map<std::string, uint32_t> live_;
    uint32_t block_size_ = 0;
    bool saw_header_ = false, header_done_ = false;
    unsigned header_seen_ = 0;  ///< keys of the last header
    Named named_ = Named::unknown;
    bool uses_requests_ = false, uses_events_ = false;
    bool any_stored_ = false;
    bool timed_ = false;  ///< request lines have t
    uint64_t samples_ = 0;  ///< of lines with n
};

}  // namespace

FormatRow kvsim_format() {
    return {"kvsim",
            "native JSONL or JSON: prompt, decode, fork, free, or request lines",
            "prefixes or tokens, or there are none (lengths only)",
            "scopes=on (off: salts and adapters tell nothing apart)",
            [](const Head& head) { return head.count("kvsim_trace") != 0; },
            [](Spec& spec) -> std::unique_ptr<FormatReader> { return std::make_unique<KvsimReader>(spec.on_off("scopes", true)); }};
}

}  // namespace kvsim
