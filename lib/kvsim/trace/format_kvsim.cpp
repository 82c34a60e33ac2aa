// The native format (docs/DESIGN.md section 9): a header, then one event a line, or one JSON document with an events
// array. Made to be written by a logger inside a serving engine, so `request` lines may come in any order.
//
// A file of prompt, decode, fork and free lines is turned into one request per sequence besides its events: a
// sequence's chain is its prompt, its output is what all its decode lines add. A fork's child is a request whose
// prompt is what its parent holds then: the parent's blocks as far as they have names.
#include <kvsim/trace/format.h>
#include <kvsim/trace/names.h>

#include <algorithm>
#include <bit>

namespace kvsim {
namespace {

enum Op : unsigned { kPrompt = 1, kDecode = 2, kFork = 4, kFree = 8, kRequest = 16 };

enum Key : unsigned {
    kOp, kSeq, kT, kTokens, kLength, kBlocks, kN, kOutputTokens, kOutputLength, kOutputBlocks, kChild, kScores, kTEnd,
    kStep, kPriority, kCategory, kSession, kTurn, kParent, kSalt, kLora, kMaxTokensKey, kCachedTokens, kMeta, kKeys
};

struct KeyRule {
    const char* name;
    unsigned ops;  ///< which lines may have it
};
constexpr unsigned kStart = kPrompt | kRequest;
constexpr KeyRule kRules[kKeys] = {
    {"op", 31},           {"seq", 31},           {"t", 31},
    {"tokens", kStart | kDecode}, {"length", kStart},    {"blocks", kStart},
    {"n", kStart | kDecode},      {"output_tokens", kRequest}, {"output_length", kRequest},
    {"output_blocks", kRequest | kDecode}, {"child", kFork}, {"scores", kDecode | kRequest},
    {"t_end", kStart},    {"step", kStart},      {"priority", kStart},
    {"category", kStart}, {"session", kStart},   {"turn", kStart},
    {"parent", kStart},   {"salt", kStart},      {"lora", kStart},
    {"max_tokens", kStart}, {"cached_tokens", kStart}, {"meta", 31}};

struct ScoreLine {
    uint32_t layer = 0, head = 0;
    float rest = 0;
    std::vector<ScoreWeight> top;
};

/// One event line as read, before it means anything.
struct Line {
    unsigned op = 0;
    uint64_t seen = 0;
    std::string seq, child, category, session, parent, salt, lora;
    double t = 0, t_end = 0, priority = 0;
    uint64_t length = 0, n = 0, output_length = 0, step = 0, turn = 0, max_tokens = 0, cached_tokens = 0;
    NumberBuffer tokens, output_tokens, blocks, output_blocks;
    std::vector<ScoreLine> scores;
    bool has(Key key) const { return (seen >> key & 1) != 0; }
};

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

class KvsimReader : public FormatReader {
  public:
    void read(LineSource& source, Trace& trace, ProblemList* problems) override {
        saw_header_ = false;
        Head head = read_head(source);
        if (head.count("events") != 0) return read_document(source, trace);
        for_each_line(source, problems, [&] {
            try {
                open_line(source, trace);
            } catch (const Error&) {
                if (source.terminated() || parses(source)) throw;
                trace.notes.push_back(source.here().str() + ": the last line is incomplete and was dropped");
            }
        });
    }

    void finish(Trace& trace) override {
        for (Sequence& s : sequences_) emit(s, trace);
        if (!any_stored_) {
            trace.lookup_rows.clear();
            trace.stored_rows.clear();
        }
        if (!any_stored_) trace.row_tokens.clear();
        trace.block_size = uses_tokens_ ? 1 : block_size_;
        if (uses_tokens_) trace.tokens_begin.push_back(trace.token_ids.size());
    }
    uint32_t default_block_size() const override { return !uses_tokens_ ? 0 : block_size_ != 0 ? block_size_ : 16; }
    bool sorted_by_arrival() const override { return !uses_events_; }

  private:
    // ---- text to Line ----

    bool parses(LineSource& source) {
        try {
            JsonReader probe;
            probe.open_object(source.line(), source.capacity(), source.here());
            std::string_view key;
            while (probe.next_field(key)) probe.skip();
            probe.finish();
            return true;
        } catch (const Error&) {
            return false;
        }
    }

    void open_line(LineSource& source, Trace& trace) {
        json_.open_object(source.line(), source.capacity(), source.here());
        if (source.line().find("\"kvsim_trace\"") != std::string_view::npos) {
            read_header(trace);
            return;
        }
        if (!saw_header_) json_.fail_line("expected the header {\"kvsim_trace\":1, ...} first");
        read_event();
        json_.finish();
        apply(trace);
    }

    void read_header(Trace& trace) {
        std::string_view key;
        while (json_.next_field(key))
            if (!header_key(key, trace)) unknown_key(key, {"kvsim_trace", "name", "block_size", "meta"});
        json_.finish();
        end_header();
    }

    bool header_key(std::string_view key, Trace& trace) {
        if (key == "kvsim_trace") {
            json_.whole(1, 1);
        } else if (key == "name") {
            std::string name(json_.string());
            if (!trace.name.empty() && trace.name != name) json_.fail("differs from the header before");
            trace.name = name;
        } else if (key == "block_size") {
            auto size = static_cast<uint32_t>(json_.whole(1, kMaxBlockSize));
            if (header_done_ && size != block_size_) json_.fail("differs from the header before");
            block_size_ = size;
        } else if (key == "meta") {
            json_.skip();
        } else {
            return false;
        }
        return true;
    }
    void end_header() { saw_header_ = header_done_ = true; }

    void read_document(LineSource& source, Trace& trace) {
        source.next();
        Location where = source.here();
        std::string_view text = source.whole();
        json_.open_object(text, text.size() + LineSource::kPadding, where);
        std::string_view key;
        bool events = false;
        while (json_.next_field(key)) {
            if (key == "events") {
                if (events) json_.fail("the key is given twice");
                events = true;
                end_header();
                json_.enter_array();
                while (json_.next_element()) {
                    json_.enter_object();
                    read_event();
                    apply(trace);
                }
            } else if (events && key == "block_size") {
                json_.fail("expected before events");
            } else if (!header_key(key, trace)) {
                unknown_key(key, {"kvsim_trace", "name", "block_size", "meta", "events"});
            }
        }
        json_.finish();
    }

    [[noreturn]] void unknown_key(std::string_view key, const std::vector<std::string>& known) {
        json_.fail("unknown key" + did_you_mean(key, known));
    }

    void read_event() {
        line_.op = 0;
        line_.seen = 0;
        for (NumberBuffer* b : {&line_.tokens, &line_.output_tokens, &line_.blocks, &line_.output_blocks}) b->resize(0);
        line_.scores.clear();
        line_.salt.clear();
        line_.lora.clear();
        line_.t = 0;
        std::string_view name;
        while (json_.next_field(name)) {
            const KeyRule* rule = std::find_if(kRules, kRules + kKeys, [&](const KeyRule& r) { return name == r.name; });
            if (rule == kRules + kKeys) {
                std::vector<std::string> known;
                for (const KeyRule& r : kRules) known.emplace_back(r.name);
                unknown_key(name, known);
            }
            auto key = static_cast<Key>(rule - kRules);
            if (line_.has(key)) json_.fail("the key is given twice");
            line_.seen |= uint64_t{1} << key;
            read_value(key);
        }
        if (!line_.has(kOp)) json_.fail_line("expected the key op");
        for (unsigned key = 0; key < kKeys; ++key)
            if (line_.has(static_cast<Key>(key)) && !(kRules[key].ops & line_.op))
                json_.fail_line(std::string(kRules[key].name) + ": not a key of op " + op_name());
        if (!line_.has(kSeq)) json_.fail_line("expected the key seq");
    }

    void read_value(Key key) {
        switch (key) {
            case kOp: line_.op = read_op(); break;
            case kSeq: line_.seq = json_.string(); break;
            case kChild: line_.child = json_.string(); break;
            case kCategory: line_.category = json_.string(); break;
            case kSession: line_.session = json_.string(); break;
            case kParent: line_.parent = json_.string(); break;
            case kSalt: line_.salt = json_.string(); break;
            case kLora: line_.lora = json_.string(); break;
            case kT: line_.t = json_.number(0, kMaxSeconds); break;
            case kTEnd: line_.t_end = json_.number(0, kMaxSeconds); break;
            case kPriority: line_.priority = json_.number(-1e15, 1e15); break;
            case kTokens: json_.whole_array(line_.tokens, 0xFFFFFFFFu); break;
            case kOutputTokens: json_.whole_array(line_.output_tokens, 0xFFFFFFFFu); break;
            case kBlocks: read_names(line_.blocks); break;
            case kOutputBlocks: read_names(line_.output_blocks); break;
            case kLength: line_.length = json_.whole(1, kMaxTokens); break;
            case kN: line_.n = json_.whole(1, kMaxTokens); break;
            case kOutputLength: line_.output_length = json_.whole(0, kMaxTokens); break;
            case kStep: line_.step = json_.whole(0, kMaxTokens); break;
            case kTurn: line_.turn = json_.whole(0, kMaxTokens); break;
            case kMaxTokensKey: line_.max_tokens = json_.whole(0, kMaxTokens); break;
            case kCachedTokens: line_.cached_tokens = json_.whole(0, kMaxTokens); break;
            case kScores: read_scores(); break;
            case kMeta:
                if (json_.type() != JsonReader::Type::object) json_.fail("expected an object");
                json_.skip();
                break;
            case kKeys: break;
        }
    }

    unsigned read_op() {
        std::string_view op = json_.string();
        static const std::vector<std::string> ops = {"prompt", "decode", "fork", "free", "request"};
        for (unsigned i = 0; i < ops.size(); ++i)
            if (op == ops[i]) return 1u << i;
        json_.fail("expected one of " + join(ops) + did_you_mean(op, ops));
    }
    const char* op_name() const {
        static constexpr const char* names[] = {"prompt", "decode", "fork", "free", "request"};
        return names[std::countr_zero(line_.op)];
    }

    // Integers 0 .. 2^64 - 1 or strings; strings go through the table at once, integers when the scope is known.
    void read_names(NumberBuffer& out) {
        std::string_view text = json_.array_text();
        size_t first = text.find_first_not_of(" \t\r\n", 1);
        const char* end = nullptr;
        if (first == std::string_view::npos || text[first] != '"') {
            const char* wrong = parse_whole_array(text.data() + 1, text.data() + text.size(), out, &end);
            if (wrong == nullptr) return;
            json_.fail_at(wrong, "expected whole numbers from 0 to 18446744073709551615, or strings");
        }
        size_t at = first;
        for (;;) {
            size_t close = text.find('"', at + 1);
            while (close != std::string_view::npos && text[close - 1] == '\\') close = text.find('"', close + 1);
            if (text[at] != '"' || close == std::string_view::npos)
                json_.fail_at(text.data() + at, "expected all names to be strings");
            out.push_back(names_.id({}, 's', text.substr(at + 1, close - at - 1)));
            at = text.find_first_not_of(" \t\r\n", close + 1);
            if (at == std::string_view::npos || text[at] == ']') return;
            if (text[at] != ',') json_.fail_at(text.data() + at, "expected a comma or ]");
            at = text.find_first_not_of(" \t\r\n", at + 1);
            if (at == std::string_view::npos) json_.fail_at(text.data() + close, "expected a name");
        }
    }

    void read_scores() {
        json_.enter_array();
        while (json_.next_element()) {
            ScoreLine row;
            unsigned seen = 0;
            json_.enter_object();
            std::string_view key;
            while (json_.next_field(key)) {
                if (key == "layer") {
                    row.layer = static_cast<uint32_t>(json_.whole(0, 1 << 20));
                    seen |= 1;
                } else if (key == "head") {
                    row.head = static_cast<uint32_t>(json_.whole(0, 1 << 20));
                    seen |= 2;
                } else if (key == "rest") {
                    row.rest = static_cast<float>(json_.number(0, 1e30));
                } else if (key == "top") {
                    seen |= 4;
                    read_top(row);
                } else {
                    unknown_key(key, {"layer", "head", "top", "rest"});
                }
            }
            if (seen != 7) json_.fail_line("scores: expected layer, head and top in each row");
            line_.scores.push_back(std::move(row));
        }
    }

    void read_top(ScoreLine& row) {
        json_.enter_array();
        while (json_.next_element()) {
            ScoreWeight w{};
            json_.enter_array();
            if (!json_.next_element()) json_.fail("expected [position, weight]");
            w.position = static_cast<uint32_t>(json_.whole(0, kMaxTokens));
            if (!json_.next_element()) json_.fail("expected [position, weight]");
            w.weight = static_cast<float>(json_.number(0, 1e30));
            if (json_.next_element()) json_.fail("expected [position, weight]");
            row.top.push_back(w);
        }
    }

    // ---- Line to rows ----

    [[noreturn]] void fail(const std::string& message) { json_.fail_line(message); }

    void apply(Trace& trace) {
        bool is_request = line_.op == kRequest;
        if (is_request ? uses_events_ : uses_requests_)
            fail("op " + std::string(op_name()) + ": a file uses request lines or prompt, decode, fork and free lines, "
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
        if (tokens == line_.has(kBlocks)) fail("expected tokens, or length with blocks");
        if (tokens ? uses_blocks_ : uses_tokens_) fail("a file names tokens or blocks, not both");
        (tokens ? uses_tokens_ : uses_blocks_) = true;
        s.scope = line_.salt.empty() && line_.lora.empty() ? "" : line_.salt + '\n' + line_.lora;
        const NumberBuffer& names = tokens ? line_.tokens : line_.blocks;
        if (tokens) {
            if (line_.tokens.size() == 0) fail("tokens: expected at least one token");
            if (line_.has(kLength) && line_.length != line_.tokens.size())
                fail("length: expected " + std::to_string(line_.tokens.size()) + ", the number of tokens");
            s.prompt_tokens = line_.tokens.size();
        } else {
            check_blocks();
            s.prompt_tokens = line_.length;
        }
        s.prompt.assign(names.data(), names.data() + names.size());
        if (tokens) s.first_token = static_cast<uint32_t>(names[0]);
        scope_names(s.prompt, s.scope, tokens, true);
    }

    void check_blocks() {
        if (!line_.has(kLength)) fail("expected the key length beside blocks");
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
            if (!scope.empty() && from_start) names[0] = names_.id(scope, names[0]);
            return;
        }
        for (uint64_t& name : names) {
            bool plain = name < NameTable::kPlainLimit;
            if (scope.empty() && plain) continue;
            // What is already from the table (a string) keeps its table id as its name inside the scope.
            name = names_.id(scope, name);
        }
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
        Sequence s;
        take_prompt(s);
        take_output(s, line_.output_tokens, kOutputTokens, line_.output_length, kOutputLength);
        if (line_.has(kCachedTokens) && line_.cached_tokens > s.prompt_tokens)
            fail("cached_tokens: expected at most the length of the prompt, " + std::to_string(s.prompt_tokens));
        start_sequence(trace, std::move(s));
        Sequence& made = sequences_.back();
        take_columns(trace, made.request);
        take_scores(trace, made.request, kNone);
        emit(made, trace);
        sequences_.pop_back();
    }

    // Output of a request or decode line: tokens, a count, or a count with the names of the blocks it completes.
    void take_output(Sequence& s, const NumberBuffer& tokens, Key tokens_key, uint64_t count, Key count_key) {
        uint64_t n = line_.has(count_key) ? count : 0;
        if (line_.has(tokens_key)) {
            if (!uses_tokens_) fail("output tokens need a prompt of tokens");
            if (line_.has(count_key) && count != tokens.size())
                fail("expected " + std::to_string(tokens.size()) + " output tokens, found the count " +
                     std::to_string(count));
            n = tokens.size();
            if (s.output_named) s.output.insert(s.output.end(), tokens.data(), tokens.data() + tokens.size());
        } else if (line_.has(kOutputBlocks)) {
            if (uses_tokens_) fail("output_blocks need a prompt of blocks");
            take_output_blocks(s, n);
        } else if (n > 0 && uses_tokens_) {
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
        take_scores(trace, row, static_cast<uint32_t>(trace.events.size() - 1));
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
        if (p.output_tokens > 0 && uses_tokens_) {
            if (p.output_named) s.prompt.insert(s.prompt.end(), p.output.begin(), p.output.end());
        } else if (p.output_tokens > 0) {
            // The parent's partial tail has moved on; what is named are its full blocks.
            s.prompt.resize(std::min<size_t>(s.prompt.size(), p.prompt_tokens / block_size_));
            if (p.output_named) s.prompt.insert(s.prompt.end(), p.output.begin(), p.output.end());
        }
        uint32_t row = start_sequence(trace, std::move(s)).request;
        trace.sequence.set(row, line_.child);
        live_[line_.child] = row;
        trace.events.push_back({EventKind::fork, row, parent, trace.prompt_tokens[row]});
    }

    void apply_free(Trace& trace) {
        uint32_t row = live(line_.seq);
        sequences_[row].alive = false;
        trace.events.push_back({EventKind::free, row, kNone, 0});
    }

    void take_scores(Trace& trace, uint32_t row, uint32_t event) {
        for (const ScoreLine& s : line_.scores) {
            trace.scores.push_back({row, event, s.layer, s.head, trace.score_weights.size(),
                                    static_cast<uint32_t>(s.top.size()), s.rest});
            trace.score_weights.insert(trace.score_weights.end(), s.top.begin(), s.top.end());
        }
    }

    // Adds a finished sequence's chains to the index; requests come in the order of their rows.
    void emit(Sequence& s, Trace& trace) {
        if (!interner_) interner_.emplace(trace.chains, uses_tokens_ ? Names::content : Names::prefix);
        trace.output_tokens[s.request] = static_cast<uint32_t>(s.output_tokens);
        if (uses_tokens_) {
            trace.tokens_begin.push_back(trace.token_ids.size());
            trace.token_ids.push_back(s.first_token);  // the first name may carry a scope
            for (size_t i = 1; i < s.prompt.size(); ++i)
                trace.token_ids.push_back(static_cast<uint32_t>(s.prompt[i]));
            if (s.output_named)
                for (uint64_t token : s.output) trace.token_ids.push_back(static_cast<uint32_t>(token));
        }
        uint64_t unit = uses_tokens_ ? 1 : block_size_;
        uint64_t kept = std::min<uint64_t>(s.prompt.size(), s.prompt_tokens / unit);
        try {
            uint32_t row = interner_->add(s.prompt.data(), s.prompt.size());
            trace.lookup_rows.push_back(row);
            trace.row_tokens.push_back({static_cast<uint32_t>(s.prompt_tokens), false});
            bool named = s.output_named && !s.output.empty() && kept == s.prompt_tokens / unit;
            uint32_t stored = kNone;
            if (named) {
                stored = interner_->add_after(row, static_cast<uint32_t>(kept), s.output.data(), s.output.size());
                trace.row_tokens.push_back({static_cast<uint32_t>((kept + s.output.size()) * unit), true});
                any_stored_ = true;
            }
            trace.stored_rows.push_back(stored);
        } catch (const PrefixViolation& v) {
            throw_at(s.where, "sequence '" + trace.sequence_name(s.request) + "', block " +
                                  std::to_string(v.position) + ": " + v.message);
        }
    }

    JsonReader json_;
    Line line_;
    NameTable names_;
    std::optional<PathInterner> interner_;
    std::vector<Sequence> sequences_;  ///< of event files; a request line's only while it is read
    std::unordered_map<std::string, uint32_t> live_;
    uint32_t block_size_ = 0;
    bool saw_header_ = false, header_done_ = false;
    bool uses_tokens_ = false, uses_blocks_ = false;
    bool uses_requests_ = false, uses_events_ = false;
    bool any_stored_ = false;
};

}  // namespace

FormatRow kvsim_format() {
    return {"kvsim",
            "native JSONL or JSON: prompt, decode, fork, free, or request lines",
            "prefixes or tokens",
            "",
            [](const Head& head) { return head.count("kvsim_trace") != 0; },
            [](Spec&) -> std::unique_ptr<FormatReader> { return std::make_unique<KvsimReader>(); }};
}

}  // namespace kvsim
