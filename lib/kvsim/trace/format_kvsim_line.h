// One line of the native format, as text says it and before it means anything: keys, types, ranges.
#pragma once

#include <kvsim/trace/format.h>
#include <kvsim/trace/names.h>

#include <bit>
#include <string>
#include <vector>

namespace kvsim::native {


enum Op : unsigned { kPrompt = 1, kDecode = 2, kFork = 4, kFree = 8, kRequest = 16 };

enum Key : unsigned {
    kOp, kSeq, kT, kTokens, kLength, kBlocks, kN, kOutputTokens, kOutputLength, kOutputBlocks, kChild, kScores, kTEnd,
    kStep, kPriority, kCategory, kSession, kTurn, kParent, kSalt, kLora, kMaxTokensKey, kCachedTokens, kMeta, kKeys
};

struct KeyRule {
    const char* name;
    unsigned ops;  ///< which lines may have it
};
inline constexpr unsigned kStart = kPrompt | kRequest;
inline constexpr KeyRule kRules[kKeys] = {
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


inline const char* op_name(unsigned op) {
    static constexpr const char* kNames[] = {"prompt", "decode", "fork", "free", "request"};
    return kNames[std::countr_zero(op)];
}

/// Reads the fields of the object `json` stands in. Names of blocks that are strings are looked up in `names`.
class LineReader {
  public:
    LineReader(JsonReader& json, NameTable& names) : json_(json), names_(names) {}
    /// Throws Error(input) on an unknown or repeated key, a key that its op does not have, a value out of range.
    void read(Line& line);
    [[noreturn]] void unknown_key(std::string_view key, const std::vector<std::string>& known);

  private:
    void read_value(Key key, Line& line);
    unsigned read_op();
    void read_names(NumberBuffer& out);
    void read_scores(Line& line);
    void read_top(ScoreLine& row);
    float read_weight();
    void check_rows(const Line& line);
    JsonReader& json_;
    NameTable& names_;
    std::vector<uint64_t> score_names_;  ///< scratch of the checks for repeated ones
};

}  // namespace kvsim::native
