// The native format (docs/DESIGN.md section 9): a header and request lines, or the events of a trace of
// events.
//
// A trace of tokens is written in tokens, any other in blocks whose names are the numbers of the prefix
// index; `kvsim_blocks` writes these also where there are tokens, so that a trace can be handed on without its
// content. What a sequence of events says about chains follows from its lines, so a fork's child needs no names
// of its own; only the names that a decode line adds are taken from the chains.
//
// The format wants a name for every full block of a prompt. A trace that was re-blocked from larger blocks
// may not have them (the tail of a prompt that had no name is now several blocks); it cannot be written as it
// is.
#include <kvsim/core/error.h>
#include <kvsim/trace/writer.h>
#include <kvsim/trace/writer_text.h>

#include <algorithm>
#include <span>

namespace kvsim {
namespace {

constexpr double kNoTime = -1;
constexpr const char* kReblocked = "; convert without --block-size and give it when the trace is read";

std::vector<bool> fork_children(const Trace& trace) {
    std::vector<bool> child(trace.requests());
    for (const Event& e : trace.events)
        if (e.kind == EventKind::fork) child[e.sequence] = true;
    return child;
}

/// Named tokens of each request's prompt: all of them, but for a fork whose parent's output had no names.
class NamedTokens {
  public:
    explicit NamedTokens(const Trace& trace) : trace_(trace), prompt_(trace.prompt_tokens) {
        if (trace.events.empty() || trace.tokens_begin.empty()) return;
        for (const Event& e : trace.events) {
            if (e.kind != EventKind::fork || e.other == kNone) continue;
            uint64_t blocks =
                (uint64_t{trace.prompt_tokens[e.sequence]} + trace.block_size - 1) / trace.block_size;
            if (trace.lookup_blocks(e.sequence) != blocks) prompt_[e.sequence] = prompt_[e.other];
        }
    }

    std::span<const uint32_t> prompt(uint32_t r) const { return tokens(r).subspan(0, prompt_[r]); }
    std::span<const uint32_t> output(uint32_t r) const { return tokens(r).subspan(prompt_[r]); }
    bool output_named(uint32_t r) const {
        return trace_.output_tokens[r] != 0 && output(r).size() == trace_.output_tokens[r];
    }

  private:
    std::span<const uint32_t> tokens(uint32_t r) const {
        uint64_t begin = trace_.tokens_begin[r];
        return {trace_.token_ids.data() + begin, trace_.tokens_begin[r + 1] - begin};
    }
    const Trace& trace_;
    std::vector<uint32_t> prompt_;
};

class KvsimWriter {
  public:
    KvsimWriter(const Trace& trace, OutputFile& out, bool tokens)
        : t_(trace), tokens_(trace), line_(out), uses_tokens_(tokens) {}

    void write() {
        line_.begin();
        line_.whole("kvsim_trace", 1);
        line_.string("name", t_.name);
        line_.whole("block_size", t_.block_size);
        line_.end();
        for (const ScoreRow& s : t_.scores) score_order_.push_back(&s);
        std::stable_sort(score_order_.begin(), score_order_.end(),
                         [&](const ScoreRow* a, const ScoreRow* b) { return score_key(*a) < score_key(*b); });
        if (t_.events.empty()) {
            for (uint32_t r = 0; r < t_.requests(); ++r) write_request(r);
        } else {
            done_.assign(t_.requests(), 0);
            for (uint32_t i = 0; i < t_.events.size(); ++i) write_event(i);
        }
    }

  private:
    uint32_t score_key(const ScoreRow& s) const { return t_.events.empty() ? s.sequence : s.event; }

    void write_request(uint32_t r) {
        begin("request", r);
        write_prompt(r);
        write_columns(r);
        if (uses_tokens_ && tokens_.output_named(r)) {
            line_.array("output_tokens", tokens_.output(r));
        } else {
            line_.whole("output_length", t_.output_tokens[r]);
            write_output_blocks(r, 0, t_.output_tokens[r]);
        }
        write_scores(r);
        line_.end();
    }

    void write_event(uint32_t index) {
        const Event& e = t_.events[index];
        switch (e.kind) {
            case EventKind::prompt:
                begin("prompt", e.sequence);
                write_prompt(e.sequence);
                write_columns(e.sequence);
                break;
            case EventKind::fork:
                if (e.other == kNone) throw_input("a fork's parent is not among the requests that are kept");
                begin("fork", e.other, t_.arrival_s[e.sequence]);
                line_.string("child", t_.sequence_name(e.sequence));
                break;
            case EventKind::decode:
                write_decode(e);
                break;
            case EventKind::free:
                begin("free", e.sequence, kNoTime);
                break;
        }
        write_scores(index);
        line_.end();
    }

    void write_decode(const Event& e) {
        begin("decode", e.sequence, kNoTime);
        uint64_t& done = done_[e.sequence];
        if (uses_tokens_ && tokens_.output_named(e.sequence)) {
            line_.array("tokens", tokens_.output(e.sequence).subspan(done, e.tokens));
        } else {
            line_.whole("n", e.tokens);
            write_output_blocks(e.sequence, done, e.tokens);
        }
        done += e.tokens;
    }

    void begin(const char* op, uint32_t r) { begin(op, r, t_.arrival_s[r]); }
    void begin(const char* op, uint32_t r, double t) {
        line_.begin();
        line_.string("op", op);
        line_.string("seq", t_.sequence_name(r));
        if (t != kNoTime) line_.number("t", t);
    }

    void write_prompt(uint32_t r) {
        if (uses_tokens_) {
            line_.array("tokens", tokens_.prompt(r));
            return;
        }
        line_.whole("length", t_.prompt_tokens[r]);
        if (t_.lengths_only) return;
        block_ids(t_.chains, t_.lookup_row(r), t_.lookup_blocks(r), ids_);
        line_.array("blocks", ids_);
    }

    // Names of the blocks that `count` output tokens complete, `done` being decoded before.
    void write_output_blocks(uint32_t r, uint64_t done, uint64_t count) {
        if (uses_tokens_ || !t_.has_named_output() || t_.stored_rows[r] == kNone) return;
        uint64_t from = (t_.prompt_tokens[r] + done) / t_.block_size;
        uint64_t to = (t_.prompt_tokens[r] + done + count) / t_.block_size;
        if (from == to) return;
        block_ids(t_.chains, t_.stored_rows[r], static_cast<uint32_t>(to), ids_);
        line_.array("output_blocks", std::span(ids_).subspan(from));
    }

    void write_columns(uint32_t r) {
        auto label = [&](const char* name, const Labels& labels) {
            if (labels.id(r) != kNone) line_.string(name, labels[r]);
        };
        auto whole = [&](const char* name, const Column<int64_t>& column) {
            if (column.has(r)) line_.whole(name, static_cast<uint64_t>(column[r]));
        };
        if (t_.end_s.has(r)) line_.number("t_end", t_.end_s[r]);
        whole("step", t_.step);
        if (t_.priority.has(r)) line_.number("priority", t_.priority[r]);
        label("category", t_.category);
        label("session", t_.session);
        whole("turn", t_.turn);
        label("parent", t_.parent);
        label("salt", t_.salt);
        label("lora", t_.lora);
        whole("max_tokens", t_.max_tokens);
        whole("n", t_.samples);
        whole("cached_tokens", t_.cached_tokens);
    }

    // Score rows of the request or event that is being written; both come in ascending order.
    void write_scores(uint32_t key) {
        if (next_score_ == score_order_.size() || score_key(*score_order_[next_score_]) != key) return;
        line_.key("scores");
        char open = '[';
        for (; next_score_ < score_order_.size() && score_key(*score_order_[next_score_]) == key;
             ++next_score_) {
            const ScoreRow& s = *score_order_[next_score_];
            line_.append({&open, 1});
            open = ',';
            line_.append("{\"layer\":");
            line_.append_whole(s.layer);
            line_.append(",\"head\":");
            line_.append_whole(s.head);
            line_.append(",\"top\":[");
            for (uint32_t i = 0; i < s.top_count; ++i) {
                const ScoreWeight& w = t_.score_weights[s.top_begin + i];
                line_.append(i == 0 ? "[" : ",[");
                line_.append_whole(w.position);
                line_.append(",");
                line_.append_number(w.weight);
                line_.append("]");
            }
            line_.append("],\"rest\":");
            line_.append_number(s.rest);
            line_.append("}");
        }
        line_.append("]");
    }

    const Trace& t_;
    NamedTokens tokens_;
    JsonLine line_;
    bool uses_tokens_;
    std::vector<BlockId> ids_;
    std::vector<uint64_t> done_;  ///< output tokens written, per sequence
    std::vector<const ScoreRow*> score_order_;
    size_t next_score_ = 0;
};

/// Does the row with the named output hold what the format has names for?
bool output_is_complete(const Trace& t, uint32_t r) {
    if (!t.has_named_output() || t.stored_rows[r] == kNone) return true;
    uint32_t row = t.stored_rows[r];
    uint64_t before = t.prompt_tokens[r] / t.block_size;
    uint64_t all = (uint64_t{t.prompt_tokens[r]} + t.output_tokens[r]) / t.block_size;
    if (t.chains[row].length != all || t.lookup_blocks(r) < before) return false;
    return before == 0 || t.chains.block_at(row, static_cast<uint32_t>(before - 1)) ==
                              t.chains.block_at(t.lookup_row(r), static_cast<uint32_t>(before - 1));
}

void check(const Trace& trace, bool tokens) {
    if (trace.content)
        throw_input("kvsim names prefixes or tokens; ids of format " + trace.format +
                    " name content chunks of varying length; convert to mooncake");
    if (tokens || trace.lengths_only) return;
    std::vector<bool> child = fork_children(trace);
    for (uint32_t r = 0; r < trace.requests(); ++r) {
        std::string who =
            "kvsim cannot hold sequence '" + trace.sequence_name(r) + "': it has no names for all ";
        std::string size = std::to_string(trace.block_size) + " tokens";
        if (!child[r] && trace.lookup_blocks(r) < trace.prompt_tokens[r] / trace.block_size)
            throw_input(who + "full blocks of " + size + kReblocked);
        if (!output_is_complete(trace, r)) throw_input(who + "output blocks of " + size + kReblocked);
    }
}

/// Children of forks whose chain is not what the lines will say: after re-blocking, or where the parent's
/// output lost its names only after the fork.
uint64_t changed_children(const Trace& t) {
    bool tokens = !t.tokens_begin.empty();
    NamedTokens names(t);
    uint64_t changed = 0;
    std::vector<uint64_t> output(t.requests());
    for (const Event& e : t.events) {
        if (e.kind == EventKind::decode) output[e.sequence] += e.tokens;
        if (e.kind != EventKind::fork || e.other == kNone) continue;
        uint64_t prompt = t.prompt_tokens[e.other];
        uint64_t all = prompt + output[e.other];
        uint64_t expected = t.lookup_blocks(e.other);
        if (output[e.other] > 0 && tokens) {
            bool complete = names.prompt(e.other).size() == prompt && names.output_named(e.other);
            expected = complete ? (all + t.block_size - 1) / t.block_size
                                : names.prompt(e.other).size() / t.block_size;
        } else if (output[e.other] > 0) {
            expected = std::min<uint64_t>(expected, prompt / t.block_size);
            if (t.has_named_output() && t.stored_rows[e.other] != kNone) expected = all / t.block_size;
        }
        changed += expected != t.lookup_blocks(e.sequence);
    }
    return changed;
}

std::vector<std::string> lost_kvsim(const Trace& trace) {
    std::vector<std::string> out;
    if (!trace.approximation.empty()) out.push_back("that it is approximate: " + trace.approximation);
    if (trace.objects) out.emplace_back(kLostObjects);
    if (trace.events.empty() && !std::is_sorted(trace.arrival_s.begin(), trace.arrival_s.end()))
        out.emplace_back("the order of requests: they are sorted by t when read");
    if (uint64_t n = changed_children(trace))
        out.push_back(std::to_string(n) + " forked sequences will name other blocks when read");
    return out;
}

void write_kvsim(const Trace& trace, OutputFile& out) {
    bool tokens = !trace.tokens_begin.empty();
    check(trace, tokens);
    KvsimWriter(trace, out, tokens).write();
}

std::vector<std::string> lost_without_tokens(const Trace& trace) {
    std::vector<std::string> out = lost_kvsim(trace);
    if (!trace.tokens_begin.empty())
        out.push_back("token ids: blocks of " + std::to_string(trace.block_size) + " tokens are named instead");
    return out;
}

void write_blocks(const Trace& trace, OutputFile& out) {
    if (!trace.tokens_begin.empty() && !trace.events.empty())
        throw_input("kvsim_blocks cannot hold prompt, decode and fork lines of tokens; expected request lines");
    check(trace, false);
    KvsimWriter(trace, out, false).write();
}

}  // namespace

WriterRow kvsim_writer() {
    return {"kvsim", "native JSONL: prompt, decode, fork, free, or request lines",
            "everything but ids that name content", lost_kvsim, write_kvsim};
}

WriterRow kvsim_blocks_writer() {
    return {"kvsim_blocks", "native JSONL in block names, never token ids: a trace without its content",
            "everything but tokens and ids that name content", lost_without_tokens, write_blocks};
}

}  // namespace kvsim
