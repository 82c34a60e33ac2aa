// Agent sessions of callanjfox/kv-cache-tester: one JSON object a session (a line each, or a file each), with nested
// requests[]; an element with requests[] of its own is a sub-agent whose times count from the element's own t. Ids
// are local to the session unless hash_id_scope says otherwise, and name full blocks only (floor(in / block_size)).
// Every session begins at t = 0; merged by time unless order=file.
//
// Text delta: a turn repeats the id text of the turn before. The texts of the two arrays are compared as bytes, the
// stored end of each number says how many ids that covers, and only the rest is parsed and interned: 3.5 of 94.3
// million ids of the published sessions.
#include <kvsim/trace/format.h>

#include <algorithm>
#include <cstring>

namespace kvsim {
namespace {

/// Equal leading bytes of two texts.
size_t common_bytes(std::string_view a, std::string_view b) {
    size_t limit = std::min(a.size(), b.size());
    size_t n = 0;
    constexpr size_t kStep = 4096;  // memcmp is fastest on long pieces; find the differing byte inside one
    while (n + kStep <= limit && std::memcmp(a.data() + n, b.data() + n, kStep) == 0) n += kStep;
    while (n + 64 <= limit && std::memcmp(a.data() + n, b.data() + n, 64) == 0) n += 64;
    while (n < limit && a[n] == b[n]) ++n;
    return n;
}

class KvCacheTesterReader : public FormatReader {
  public:
    explicit KvCacheTesterReader(Spec& spec) { by_time_ = spec.choice("order", "time", {"time", "file"}) == "time"; }

    void read(LineSource& source, Trace& trace, ProblemList* problems) override {
        if (!interner_) interner_.emplace(trace.chains, Names::prefix);
        read_head(source);  // a session written over several lines becomes one
        for_each_line(source, problems, [&] { read_session(source.line(), source.capacity(), source.here(), trace); });
    }

    void finish(Trace& trace) override {
        trace.block_size = block_size_ == 0 ? 64 : block_size_;
        trace.notes.emplace_back(by_time_ ? "sessions all begin at t = 0 and are merged by time"
                                          : "sessions one after the other, in file order");
    }
    bool sorted_by_arrival() const override { return by_time_; }

  private:
    /// The array text last seen at one nesting level, to compare the next one with.
    struct Before {
        uint32_t row = kNone;
        std::string_view text;
        std::vector<uint32_t> ends;  ///< end of each id in `text`
    };

    void read_session(std::string_view text, size_t capacity, const Location& where, Trace& trace) {
        uint32_t first_row = trace.requests();
        json_.open_object(text, capacity, where);
        session_id_ = "line " + std::to_string(where.line);
        bool local = true;
        bool has_requests = false;
        turn_ = 0;
        for (Before& b : before_) b.row = kNone;
        std::string_view key;
        unsigned once_seen = 0;
        while (json_.next_field(key)) {
            if (key == "id") {
                json_.once(once_seen, 1);
                session_id_ = std::string(json_.string());
            } else if (key == "block_size") {
                json_.once(once_seen, 2);
                read_block_size();
            } else if (key == "hash_id_scope") {
                json_.once(once_seen, 4);
                std::string_view scope = json_.string();
                if (scope != "local" && scope != "global") json_.fail("expected \"local\" or \"global\"");
                local = scope == "local";
                if (has_requests && !local) json_.fail("expected before requests");
            } else if (key == "requests") {
                if (has_requests) json_.fail("the key is given twice");
                has_requests = true;
                if (trace.requests() > 0 && local != local_)
                    json_.fail("sessions with local and with global ids cannot be mixed");
                local_ = local;
                if (local) interner_->begin_scope();
                json_.enter_array();
                while (json_.next_element()) read_element(trace, 0);
            } else {
                json_.skip();
            }
        }
        json_.finish();
        if (!has_requests) json_.fail_line("expected the key requests");
        for (uint32_t row = first_row; row < trace.requests(); ++row) trace.session.set(row, session_id_);
    }

    void read_block_size() {
        auto size = static_cast<uint32_t>(json_.whole(1, kMaxBlockSize));
        if (block_size_ != 0 && size != block_size_)
            json_.fail("found " + std::to_string(size) + ", but requests before it have " + std::to_string(block_size_));
        block_size_ = size;
    }

    // An element is a request, or a sub-agent with requests of its own.
    void read_element(Trace& trace, size_t level) {
        if (level == kLevels) json_.fail("sub-agents are nested too deeply");
        json_.enter_object();
        uint32_t first_row = trace.requests();
        double t = 0;
        double api_time = -1;
        uint64_t input = 0, output = 0;
        std::string_view ids;
        unsigned seen = 0;
        std::string_view key;
        std::string_view type;
        auto once = [&](unsigned bit) { json_.once(seen, bit); };
        while (json_.next_field(key)) {
            if (key == "t") {
                once(1);
                t = json_.number(0, kMaxSeconds);
            } else if (key == "in") {
                once(2);
                input = json_.whole(1, kMaxTokens);
            } else if (key == "out") {
                once(4);
                output = json_.whole(0, kMaxTokens);
            } else if (key == "hash_ids") {
                once(8);
                ids = json_.array_text();
            } else if (key == "type") {
                type = json_.string();
            } else if (key == "api_time") {
                once(32);
                api_time = json_.number(0, kMaxSeconds);
            } else if (key == "requests") {
                once(16);
                json_.enter_array();
                while (json_.next_element()) read_element(trace, level + 1);
            } else {
                json_.skip();
            }
        }
        if (seen & 16) {
            for (uint32_t row = first_row; row < trace.requests(); ++row) {
                trace.arrival_s[row] += t;
                if (trace.end_s.has(row)) trace.end_s.set(row, trace.end_s[row] + t);
            }
            return;
        }
        static constexpr const char* kKeys[] = {"t", "in", "out", "hash_ids"};
        for (unsigned i = 0; i < 4; ++i)
            if (!(seen & (1u << i)))
                json_.fail_line(std::string("expected the key ") + kKeys[i] + " in request " +
                                std::to_string(turn_ + 1) + " of session " + session_id_);
        add_chain(level, input, ids);
        uint32_t row = trace.requests();
        trace.prompt_tokens.push_back(static_cast<uint32_t>(input));
        trace.output_tokens.push_back(static_cast<uint32_t>(output));
        trace.arrival_s.push_back(t);
        trace.source_row.push_back(row);
        trace.turn.set(row, ++turn_);
        if (!type.empty()) trace.category.set(row, type);
        if (api_time >= 0) trace.end_s.set(row, t + api_time);
    }

    void add_chain(size_t level, uint64_t input, std::string_view text) {
        Before& before = before_[level];
        if (block_size_ == 0) block_size_ = 64;  // what the published sessions have, where a session does not say
        uint32_t block_size = block_size_;
        size_t same = 0;
        size_t offset = 1;  // behind '['
        if (before.row != kNone) {
            size_t bytes = common_bytes(text, before.text);
            // An id is common only if what follows it is too, so count ends strictly inside the common text.
            same = static_cast<size_t>(std::lower_bound(before.ends.begin(), before.ends.end(), bytes) -
                                       before.ends.begin());
            if (same > 0) offset = before.ends[same - 1];
        }
        ids_.resize(0);
        parse_rest(text, offset, same);
        size_t count = same + ids_.size();
        if (count != input / block_size)
            json_.fail_at(text.data(), "hash_ids: found " + std::to_string(count) + " ids for " +
                                           std::to_string(input) + " tokens, expected " +
                                           std::to_string(input / block_size) + " (floor of in / " +
                                           std::to_string(block_size) + ")");
        try {
            before.row = interner_->add_after(before.row, static_cast<uint32_t>(same), ids_.data(), ids_.size());
        } catch (const PrefixViolation& v) {
            json_.fail_at(text.data(), "hash_ids[" + std::to_string(v.position) + "]: " + v.message());
        }
        before.text = text;
        before.ends.resize(same);
        note_ends(text, offset, before.ends);
    }

    // Parses the ids behind the first `same`, which end at `offset`.
    void parse_rest(std::string_view text, size_t offset, size_t same) {
        const char* limit = text.data() + text.size();
        const char* p = text.data() + offset;
        const char* end = nullptr;
        if (same > 0) {
            while (p < limit && (*p == ' ' || *p == '\t' || *p == '\n' || *p == '\r')) ++p;
            if (*p == ']') return;
            if (*p != ',') json_.fail_at(p, "hash_ids: expected a comma or ]");
            ++p;
        }
        const char* wrong = parse_whole_array(p, limit, ids_, &end);
        bool dangling = wrong == nullptr && same > 0 && ids_.size() == 0;  // "1, ]"
        if (wrong || dangling) json_.fail_at(wrong ? wrong : p, "hash_ids: expected whole numbers between commas");
    }

    static void note_ends(std::string_view text, size_t offset, std::vector<uint32_t>& ends) {
        bool digit = false;
        for (size_t i = offset; i < text.size(); ++i) {
            bool d = text[i] >= '0' && text[i] <= '9';
            if (digit && !d) ends.push_back(static_cast<uint32_t>(i));
            digit = d;
        }
    }

    static constexpr size_t kLevels = 3;
    bool by_time_;
    bool local_ = true;  ///< ids mean something inside one session only
    uint32_t block_size_ = 0;
    JsonReader json_;
    std::optional<PathInterner> interner_;
    NumberBuffer ids_;
    Before before_[kLevels];
    std::string session_id_;
    int64_t turn_ = 0;
};

}  // namespace

FormatRow kv_cache_tester_format() {
    return {"kv_cache_tester",
            "agent sessions with nested sub-agents, ids local to a session",
            "prefixes",
            "order=time|file",
            [](const Head& head) { return head.count("requests") != 0 && head.count("id") != 0; },
            [](Spec& spec) -> std::unique_ptr<FormatReader> { return std::make_unique<KvCacheTesterReader>(spec); }};
}

}  // namespace kvsim
