#include <kvsim/trace/format_kvsim_line.h>

#include <algorithm>

namespace kvsim::native {

void LineReader::unknown_key(std::string_view key, const std::vector<std::string>& known) {
    json_.fail("unknown key" + did_you_mean(key, known));
}

void LineReader::read(Line& line) {
    line.op = 0;
    line.seen = 0;
    for (NumberBuffer* b : {&line.tokens, &line.output_tokens, &line.blocks, &line.output_blocks}) b->resize(0);
    line.scores.clear();
    line.salt.clear();
    line.lora.clear();
    line.t = 0;
    std::string_view name;
    while (json_.next_field(name)) {
        const KeyRule* rule = std::find_if(kRules, kRules + kKeys, [&](const KeyRule& r) { return name == r.name; });
        if (rule == kRules + kKeys) {
            std::vector<std::string> known;
            for (const KeyRule& r : kRules) known.emplace_back(r.name);
            unknown_key(name, known);
        }
        auto key = static_cast<Key>(rule - kRules);
        if (line.has(key)) json_.fail("the key is given twice");
        line.seen |= uint64_t{1} << key;
        read_value(key, line);
    }
    if (!line.has(kOp)) json_.fail_line("expected the key op");
    for (unsigned key = 0; key < kKeys; ++key)
        if (line.has(static_cast<Key>(key)) && !(kRules[key].ops & line.op))
            json_.fail_line(std::string(kRules[key].name) + ": not a key of op " + op_name(line.op));
    if (!line.has(kSeq)) json_.fail_line("expected the key seq");
}

void LineReader::read_value(Key key, Line& line) {
    switch (key) {
        case kOp: line.op = read_op(); break;
        case kSeq: line.seq = json_.string(); break;
        case kChild: line.child = json_.string(); break;
        case kCategory: line.category = json_.string(); break;
        case kSession: line.session = json_.string(); break;
        case kParent: line.parent = json_.string(); break;
        case kSalt: line.salt = json_.string(); break;
        case kLora: line.lora = json_.string(); break;
        case kT: line.t = json_.number(0, kMaxSeconds); break;
        case kTEnd: line.t_end = json_.number(0, kMaxSeconds); break;
        case kPriority: line.priority = json_.number(-1e15, 1e15); break;
        case kTokens: json_.whole_array(line.tokens, 0xFFFFFFFFu); break;
        case kOutputTokens: json_.whole_array(line.output_tokens, 0xFFFFFFFFu); break;
        case kBlocks: read_names(line.blocks); break;
        case kOutputBlocks: read_names(line.output_blocks); break;
        case kLength: line.length = json_.whole(0, kMaxTokens); break;
        case kN: line.n = json_.whole(1, kMaxTokens); break;
        case kOutputLength: line.output_length = json_.whole(0, kMaxTokens); break;
        case kStep: line.step = json_.whole(0, kMaxTokens); break;
        case kTurn: line.turn = json_.whole(0, kMaxTokens); break;
        case kMaxTokensKey: line.max_tokens = json_.whole(0, kMaxTokens); break;
        case kCachedTokens: line.cached_tokens = json_.whole(0, kMaxTokens); break;
        case kScores: read_scores(line); break;
        case kMeta:
            if (json_.type() != JsonReader::Type::object) json_.fail("expected an object");
            json_.skip();
            break;
        case kKeys: break;
    }
}

unsigned LineReader::read_op() {
    std::string_view op = json_.string();
    static const std::vector<std::string> ops = {"prompt", "decode", "fork", "free", "request"};
    for (unsigned i = 0; i < ops.size(); ++i)
        if (op == ops[i]) return 1u << i;
    json_.fail("expected one of " + join(ops) + did_you_mean(op, ops));
}

// Integers 0 .. 2^64 - 1 or strings, as 64-bit names that are different for different names.
void LineReader::read_names(NumberBuffer& out) {
    if (json_.array_of_strings()) {
        json_.enter_array();
        while (json_.next_element()) out.push_back(names_.id({}, 's', json_.string()));
        return;
    }
    json_.whole_array(out);
    for (size_t i = 0; i < out.size(); ++i) out.data()[i] = names_.plain(out[i]);
}

// Rows of weights as softmax leaves them: each in [0, 1], and no more than 1 together, but for rounding.
static constexpr double kMostWeight = 1 + 1e-3;

void LineReader::read_scores(Line& line) {
    json_.enter_array();
    while (json_.next_element()) {
        ScoreLine row;
        unsigned seen = 0;
        const char* place = json_.place();
        json_.enter_object();
        std::string_view key;
        while (json_.next_field(key)) {
            if (key == "layer") {
                json_.once(seen, 1);
                row.layer = static_cast<uint32_t>(json_.whole(0, 1 << 20));
            } else if (key == "head") {
                json_.once(seen, 2);
                row.head = static_cast<uint32_t>(json_.whole(0, 1 << 20));
            } else if (key == "top") {
                json_.once(seen, 4);
                read_top(row);
            } else if (key == "rest") {
                json_.once(seen, 8);
                row.rest = read_weight();
            } else {
                unknown_key(key, {"layer", "head", "top", "rest"});
            }
        }
        if ((seen & 7) != 7) throw_at(json_.location(place), "scores: expected layer, head and top in each row");
        double sum = row.rest;
        for (const ScoreWeight& w : row.top) sum += w.weight;
        if (sum > kMostWeight)
            throw_at(json_.location(place), "scores: expected weights and rest of 1 together, found " + std::to_string(sum));
        line.scores.push_back(std::move(row));
    }
    check_rows(line);
}

// One row for each layer and head, and in each row one weight for each position.
void LineReader::check_rows(const Line& line) {
    score_names_.clear();
    for (const ScoreLine& row : line.scores) score_names_.push_back(uint64_t{row.layer} << 32 | row.head);
    std::sort(score_names_.begin(), score_names_.end());
    auto twice = std::adjacent_find(score_names_.begin(), score_names_.end());
    if (twice != score_names_.end())
        json_.fail_line("scores: layer " + std::to_string(*twice >> 32) + ", head " +
                        std::to_string(*twice & 0xFFFFFFFFu) + " has two rows");
}

float LineReader::read_weight() {
    double weight = json_.number(-1e300, 1e300);
    if (weight < 0 || weight > 1) json_.fail("expected a weight from 0 to 1");
    return static_cast<float>(weight);
}

void LineReader::read_top(ScoreLine& row) {
    const char* place = json_.place();
    score_names_.clear();
    json_.enter_array();
    while (json_.next_element()) {
        ScoreWeight w{};
        json_.enter_array();
        if (!json_.next_element()) json_.fail("expected [position, weight]");
        w.position = static_cast<uint32_t>(json_.whole(0, kMaxTokens));
        if (!json_.next_element()) json_.fail("expected [position, weight]");
        w.weight = read_weight();
        if (json_.next_element()) json_.fail("expected [position, weight]");
        row.top.push_back(w);
        score_names_.push_back(w.position);
    }
    std::sort(score_names_.begin(), score_names_.end());
    auto twice = std::adjacent_find(score_names_.begin(), score_names_.end());
    if (twice != score_names_.end())
        throw_at(json_.location(place), "scores: position " + std::to_string(*twice) + " has two weights");
}

}  // namespace kvsim::native
