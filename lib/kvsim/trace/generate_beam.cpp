// Beam search as single events. A prompt is forked into `width` beams that decode in step; every `every` steps the
// `drop` beams with the lowest scores are freed, and each is replaced by a fork of a survivor: the best survivor
// gets the first, the next best the second, and so on. After the last step all beams are freed. A score is a sum
// of random whole numbers, one per step; a fork takes its parent's over. drop=0 is parallel sampling.
//
// `overlap` prompts are in flight at once, as under continuous batching: each has a slot, a finished one gives its
// slot to the next prompt after a pause. Slots step by their own clocks; the order of events is that of time, ties
// by slot. No real decoder is modelled: that beams come and go at selections, and share what they began with, is
// what a cache sees.
//
// Sequence pP is prompt P's first beam, pP.F the child of its F-th fork.
#include <kvsim/core/error.h>
#include <kvsim/core/random.h>
#include <kvsim/trace/format.h>
#include <kvsim/trace/generate_events.h>
#include <kvsim/trace/generator.h>

#include <algorithm>
#include <queue>

namespace kvsim {
namespace {

struct BeamParameters {
    uint64_t prompts, width, steps, step_tokens, prompt_tokens, drop, every, overlap, gap_ms, step_ms, block_size;
    bool named_output;
};

BeamParameters read_beam_parameters(Spec& spec) {
    BeamParameters p;
    p.prompts = spec.whole("prompts", 20, 1, 1000000);
    p.width = spec.whole("width", 4, 1, 65536);
    p.steps = spec.whole("steps", 64, 1, 1u << 24);
    p.step_tokens = spec.whole("step_tokens", 1, 1, 1u << 20);
    p.prompt_tokens = spec.whole("prompt_tokens", 300, 1, 1u << 24);
    p.drop = spec.whole("drop", 1, 0, 65535);
    p.every = spec.whole("every", 8, 1, 1u << 24);
    p.overlap = spec.whole("overlap", 1, 1, 65536);
    p.gap_ms = spec.whole("gap_ms", 200, 0, 1u << 30);
    p.step_ms = spec.whole("step_ms", 30, 0, 100000);
    p.block_size = spec.whole("block_size", 16, 1, kMaxBlockSize);
    p.named_output = spec.on_off("named_output", false);
    spec.finish();
    if (p.drop >= p.width) throw_input("beam: expected drop below width: somebody has to survive a selection");
    if (2 * p.prompt_tokens + p.steps * p.step_tokens > kMaxTokens)
        throw_input("beam: expected 2 x prompt_tokens + steps x step_tokens of at most " +
                    std::to_string(kMaxTokens));
    uint64_t selections = (p.steps - 1) / p.every;
    uint64_t each = p.width * (p.steps + 2) + selections * 2 * p.drop;
    check_events("beam", static_cast<unsigned __int128>(p.prompts) * each);
    return p;
}

struct Beam {
    uint32_t sequence;
    uint64_t score;
};

/// A prompt in flight.
struct Search {
    std::string name;
    uint64_t steps = 0;
    uint64_t forks = 0;
    std::vector<Beam> beams;  ///< in the order in which they came
};

class BeamStory {
  public:
    BeamStory(const BeamParameters& p, uint64_t seed)
        : p_(p), random_(seed), events_(p.block_size, p.named_output), slots_(std::min(p.overlap, p.prompts)) {}

    Trace tell() {
        uint64_t at_ms = 0;
        waiting_ = p_.prompts - slots_.size();
        for (uint32_t slot = 0; slot < slots_.size(); ++slot) {
            agenda_.emplace(at_ms, slot);
            at_ms += pause();
        }
        while (!agenda_.empty()) {
            auto [now, slot] = agenda_.top();
            agenda_.pop();
            advance(slots_[slot], now, slot);
        }
        return events_.finish();
    }

  private:
    uint64_t pause() { return random_.between(0, 2 * p_.gap_ms); }

    void advance(Search& s, uint64_t now, uint32_t slot) {
        if (s.beams.empty()) {
            begin(s, now);
        } else {
            step(s, now);
        }
        if (!s.beams.empty()) {
            agenda_.emplace(now + p_.step_ms, slot);
        } else if (waiting_ > 0) {
            --waiting_;
            agenda_.emplace(now + pause(), slot);
        }
    }

    void begin(Search& s, uint64_t now) {
        s = {"p" + std::to_string(started_++), 0, 0, {}};
        s.beams.push_back({events_.prompt(s.name, now, random_.between(1, 2 * p_.prompt_tokens - 1)), 0});
        while (s.beams.size() < p_.width) s.beams.push_back(fork_of(s, Beam(s.beams[0]), now));
    }

    Beam fork_of(Search& s, const Beam& parent, uint64_t now) {
        std::string name = s.name + "." + std::to_string(++s.forks);
        return {events_.fork(parent.sequence, name, now), parent.score};
    }

    void step(Search& s, uint64_t now) {
        for (Beam& b : s.beams) {
            events_.decode(b.sequence, p_.step_tokens);
            b.score += random_.below(1000);
        }
        ++s.steps;
        if (s.steps == p_.steps) {
            for (const Beam& b : s.beams) events_.free(b.sequence);
            s.beams.clear();
        } else if (s.steps % p_.every == 0 && p_.drop > 0) {
            select(s, now);
        }
    }

    void select(Search& s, uint64_t now) {
        std::vector<Beam> ranked = s.beams;
        std::stable_sort(ranked.begin(), ranked.end(), [](const Beam& a, const Beam& b) { return a.score > b.score; });
        auto survivors = static_cast<ptrdiff_t>(p_.width - p_.drop);
        std::for_each(ranked.begin() + survivors, ranked.end(), [&](const Beam& b) {
            events_.free(b.sequence);
            s.beams.erase(std::find_if(s.beams.begin(), s.beams.end(),
                                       [&](const Beam& other) { return other.sequence == b.sequence; }));
        });
        for (uint64_t i = 0; i < p_.drop; ++i)
            s.beams.push_back(fork_of(s, ranked[i % static_cast<uint64_t>(survivors)], now));
    }

    const BeamParameters& p_;
    Random random_;
    EventBuilder events_;
    std::vector<Search> slots_;
    uint64_t waiting_ = 0, started_ = 0;
    using Due = std::pair<uint64_t, uint32_t>;  ///< time, slot
    std::priority_queue<Due, std::vector<Due>, std::greater<>> agenda_;
};

Trace generate_beam(Spec& spec, uint64_t seed) {
    BeamParameters p = read_beam_parameters(spec);
    return BeamStory(p, seed).tell();
}

}  // namespace

GeneratorRow beam_generator() {
    return {"beam",
            "beam search as events: prompt, forks, decode steps, beams freed and forked again",
            {{"prompts", "20", "prompts"},
             {"width", "4", "beams per prompt"},
             {"steps", "64", "decode steps per prompt"},
             {"step_tokens", "1", "tokens each beam decodes per step"},
             {"prompt_tokens", "300", "mean prompt, uniform from 1 to twice the mean less 1"},
             {"drop", "1", "beams dropped per selection, below width; 0 = parallel sampling"},
             {"every", "8", "steps from one selection to the next"},
             {"overlap", "1", "prompts in flight at once"},
             {"gap_ms", "200", "mean pause before the next prompt, uniform from 0 to twice the mean"},
             {"step_ms", "30", "time from one decode step to the next"},
             {"block_size", "16", "tokens per block"},
             {"named_output", "off", "on: decode events name the blocks they complete"}},
            generate_beam};
}

}  // namespace kvsim
