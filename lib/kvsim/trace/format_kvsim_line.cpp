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

void LineReader::read_scores(Line& line) {
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
        line.scores.push_back(std::move(row));
    }
}

void LineReader::read_top(ScoreLine& row) {
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

}  // namespace kvsim::native
