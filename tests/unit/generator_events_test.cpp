// beam and stream: the events against twins that write their lines down, and against a walk that knows the rules.
#include <kvsim/core/random.h>
#include "support/random_check.h"

#include <algorithm>
#include <set>

#include "generated.h"
#include "load_text.h"

namespace generator_events_test {

using namespace kvsim;
using namespace kvsim_test;

namespace {

std::string with(const std::string& kind, const std::vector<std::pair<std::string, uint64_t>>& values) {
    std::string spec = kind;
    for (const auto& [key, value] : values) spec += (spec == kind ? ":" : ",") + key + "=" + std::to_string(value);
    return spec;
}

std::string seconds(uint64_t ms) {
    std::string digits = std::to_string(1000 + ms % 1000).substr(1);
    while (!digits.empty() && digits.back() == '0') digits.pop_back();
    return std::to_string(ms / 1000) + (digits.empty() ? "" : "." + digits);
}

/// The lines of a trace whose prompts share nothing and whose output has no names.
struct Lines {
    std::string text;
    uint64_t block, blocks = 0;
    Lines(const std::string& name, uint64_t size) : block(size) {
        text = "{\"kvsim_trace\":1,\"name\":\"" + name + "\",\"block_size\":" + std::to_string(size) + "}\n";
    }
    void line(const std::string& op, const std::string& seq, const std::string& rest) {
        text += "{\"op\":\"" + op + "\",\"seq\":\"" + seq + "\"" + rest + "}\n";
    }
    void prompt(const std::string& seq, uint64_t ms, uint64_t tokens) {
        std::string names;
        for (uint64_t i = 0; i * block < tokens; ++i) names += (i == 0 ? "" : ",") + std::to_string(blocks++);
        line("prompt", seq,
             ",\"t\":" + seconds(ms) + ",\"length\":" + std::to_string(tokens) + ",\"blocks\":[" + names + "]");
    }
    void fork(const std::string& seq, uint64_t ms, const std::string& child) {
        line("fork", seq, ",\"t\":" + seconds(ms) + ",\"child\":\"" + child + "\"");
    }
    void decode(const std::string& seq, uint64_t tokens) { line("decode", seq, ",\"n\":" + std::to_string(tokens)); }
    void free(const std::string& seq) { line("free", seq, ""); }
};

struct NaiveBeam {
    std::string name;
    uint64_t score;
    uint64_t age;  ///< forks of its prompt before it came
};

/// Beam search, one prompt after the other: a list of beams that is sorted from scratch at every selection.
std::string naive_beam(uint64_t seed, uint64_t prompts, uint64_t width, uint64_t steps, uint64_t step_tokens,
                       uint64_t mean_prompt, uint64_t drop, uint64_t every, uint64_t block) {
    Random random(seed);
    Lines lines("beam", block);
    uint64_t now = 0;
    random.between(0, 400);  // before the second slot, if there were one
    for (uint64_t p = 0; p < prompts; ++p) {
        if (p > 0) now += random.between(0, 400);
        std::string name = "p" + std::to_string(p);
        lines.prompt(name, now, random.between(1, 2 * mean_prompt - 1));
        std::vector<NaiveBeam> beams{{name, 0, 0}};
        uint64_t forks = 0;
        auto fork = [&](const NaiveBeam& from) {
            ++forks;
            NaiveBeam child{name + "." + std::to_string(forks), from.score, forks};
            lines.fork(from.name, now, child.name);
            beams.push_back(child);
        };
        while (forks + 1 < width) fork(NaiveBeam(beams[0]));
        for (uint64_t step = 1; step <= steps; ++step) {
            now += 30;
            for (NaiveBeam& b : beams) {
                lines.decode(b.name, step_tokens);
                b.score += random.below(1000);
            }
            if (step == steps || step % every != 0) continue;
            std::vector<NaiveBeam> best = beams;
            std::sort(best.begin(), best.end(), [](const NaiveBeam& a, const NaiveBeam& b) {
                return a.score != b.score ? a.score > b.score : a.age < b.age;
            });
            for (uint64_t i = width - drop; i < width; ++i) {
                lines.free(best[i].name);
                for (size_t k = 0; k < beams.size(); ++k)
                    if (beams[k].name == best[i].name) beams.erase(beams.begin() + static_cast<long>(k));
            }
            for (uint64_t i = 0; i < drop; ++i) fork(best[i % (width - drop)]);
        }
        for (const NaiveBeam& b : beams) lines.free(b.name);
    }
    return lines.text;
}

/// Walks events by the rules; "" or the first that is broken.
struct BeamRules {
    uint64_t width, steps, step_tokens, drop, every, overlap;
    size_t most_in_flight = 0;

    std::string broken(const Trace& t) {
        struct Flight {
            std::vector<uint32_t> live;
            uint64_t decoded = 0;
            size_t freed = 0;  ///< since the last decode
        };
        std::map<std::string, Flight> flights;
        std::vector<uint64_t> output(t.requests());
        for (const Event& e : t.events) {
            std::string name = t.sequence[e.sequence];
            std::string prompt = name.substr(0, name.find('.'));
            if (e.kind == EventKind::prompt && !flights.emplace(prompt, Flight{}).second) return "prompt twice";
            Flight& f = flights.at(prompt);
            uint64_t done = f.decoded / width;
            auto live = std::find(f.live.begin(), f.live.end(), e.sequence);
            switch (e.kind) {
                case EventKind::prompt: f.live.push_back(e.sequence); break;
                case EventKind::fork:
                    if (std::find(f.live.begin(), f.live.end(), e.other) == f.live.end()) return "fork of the dead";
                    if (f.live.size() >= width) return "too many beams";
                    if (t.prompt_tokens[e.sequence] != t.prompt_tokens[e.other] + output[e.other])
                        return "a child holds what its parent has";
                    if (f.decoded % width != 0 || (done > 0 && done % every != 0)) return "fork within steps";
                    f.live.push_back(e.sequence);
                    break;
                case EventKind::decode:
                    if (live == f.live.end() || f.live.size() != width) return "decode outside a step";
                    if (e.sequence != f.live[f.decoded % width]) return "decode out of turn";
                    if (e.tokens != step_tokens) return "step tokens";
                    output[e.sequence] += e.tokens;
                    ++f.decoded;
                    f.freed = 0;
                    break;
                case EventKind::free:
                    if (live == f.live.end()) return "free of the dead";
                    if (f.decoded % width != 0) return "free within a step";
                    if (++f.freed > (done == steps ? width : drop)) return "too many freed";
                    f.live.erase(live);
                    break;
            }
            if (f.live.empty()) {
                if (done != steps) return "ended early";
                flights.erase(prompt);
            }
            most_in_flight = std::max(most_in_flight, flights.size());
        }
        return flights.empty() ? "" : "not all freed";
    }
};

/// With named output every full block has the name of its tokens: those of the parent up to the fork, then the
/// sequence's own.
bool shares_what_it_should(const Trace& t) {
    std::vector<std::vector<uint64_t>> tokens(t.requests());
    std::vector<bool> tail(t.requests(), true);  // the prompt's partly filled block has a name
    for (const Event& e : t.events) {
        std::vector<uint64_t>& mine = tokens[e.sequence];
        if (e.kind == EventKind::fork) {
            mine = tokens[e.other];
            tail[e.sequence] = tail[e.other] && mine.size() == t.prompt_tokens[e.other];
        } else if (e.kind != EventKind::free) {
            for (uint32_t i = 0; i < e.tokens; ++i) mine.push_back(uint64_t{e.sequence} << 32 | mine.size());
        }
    }
    NaiveBlocks blocks;
    for (uint32_t r = 0; r < t.requests(); ++r) {
        std::vector<uint64_t> prompt(tokens[r].begin(), tokens[r].begin() + t.prompt_tokens[r]);
        if (lookup_ids(t, r) != blocks.ids(prompt, t.block_size, tail[r])) return false;
        std::vector<uint32_t> all = blocks.ids(tokens[r], t.block_size, false);
        bool completes = t.has_named_output() && t.stored_rows[r] != kNone;
        if (completes != (all.size() > t.prompt_tokens[r] / t.block_size)) return false;
        if (completes && ids_of(t, t.stored_rows[r]) != all) return false;
    }
    return true;
}

bool reads_back(const Trace& t) {
    Trace back = load_text(text_of(t));
    if (text_of(back) != text_of(t) || back.prompt_tokens != t.prompt_tokens || back.arrival_s != t.arrival_s ||
        back.output_tokens != t.output_tokens || back.unique_blocks() != t.unique_blocks())
        return false;
    for (uint32_t r = 0; r < t.requests(); ++r)
        if (lookup_ids(t, r) != lookup_ids(back, r) || stored_ids(t, r) != stored_ids(back, r)) return false;
    return unlimited_hits_of(back) == unlimited_hits_of(t);
}

}  // namespace

TEST_CASE("beam: the lines of a twin that keeps a list of beams") {
    CHECK(kvsim_test::random_check([](uint64_t seed) {
        Random dice(seed);
        uint64_t width = dice.between(1, 5), drop = dice.below(width), prompts = dice.between(1, 4);
        uint64_t steps = dice.between(1, 12), step_tokens = dice.between(1, 3), prompt = dice.between(1, 20);
        uint64_t every = dice.between(1, 5), block = dice.between(1, 6);
        std::string spec = with("beam", {{"prompts", prompts}, {"width", width}, {"steps", steps},
                                         {"step_tokens", step_tokens}, {"prompt_tokens", prompt}, {"drop", drop},
                                         {"every", every}, {"block_size", block}});
        RC_ASSERT(text_of(generate_trace(spec, seed)) ==
                  naive_beam(seed, prompts, width, steps, step_tokens, prompt, drop, every, block));
    }));
}

TEST_CASE("beam: rules hold with prompts that overlap, and what is read is what was made") {
    CHECK(kvsim_test::random_check([](uint64_t seed, bool named) {
        Random dice(seed);
        BeamRules rules{dice.between(1, 4), dice.between(1, 9), dice.between(1, 4), 0, dice.between(1, 4),
                        dice.between(1, 5)};
        rules.drop = dice.below(rules.width);
        uint64_t block = dice.between(1, 5);
        std::string spec = with("beam", {{"prompts", 6}, {"width", rules.width}, {"steps", rules.steps},
                                         {"step_tokens", rules.step_tokens}, {"prompt_tokens", 9},
                                         {"drop", rules.drop}, {"every", rules.every}, {"overlap", rules.overlap},
                                         {"gap_ms", dice.between(0, 60)}, {"block_size", block}});
        Trace t = generate_trace(spec + (named ? ",named_output=on" : ""), seed);
        RC_ASSERT(rules.broken(t) == "");
        RC_ASSERT(rules.most_in_flight <= rules.overlap);
        RC_ASSERT(std::is_sorted(t.arrival_s.begin(), t.arrival_s.end()));
        RC_ASSERT(reads_back(t));
        if (named) RC_ASSERT(shares_what_it_should(t));
    }));
}

TEST_CASE("beam: overlap is reached") {
    for (uint64_t overlap : {1, 2, 7, 20, 50}) {
        Trace t = generate_trace("beam:gap_ms=50,overlap=" + std::to_string(overlap), 1);
        BeamRules rules{4, 64, 1, 1, 8, overlap};
        CHECK(rules.broken(t) == "");
        CHECK(rules.most_in_flight == std::min<uint64_t>(overlap, 20));
    }
}

// width 4, 64 steps, a selection after steps 8, 16, ... 56: 7 of them, one beam each.
TEST_CASE("beam: counts of the defaults") {
    Trace t = generate_trace("beam", 1);
    uint64_t counts[4] = {};
    for (const Event& e : t.events) ++counts[static_cast<int>(e.kind)];
    CHECK(counts[static_cast<int>(EventKind::prompt)] == 20);
    CHECK(counts[static_cast<int>(EventKind::fork)] == 20 * (3 + 7));
    CHECK(counts[static_cast<int>(EventKind::decode)] == 20 * 64 * 4);
    CHECK(counts[static_cast<int>(EventKind::free)] == 20 * (4 + 7));
    CHECK(t.requests() == 220);
    CHECK(!t.has_named_output());
    CHECK(generate_trace("beam:named_output=on", 1).has_named_output());
}

TEST_CASE("stream: the lines of a twin") {
    CHECK(kvsim_test::random_check([](uint64_t seed, bool freed) {
        Random dice(seed);
        uint64_t n = dice.between(1, 5), prompt = dice.between(1, 20), output = dice.between(1, 40);
        uint64_t chunk = dice.between(1, 9), block = dice.between(1, 6);
        Random random(seed);
        Lines lines("stream", block);
        std::vector<uint64_t> left;
        for (uint64_t i = 0; i < n; ++i) {
            lines.prompt("s" + std::to_string(i), 0, random.between(prompt - prompt / 2, prompt + prompt / 2));
            left.push_back(random.between(output - output / 2, output + output / 2));
        }
        for (bool more = true; more;) {
            more = false;
            for (uint64_t i = 0; i < n; ++i) {
                if (left[i] == 0) continue;
                more = true;
                uint64_t now = left[i] < chunk ? left[i] : chunk;
                lines.decode("s" + std::to_string(i), now);
                left[i] -= now;
                if (left[i] == 0 && freed) lines.free("s" + std::to_string(i));
            }
        }
        Trace t = generate_trace(with("stream", {{"sequences", n}, {"prompt_tokens", prompt},
                                                 {"output_tokens", output}, {"chunk_tokens", chunk},
                                                 {"block_size", block}}) +
                                     (freed ? "" : ",free=off"),
                                 seed);
        RC_ASSERT(text_of(t) == lines.text);
        RC_ASSERT(reads_back(t));
    }));
}

TEST_CASE("beam and stream: wrong parameters") {
    const std::pair<const char*, const char*> wrong[] = {
        {"beam:prompts=0", "prompts=0"},
        {"beam:width=0", "width=0: expected a whole number from 1 to 65536"},
        {"beam:width=1", "expected drop below width"},
        {"beam:width=3,drop=3", "expected drop below width"},
        {"beam:drop=-1", "drop=-1"},
        {"beam:every=0", "every=0"},
        {"beam:steps=0", "steps=0"},
        {"beam:overlap=0", "overlap=0"},
        {"beam:step_tokens=0", "step_tokens=0"},
        {"beam:steps=16777216,step_tokens=1048576", "expected 2 x prompt_tokens + steps x step_tokens"},
        {"beam:prompts=1000000,width=65536", "at most 100000000 events"},
        {"beam:named_output=yes", "expected one of on, off"},
        {"beam:with=4", "did you mean 'width'?"},
        {"beams", "did you mean 'beam'?"},
        {"stream:sequences=0", "sequences=0"},
        {"stream:prompt_tokens=0", "prompt_tokens=0"},
        {"stream:output_tokens=0", "output_tokens=0"},
        {"stream:output_tokens=999999999999", "output_tokens=999999999999"},
        {"stream:chunk_tokens=0", "chunk_tokens=0"},
        {"stream:output_tokens=536870912,chunk_tokens=1", "at most 100000000 events"},
        {"stream:free=", "free=: expected one of on, off"},
        {"stream:chunk=5", "has no parameter 'chunk'"}};
    for (const auto& [spec, part] : wrong) {
        std::string error = error_of_spec(spec);
        CAPTURE(error);
        CHECK(error.find(part) != std::string::npos);
    }
    CHECK(generate_trace("beam:width=1,drop=0,steps=3,prompts=2", 1).requests() == 2);
    // The longest a stream may be.
    Trace longest = generate_trace(
        "stream:sequences=1,output_tokens=536870912,chunk_tokens=1073741824,block_size=4096", 1);
    CHECK(longest.output_tokens[0] >= 268435456);
    CHECK(reads_back(longest));
}

}  // namespace generator_events_test
