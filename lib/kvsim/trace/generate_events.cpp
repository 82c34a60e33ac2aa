// A sequence's chains are parts of its parent's, so no list of names is kept per sequence: rows are made at the
// end, in the order of the sequences, and a child's refers to its parent's, which came before. Cost: O(events +
// blocks of prompts + blocks of named output).
#include <kvsim/core/error.h>
#include <kvsim/trace/generate_events.h>
#include <kvsim/trace/generator.h>
#include <kvsim/trace/path_interner.h>

#include <algorithm>

namespace kvsim {
namespace {

class EventChains {
  public:
    EventChains(Trace& trace, bool named_output)
        : t_(trace), named_output_(named_output), interner_(trace.chains, Names::content) {}

    void add(uint32_t r, uint32_t parent) {
        uint32_t row = parent == kNone ? add_prompt(r) : add_child(r, parent);
        if (!named_output_) return;
        t_.lookup_rows.push_back(row);
        t_.row_tokens.push_back({t_.prompt_tokens[r], false});
        uint32_t full = t_.prompt_tokens[r] / t_.block_size;
        auto all = static_cast<uint32_t>((uint64_t{t_.prompt_tokens[r]} + t_.output_tokens[r]) / t_.block_size);
        if (all == full) {
            t_.stored_rows.push_back(kNone);
            return;
        }
        names_.assign(all - full, kOutput | r);
        t_.stored_rows.push_back(interner_.add_after(row, full, names_.data(), names_.size()));
        t_.row_tokens.push_back({all * t_.block_size, true});
    }

  private:
    // A block is told apart from its siblings only: those of a prompt, and those that a sequence completed.
    static constexpr uint64_t kOutput = uint64_t{1} << 32;

    uint32_t add_prompt(uint32_t r) {
        names_.assign((uint64_t{t_.prompt_tokens[r]} + t_.block_size - 1) / t_.block_size, r);
        return interner_.add(names_.data(), names_.size());
    }

    uint32_t add_child(uint32_t r, uint32_t parent) {
        uint32_t like = t_.lookup_row(parent);
        uint32_t blocks = t_.chains[like].length;
        if (t_.prompt_tokens[r] > t_.prompt_tokens[parent]) {
            // The parent has moved on: what is named are its full blocks, and its output if that is.
            blocks = std::min(blocks, t_.prompt_tokens[parent] / t_.block_size);
            if (named_output_ && t_.stored_rows[parent] != kNone) {
                like = t_.stored_rows[parent];
                blocks = t_.prompt_tokens[r] / t_.block_size;
            }
        }
        return interner_.add_after(like, blocks, nullptr, 0);
    }

    Trace& t_;
    bool named_output_;
    PathInterner interner_;
    std::vector<uint64_t> names_;
};

}  // namespace

EventBuilder::EventBuilder(uint64_t block_size, bool named_output) : named_output_(named_output) {
    trace_.block_size = static_cast<uint32_t>(block_size);
}

uint32_t EventBuilder::start(const std::string& name, uint64_t at_ms, uint64_t tokens) {
    uint32_t r = trace_.requests();
    trace_.prompt_tokens.push_back(static_cast<uint32_t>(tokens));
    trace_.output_tokens.push_back(0);
    trace_.arrival_s.push_back(static_cast<double>(at_ms) / 1e3);
    trace_.source_row.push_back(r);
    trace_.sequence.set(r, name);
    return r;
}

uint32_t EventBuilder::prompt(const std::string& name, uint64_t at_ms, uint64_t tokens) {
    uint32_t r = start(name, at_ms, tokens);
    trace_.events.push_back({EventKind::prompt, r, kNone, trace_.prompt_tokens[r]});
    return r;
}

uint32_t EventBuilder::fork(uint32_t parent, const std::string& child, uint64_t at_ms) {
    uint32_t r = start(child, at_ms, uint64_t{trace_.prompt_tokens[parent]} + trace_.output_tokens[parent]);
    trace_.events.push_back({EventKind::fork, r, parent, trace_.prompt_tokens[r]});
    return r;
}

void EventBuilder::decode(uint32_t sequence, uint64_t tokens) {
    trace_.output_tokens[sequence] += static_cast<uint32_t>(tokens);
    trace_.events.push_back({EventKind::decode, sequence, kNone, static_cast<uint32_t>(tokens)});
}

void EventBuilder::free(uint32_t sequence) {
    trace_.events.push_back({EventKind::free, sequence, kNone, 0});
}

Trace EventBuilder::finish() {
    std::vector<uint32_t> parents(trace_.requests(), kNone);
    for (const Event& e : trace_.events)
        if (e.kind == EventKind::fork) parents[e.sequence] = e.other;
    EventChains chains(trace_, named_output_);
    for (uint32_t r = 0; r < trace_.requests(); ++r) chains.add(r, parents[r]);
    drop_unused_output_rows(trace_);
    return std::move(trace_);
}

void check_events(const std::string& kind, unsigned __int128 events) {
    constexpr uint64_t kMostEvents = 100000000;
    if (events > kMostEvents)
        throw_input(kind + ": expected parameters that make at most " + std::to_string(kMostEvents) + " events");
}

}  // namespace kvsim
