// What is written reads back as the same trace: random traces of requests, tokens and events, and the public
// ones.
#include "support/process.h"

#include <doctest/doctest.h>
#include <kvsim/core/random.h>
#include <kvsim/trace/format.h>
#include <kvsim/trace/generator.h>
#include <kvsim/trace/writer.h>
#include "support/random_check.h"

#include <algorithm>
#include <functional>

namespace writer_test {

using namespace kvsim;
using namespace kvsim_test;

namespace {

Trace load(const std::string& path, const std::string& format = "auto", uint32_t block_size = 0) {
    LoadOptions options;
    options.path = path;
    options.format = format;
    options.block_size = block_size;
    return load_trace(options);
}

std::string text_of(const Trace& trace, const std::string& format) {
    TempDir dir;
    OutputFile out(dir.path("t"));
    write_trace(trace, format, out);
    out.commit();
    return read_file(dir.path("t"));
}

Trace read_text(const std::string& text, const std::string& format = "auto", uint32_t block_size = 0) {
    TempDir dir;
    return load(dir.write("t", text), format, block_size);
}

std::string error_of(const std::function<void()>& call) {
    try {
        call();
    } catch (const Error& e) {
        CHECK(e.kind() == ErrorKind::input);
        return e.what();
    }
    return "no error";
}

bool has_line(const std::vector<std::string>& lines, const std::string& part) {
    return std::any_of(lines.begin(), lines.end(),
                       [&](const std::string& l) { return l.find(part) != std::string::npos; });
}

std::vector<BlockId> chain(const Trace& t, uint32_t row) {
    std::vector<Segment> segments;
    t.chains.segments(row, t.chains[row].length, segments);
    std::vector<BlockId> ids;
    for (const Segment& s : segments)
        for (uint32_t i = 0; i < s.count; ++i) ids.push_back(s.begin + i);
    return ids;
}

/// "" or what differs first. Block ids are compared as they are: both sides number by first appearance.
std::string chain_difference(const Trace& a, const Trace& b, bool stored = true) {
    if (a.requests() != b.requests()) return "requests";
    if (a.block_size != b.block_size) return "block size";
    for (uint32_t r = 0; r < a.requests(); ++r) {
        std::string who = " of request " + std::to_string(r);
        if (a.prompt_tokens[r] != b.prompt_tokens[r]) return "prompt tokens" + who;
        if (a.output_tokens[r] != b.output_tokens[r]) return "output tokens" + who;
        if (a.arrival_s[r] != b.arrival_s[r]) return "arrival" + who;
        if (chain(a, a.lookup_row(r)) != chain(b, b.lookup_row(r))) return "chain" + who;
        if (!stored) continue;
        if (chain(a, a.stored_row(r, true)) != chain(b, b.stored_row(r, true))) return "named output" + who;
    }
    return "";
}

template <class C>
bool same_column(const C& a, const C& b, uint32_t requests) {
    for (uint32_t r = 0; r < requests; ++r)
        if (a[r] != b[r]) return false;
    return true;
}

std::string column_difference(const Trace& a, const Trace& b) {
    uint32_t n = a.requests();
    for (uint32_t r = 0; r < n; ++r)
        if (a.sequence_name(r) != b.sequence_name(r)) return "seq";
    if (!same_column(a.end_s, b.end_s, n)) return "t_end";
    if (!same_column(a.priority, b.priority, n)) return "priority";
    if (!same_column(a.turn, b.turn, n) || !same_column(a.step, b.step, n)) return "turn or step";
    if (!same_column(a.max_tokens, b.max_tokens, n) || !same_column(a.samples, b.samples, n))
        return "max_tokens or n";
    if (!same_column(a.cached_tokens, b.cached_tokens, n)) return "cached_tokens";
    if (!same_column(a.session, b.session, n) || !same_column(a.category, b.category, n))
        return "session or category";
    if (!same_column(a.salt, b.salt, n) || !same_column(a.lora, b.lora, n)) return "salt or lora";
    if (!same_column(a.parent, b.parent, n)) return "parent";
    return "";
}

/// (sequence, event) to rows of layer, head, rest, position, weight, ... in order.
std::map<std::pair<uint32_t, uint32_t>, std::vector<float>> scores_of(const Trace& t) {
    std::map<std::pair<uint32_t, uint32_t>, std::vector<float>> out;
    for (const ScoreRow& s : t.scores) {
        std::vector<float>& to = out[{s.sequence, s.event}];
        for (uint32_t v : {s.layer, s.head, s.top_count}) to.push_back(static_cast<float>(v));
        to.push_back(s.rest);
        for (uint32_t i = 0; i < s.top_count; ++i) {
            to.push_back(static_cast<float>(t.score_weights[s.top_begin + i].position));
            to.push_back(t.score_weights[s.top_begin + i].weight);
        }
    }
    return out;
}

std::string event_difference(const Trace& a, const Trace& b) {
    auto same = [](const Event& x, const Event& y) {
        return x.kind == y.kind && x.sequence == y.sequence && x.other == y.other && x.tokens == y.tokens;
    };
    if (!std::equal(a.events.begin(), a.events.end(), b.events.begin(), b.events.end(), same))
        return "events";
    if (scores_of(a) != scores_of(b)) return "scores";
    return a.token_ids == b.token_ids && a.tokens_begin == b.tokens_begin ? "" : "tokens";
}

std::string kvsim_difference(const Trace& a) {
    if (!what_is_lost(a, "kvsim").empty()) return "something is lost";
    Trace b = read_text(text_of(a, "kvsim"));
    if (a.name != b.name) return "name";
    for (const std::string& d : {chain_difference(a, b), column_difference(a, b), event_difference(a, b)})
        if (!d.empty()) return d;
    return text_of(b, "kvsim") == text_of(a, "kvsim") ? "" : "text";
}

std::string numbers(const std::vector<uint64_t>& v) {
    std::string s = "[";
    for (uint64_t n : v) s += (s.size() > 1 ? "," : "") + std::to_string(n);
    return s + "]";
}

/// Random native files. Block names follow from what the tokens would be, so they always name prefixes.
class RandomFile {
  public:
    RandomFile(uint64_t seed, bool tokens, uint32_t block_size)
        : random_(seed), tokens_(tokens), size_(block_size) {
        text_ = "{\"kvsim_trace\":1,\"name\":\"ran\\\"dom\",\"block_size\":" + std::to_string(size_) + "}\n";
    }

    std::string requests() {
        uint64_t n = random_.between(1, 12);
        for (uint64_t r = 0; r < n; ++r) {
            std::vector<uint64_t> prompt = draw_prompt();
            uint64_t out = random_.below(3 * size_);
            std::string scope = chance(4) ? "x" : "";
            std::string line = "{\"op\":\"request\",\"seq\":\"r" + std::to_string(random_.below(20)) +
                               "\",\"t\":" + std::to_string(random_.below(50)) + "." +
                               std::to_string(random_.below(1000));
            line += prompt_text(prompt);
            if (!scope.empty()) line += ",\"salt\":\"" + scope + "\"";
            std::vector<uint64_t> all = prompt;
            for (uint64_t i = 0; i < out; ++i) all.push_back(random_.below(2));
            bool named = chance(2);
            if (tokens_ && named && out > 0) {
                line += ",\"output_tokens\":" + numbers({all.begin() + ptrdiff_t(prompt.size()), all.end()});
            } else {
                line += ",\"output_length\":" + std::to_string(out);
                if (!tokens_ && named) line += output_blocks(all, prompt.size());
            }
            text_ += line + columns() + (chance(5) ? scores(all.size()) : "") + "}\n";
        }
        return text_;
    }

    std::string events() {
        struct Live {
            std::string seq;
            std::vector<uint64_t> tokens;
            bool named;     ///< decodes name what they add
            bool complete;  ///< everything so far has a name
        };
        std::vector<Live> live;
        uint64_t next = 0;
        for (uint64_t step = random_.between(3, 40); step > 0; --step) {
            uint64_t what = live.empty() ? 0 : random_.below(8);
            if (what == 0) {
                Live l{"q\\n" + std::to_string(next++), draw_prompt(), chance(2), true};
                text_ += "{\"op\":\"prompt\",\"seq\":\"" + l.seq + "\",\"t\":" + std::to_string(step) +
                         prompt_text(l.tokens) + columns() + "}\n";
                live.push_back(l);
                continue;
            }
            Live& l = live[random_.below(live.size())];
            std::string head = "\"seq\":\"" + l.seq + "\"";
            if (what == 1) {
                text_ += "{\"op\":\"free\"," + head + "}\n";
                l = live.back();
                live.pop_back();
            } else if (what == 2) {
                Live child = l;
                child.seq = "q\\n" + std::to_string(next++);
                text_ += "{\"op\":\"fork\"," + head + ",\"child\":\"" + child.seq + "\",\"t\":2.5}\n";
                child.named = child.complete && chance(2);
                live.push_back(child);
            } else {
                decode(l.tokens, l.named, head);
                l.complete = l.complete && l.named;
            }
        }
        return text_;
    }

  private:
    bool chance(uint64_t of) { return random_.below(of) == 0; }

    void decode(std::vector<uint64_t>& tokens, bool named, const std::string& head) {
        uint64_t before = tokens.size();
        uint64_t n = random_.between(1, 2 * size_);
        for (uint64_t i = 0; i < n; ++i) tokens.push_back(random_.below(2));
        text_ += "{\"op\":\"decode\"," + head;
        if (named && tokens_) {
            text_ += ",\"tokens\":" + numbers({tokens.begin() + ptrdiff_t(before), tokens.end()});
        } else {
            text_ += ",\"n\":" + std::to_string(n);
            if (named) text_ += output_blocks(tokens, before);
        }
        text_ += (chance(4) ? scores(tokens.size()) : "") + "}\n";
    }

    std::vector<uint64_t> draw_prompt() {
        std::vector<uint64_t> tokens(random_.between(1, 5 * size_));
        for (uint64_t& t : tokens) t = random_.below(8) == 0 ? 1 : 0;
        return tokens;
    }
    std::string prompt_text(const std::vector<uint64_t>& tokens) {
        if (tokens_) return ",\"tokens\":" + numbers(tokens);
        bool floor = chance(2);
        uint64_t blocks = floor ? tokens.size() / size_ : (tokens.size() + size_ - 1) / size_;
        return ",\"length\":" + std::to_string(tokens.size()) + ",\"blocks\":" + names(tokens, 0, blocks);
    }
    std::string output_blocks(const std::vector<uint64_t>& all, uint64_t before) {
        return ",\"output_blocks\":" + names(all, before / size_, all.size() / size_);
    }
    std::string names(const std::vector<uint64_t>& tokens, uint64_t from, uint64_t to) {
        std::vector<uint64_t> out;
        for (uint64_t b = from; b < to; ++b) {
            std::vector<uint64_t> path(tokens.begin(), tokens.begin() + ptrdiff_t(std::min<uint64_t>(
                                                                            (b + 1) * size_, tokens.size())));
            out.push_back(7 * names_.emplace(path, names_.size()).first->second);
        }
        return numbers(out);
    }
    std::string columns() {
        std::string s;
        if (chance(3)) s += ",\"t_end\":60.125";
        if (chance(3)) s += ",\"step\":" + std::to_string(random_.below(9));
        if (chance(3)) s += ",\"priority\":-1.5";
        if (chance(3)) s += ",\"category\":\"\\u00e4 \\\\ \\t\"";
        if (chance(3)) s += ",\"session\":\"s" + std::to_string(random_.below(3)) + "\",\"turn\":0";
        if (chance(3)) s += ",\"parent\":\"r1\",\"lora\":\"l\"";
        if (chance(3)) s += ",\"max_tokens\":0,\"n\":2";
        if (chance(3)) s += ",\"cached_tokens\":" + std::to_string(random_.below(2));
        return s;
    }
    std::string scores(size_t sequence) {
        std::string second = sequence > 1 ? ",[" + std::to_string(sequence - 1) + ",1e-9]" : "";
        return ",\"scores\":[{\"layer\":1,\"head\":0,\"top\":[[0,0.1]" + second + "],\"rest\":0.3},"
               "{\"layer\":2,\"head\":" +
               std::to_string(random_.below(4)) + ",\"top\":[],\"rest\":1}]";
    }

    Random random_;
    bool tokens_;
    uint32_t size_;
    std::string text_;
    std::map<std::vector<uint64_t>, uint64_t> names_;
};

}  // namespace

TEST_CASE("native: random request lines and events come back whole") {
    CHECK(kvsim_test::random_check([](uint64_t seed, bool tokens, bool events) {
        auto size = static_cast<uint32_t>(Random(seed).between(1, 5));
        RandomFile file(seed, tokens, size);
        std::string text = events ? file.events() : file.requests();
        Trace trace = read_text(text);
        std::string difference = kvsim_difference(trace);
        if (!difference.empty()) RC_FAIL(difference + " in\n" + text);
    }));
}

TEST_CASE("native: a trace re-blocked to larger blocks, or a trace of tokens to any size, comes back whole") {
    CHECK(kvsim_test::random_check([](uint64_t seed, bool tokens, bool events) {
        Random random(seed);
        auto size = static_cast<uint32_t>(random.between(1, 4));
        RandomFile file(seed, tokens, size);
        std::string text = events && tokens ? file.events() : file.requests();
        auto to = static_cast<uint32_t>(tokens ? random.between(1, 9) : size * random.between(1, 4));
        std::string difference = kvsim_difference(read_text(text, "auto", to));
        if (!difference.empty())
            RC_FAIL(difference + " at block size " + std::to_string(to) + " in\n" + text);
    }));
}

TEST_CASE("native in blocks: random request lines keep everything but token ids") {
    CHECK(kvsim_test::random_check([](uint64_t seed, bool tokens) {
        Random random(seed);
        auto size = static_cast<uint32_t>(random.between(1, 4));
        RandomFile file(seed, tokens, size);
        std::string text = file.requests();
        Trace trace = read_text(text, "auto", tokens ? static_cast<uint32_t>(random.between(1, 9)) : 0);
        std::string written = text_of(trace, "kvsim_blocks");
        RC_ASSERT(written.find("tokens\":[") == std::string::npos);
        std::string difference = chain_difference(trace, read_text(written));
        if (!difference.empty()) RC_FAIL(difference + " in\n" + text);
    }));
}

TEST_CASE("mooncake: random request lines keep times, lengths and chains") {
    CHECK(kvsim_test::random_check([](uint64_t seed, bool tokens) {
        auto size = static_cast<uint32_t>(Random(seed).between(1, 5));
        Trace a = read_text(RandomFile(seed, tokens, size).requests());
        auto lost = what_is_lost(a, "mooncake");
        bool cut = has_line(lost, "partly filled");
        std::string tail = has_line(lost, "tail=none") ? "none" : "ceil";
        Trace b = read_text(text_of(a, "mooncake"),
                            "mooncake:tokens_per_id=" + std::to_string(size) + ",tail=" + tail);
        RC_ASSERT(a.requests() == b.requests());
        for (uint32_t r = 0; r < a.requests(); ++r) {
            RC_ASSERT(a.arrival_s[r] == b.arrival_s[r]);
            RC_ASSERT(a.prompt_tokens[r] == b.prompt_tokens[r]);
            RC_ASSERT(a.output_tokens[r] == b.output_tokens[r]);
            RC_ASSERT(b.lookup_blocks(r) == (cut ? a.prompt_tokens[r] / size : a.lookup_blocks(r)));
        }
        if (!cut && !a.has_named_output()) RC_ASSERT(chain_difference(a, b) == "");
    }));
}

TEST_CASE("what a format cannot hold is an error, or said") {
    Trace beam = load(source_file("traces/beam.jsonl"));
    CHECK(error_of([&] { text_of(beam, "mooncake"); }) == "mooncake cannot hold 6 forks; convert to kvsim");
    CHECK(error_of([&] { text_of(beam, "mooncak"); }).find("did you mean 'mooncake'?") != std::string::npos);
    CHECK(what_is_lost(beam, "kvsim").empty());
    CHECK(has_line(what_is_lost(beam, "mooncake"), "2 attention score rows"));
    CHECK(has_line(what_is_lost(beam, "mooncake"), "columns: seq, priority, max_tokens"));

    Trace content = read_text(
        "{\"timestamp\":\"3\",\"input_length\":700,\"output_length\":4,"
        "\"hash_ids\":{\"a\":[5,6],\"b\":[5]}}\n");
    CHECK(error_of([&] { text_of(content, "kvsim"); }).find("convert to mooncake") != std::string::npos);
    CHECK(has_line(what_is_lost(content, "mooncake"), "mooncake:ids=content"));
    CHECK(text_of(content, "mooncake") ==
          "{\"timestamp\":3000,\"input_length\":700,\"output_length\":4,\"hash_ids\":[0,1,0]}\n");

    // 900 tokens in one named block of 512: the tail of 388 tokens has no name, and none for its blocks of 16
    // either.
    Trace floor = read_text(
        "{\"kvsim_trace\":1,\"block_size\":512}\n"
        "{\"op\":\"request\",\"seq\":\"a\",\"length\":900,\"blocks\":[0]}\n",
        "auto", 16);
    CHECK(error_of([&] { text_of(floor, "kvsim"); }).find("convert without --block-size") !=
          std::string::npos);
    CHECK(error_of([&] { text_of(floor, "mooncake"); }).find("convert without --block-size") !=
          std::string::npos);
    Trace output = read_text(
        "{\"kvsim_trace\":1,\"block_size\":512}\n{\"op\":\"request\",\"seq\":\"a\",\"length\":900,"
        "\"blocks\":[0,1],\"output_length\":300,\"output_blocks\":[2]}\n",
        "auto", 16);
    CHECK(error_of([&] { text_of(output, "kvsim"); }).find("names for all output blocks") !=
          std::string::npos);

    Trace late = read_text(
        "{\"id\":\"s\",\"requests\":[{\"t\":5,\"in\":64,\"out\":1,\"hash_ids\":[1]},"
        "{\"t\":1,\"in\":64,\"out\":1,\"hash_ids\":[1]}]}\n",
        "kv_cache_tester:order=file");
    CHECK(has_line(what_is_lost(late, "kvsim"), "the order of requests"));
    CHECK(has_line(what_is_lost(late, "mooncake"), "the order of requests"));
}

TEST_CASE("a fork whose parent loses its names later is said to change") {
    Trace t = read_text(
        "{\"kvsim_trace\":1,\"block_size\":2}\n{\"op\":\"prompt\",\"seq\":\"a\",\"tokens\":[1,2,3]}\n"
        "{\"op\":\"decode\",\"seq\":\"a\",\"tokens\":[4,5]}\n{\"op\":\"fork\",\"seq\":\"a\",\"child\":\"b\"}"
        "\n"
        "{\"op\":\"decode\",\"seq\":\"a\",\"n\":2}\n{\"op\":\"decode\",\"seq\":\"b\",\"n\":2}\n");
    CHECK(has_line(what_is_lost(t, "kvsim"), "1 forked sequences"));
    Trace back = read_text(text_of(t, "kvsim"));
    CHECK(back.prompt_tokens == t.prompt_tokens);
    CHECK(back.lookup_blocks(1) == 1);
}

TEST_CASE("public traces come back whole") {
    struct Case {
        const char* file;
        const char* back;  ///< how the mooncake text is to be read
    };
    for (const Case& c :
         {Case{"traces/mooncake/conversation_trace.head2000.jsonl", "auto"},
          Case{"traces/mooncake/synthetic_trace.head2000.jsonl", "auto"},
          Case{"traces/kv-cache-tester/sessions4_small.jsonl", "mooncake:tokens_per_id=64,tail=none"},
          Case{"traces/samples-other/mooncake_toolagent.head45.jsonl", "auto"},
          Case{"traces/samples-other/qwen_bailian_traceA.head7.jsonl", "auto"}}) {
        std::string path = shared_file(c.file);
        if (path.empty()) continue;
        CAPTURE(path);
        Trace a = load(path);
        CHECK(kvsim_difference(a) == "");
        CHECK(chain_difference(a, read_text(text_of(a, "mooncake"), c.back)) == "");
    }
    std::string rag = shared_file("traces/ragpulse/0_trace.head2000.jsonl");
    if (rag.empty()) return;
    Trace a = load(rag);
    Trace b = read_text(text_of(a, "mooncake"), "mooncake:ids=content,tokens_per_id=512");
    CHECK(chain_difference(a, b) == "");
    CHECK(a.content_ids.ids == b.content_ids.ids);
    CHECK(a.content_ids.unique == b.content_ids.unique);
}

TEST_CASE("converting a published Mooncake trace to mooncake gives the same lines") {
    std::string path = shared_file("traces/mooncake/conversation_trace.head2000.jsonl");
    if (path.empty()) return;
    std::string before = read_file(path);
    before.erase(std::remove(before.begin(), before.end(), ' '), before.end());
    CHECK(text_of(load(path), "mooncake") == before);
}

}  // namespace writer_test
