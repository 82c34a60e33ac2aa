// Qwen-Bailian anonymised traces (alibaba-edu/qwen-bailian-usagetraces-anon): one JSON object a line with chat_id,
// parent_chat_id (-1: the chat begins here), timestamp (seconds), input_length, output_length, type, turn and hash_ids.
//
// An id is the salted hash of one block of 16 tokens, not of its prefix: the same block may stand in several places,
// also twice in one prompt. A block here is therefore the path of ids that leads to it, which is what a prefix cache
// may share. A prompt has ceil(input_length / 16) ids in what is published; floor is taken too.
//
// Every line is a chat of its own that names the chat it continues, so a conversation is a chain of parents. Its
// session is the first chat of that chain, or the last one named if that is not in the trace; parents may stand
// behind their children. Following parents remembers each result, so the whole takes one step per chat.
#include <kvsim/trace/format.h>

#include <algorithm>
#include <cmath>

namespace kvsim {
namespace {

constexpr uint32_t kBlockTokens = 16;
constexpr double kMaxChat = 9007199254740992.0;  // 2^53: chat ids are small numbers

struct BailianLine {
    uint64_t chat = 0;
    int64_t parent = -1;
    double timestamp = 0;
    uint64_t input = 0, output = 0;
    int64_t turn = Column<int64_t>::missing();
    std::string type;
    const char* ids_text = nullptr;
};

class BailianReader : public FormatReader {
  public:
    void read(LineSource& source, Trace& trace, ProblemList* problems) override {
        if (!interner_) interner_.emplace(trace.chains, Names::content);
        files_.push_back({source.name(), trace.requests()});
        for_each_line(source, problems, [&] { read_line(source, trace); });
    }

    void finish(Trace& trace) override {
        trace.block_size = kBlockTokens;
        for (uint32_t row = 0; row < chats_.size(); ++row) trace.session.set(row, std::to_string(root_of(row)));
        if (orphans_ > 0)
            trace.notes.push_back(std::to_string(orphans_) + " chats name a parent that is not in the trace; " +
                                  "its name is their session");
    }

  private:
    void read_line(LineSource& source, Trace& trace) {
        BailianLine line;
        read_keys(source, line);
        check_count(line);
        auto [at, fresh] = links_.try_emplace(line.chat, Link{line.parent, false});
        if (!fresh) json_.fail_line("chat_id: chat " + std::to_string(line.chat) + " was given before");
        uint32_t row = trace.requests();
        interner_->add(ids_.data(), ids_.size());
        chats_.push_back(line.chat);
        lines_.push_back(source.number());
        trace.prompt_tokens.push_back(static_cast<uint32_t>(line.input));
        trace.output_tokens.push_back(static_cast<uint32_t>(line.output));
        trace.arrival_s.push_back(line.timestamp);
        trace.source_row.push_back(row);
        trace.sequence.set(row, std::to_string(line.chat));
        if (line.parent >= 0) trace.parent.set(row, std::to_string(line.parent));
        if (!line.type.empty()) trace.category.set(row, line.type);
        if (line.turn != Column<int64_t>::missing()) trace.turn.set(row, line.turn);
    }

    void read_keys(LineSource& source, BailianLine& line) {
        json_.open_object(source.line(), source.capacity(), source.here());
        std::string_view text;
        unsigned seen = 0;
        std::string_view key;
        while (json_.next_field(key)) {
            unsigned bit = bit_of(key);
            if (bit != 0) json_.once(seen, bit);
            switch (bit) {
                case 1: line.chat = json_.whole(0, static_cast<uint64_t>(kMaxChat)); break;
                case 2: line.parent = read_parent(); break;
                case 4: line.timestamp = json_.number(0, kMaxSeconds); break;
                case 8: line.input = json_.whole(1, kMaxTokens); break;
                case 16: line.output = json_.whole(0, kMaxTokens); break;
                case 32: line.type = json_.string(); break;
                case 64: line.turn = static_cast<int64_t>(json_.whole(0, kMaxTokens)); break;
                case 128: text = json_.array_text(); break;
                default: json_.skip(); break;
            }
        }
        json_.finish();
        for (unsigned i = 0; i < kKeyCount; ++i)
            if (!(seen & (1u << i))) json_.fail_line(std::string("expected the key ") + kKeys[i]);
        if (line.parent == static_cast<int64_t>(line.chat))
            json_.fail_line("parent_chat_id: a chat cannot be its own parent");
        ids_.resize(0);
        line.ids_text = text.data();
        const char* end = nullptr;
        const char* wrong = parse_whole_array(text.data() + 1, text.data() + text.size(), ids_, &end);
        if (wrong) json_.fail_at(wrong, "hash_ids: expected whole numbers between commas");
    }

    static constexpr unsigned kKeyCount = 8;
    static constexpr const char* kKeys[kKeyCount] = {"chat_id",       "parent_chat_id", "timestamp", "input_length",
                                                     "output_length", "type",           "turn",      "hash_ids"};
    static unsigned bit_of(std::string_view key) {
        for (unsigned i = 0; i < kKeyCount; ++i)
            if (key == kKeys[i]) return 1u << i;
        return 0;
    }

    int64_t read_parent() {
        double parent = json_.number(-1, kMaxChat);
        if (parent != std::floor(parent)) json_.fail("expected a chat id, or -1");
        return static_cast<int64_t>(parent);
    }

    void check_count(const BailianLine& line) {
        uint64_t floor = line.input / kBlockTokens;
        uint64_t ceil = (line.input + kBlockTokens - 1) / kBlockTokens;
        if (ids_.size() == ceil || ids_.size() == floor) return;
        json_.fail_at(line.ids_text, "hash_ids: found " + std::to_string(ids_.size()) + " ids for " +
                                         std::to_string(line.input) + " tokens, expected " + std::to_string(ceil) +
                                         (ceil == floor ? "" : " (ceil) or " + std::to_string(floor) + " (floor)") +
                                         " of the length / 16");
    }

    /// The chat a chat continues, and whether that is the root already.
    struct Link {
        int64_t parent;
        bool settled;
    };

    /// Where a row was read.
    Location place_of(uint32_t row) const {
        auto file = std::find_if(files_.rbegin(), files_.rend(), [&](const File& f) { return f.first_row <= row; });
        return {file->name, lines_[row], 1};
    }

    uint64_t root_of(uint32_t row) {
        path_.clear();
        uint64_t root = chats_[row];
        for (;;) {
            auto link = links_.find(root);
            if (link == links_.end()) {
                ++orphans_;
                break;
            }
            if (link->second.parent < 0) break;
            if (link->second.settled) {
                root = static_cast<uint64_t>(link->second.parent);
                break;
            }
            if (path_.size() > links_.size())
                throw_at(place_of(row), "parent_chat_id: chat " + std::to_string(chats_[row]) +
                                            " is its own ancestor, or below one");
            path_.push_back(root);
            root = static_cast<uint64_t>(link->second.parent);
        }
        for (uint64_t on_path : path_) links_[on_path] = Link{static_cast<int64_t>(root), true};
        return root;
    }

    JsonReader json_;
    std::optional<PathInterner> interner_;
    NumberBuffer ids_;
    std::unordered_map<uint64_t, Link> links_;
    std::vector<uint64_t> chats_;  ///< per row
    std::vector<uint64_t> lines_;  ///< likewise: where it stands
    struct File {
        std::string name;
        uint32_t first_row;
    };
    std::vector<File> files_;
    std::vector<uint64_t> path_;
    uint64_t orphans_ = 0;
};

}  // namespace

FormatRow bailian_format() {
    return {"bailian",
            "Qwen-Bailian JSONL: chats with their parents, timestamp (s), hash_ids of 16 tokens",
            "content of blocks, read as paths",
            "",
            // A first line that lacks one of the two is a broken one of this format, not one of another.
            [](const Head& head) {
                return head.count("hash_ids") != 0 && (head.count("chat_id") != 0 || head.count("parent_chat_id") != 0);
            },
            [](Spec&) -> std::unique_ptr<FormatReader> { return std::make_unique<BailianReader>(); }};
}

}  // namespace kvsim
