// The rule. The next turn of request p is the first request after it whose parent is p and whose chain begins with all
// of p's full prompt blocks. Parents are named by the `parent` column (the latest request before of that sequence);
// where there is no such column, the parent is the request before in the same session. With blocks of B tokens, P
// prompt and O output tokens, the blocks at positions floor(P / B) up to floor((P + O) / B), as far as the next turn's
// prompt fills them, are p's named output.
//
// A named output is a row of its own right behind p's (Trace::stored_rows): a cut-off copy of the next turn's row,
// which makes p the first to have these blocks. So the whole index is built again in the new order. Samples of a request have
// different outputs, and nothing says which one went on: such requests are not linked. Cost: O(requests + runs).
#include <kvsim/core/error.h>
#include <kvsim/trace/link_outputs.h>

#include <algorithm>
#include <unordered_map>

namespace kvsim {

static std::vector<uint32_t> parents_of(const Trace& t) {
    std::vector<uint32_t> parent(t.requests(), kNone);
    if (t.parent.empty()) {
        std::vector<uint32_t> latest(t.session.names().size(), kNone);
        for (uint32_t r = 0; r < t.requests(); ++r) {
            uint32_t session = t.session.id(r);
            if (session == kNone || t.session[r].empty()) continue;
            parent[r] = latest[session];
            latest[session] = r;
        }
        return parent;
    }
    std::unordered_map<std::string, uint32_t> latest;
    for (uint32_t r = 0; r < t.requests(); ++r) {
        if (!t.parent[r].empty()) {
            auto found = latest.find(t.parent[r]);
            if (found != latest.end()) parent[r] = found->second;
        }
        latest[t.sequence_name(r)] = r;
    }
    return parent;
}

// Per request: its next turn, kNone if there is none.
static std::vector<uint32_t> next_turns(const Trace& t) {
    std::vector<uint32_t> parent = parents_of(t);
    std::vector<uint32_t> next(t.requests(), kNone);
    for (uint32_t r = 0; r < t.requests(); ++r) {
        uint32_t p = parent[r];
        if (p == kNone || next[p] != kNone) continue;
        if (t.samples.has(p) && t.samples[p] > 1) continue;
        uint32_t full = t.prompt_tokens[p] / t.block_size;
        if (t.chains.common_prefix(t.lookup_row(p), t.lookup_row(r)) >= full) next[p] = r;
    }
    return next;
}

static std::string note_of(const LinkedOutputs& l, uint32_t requests) {
    std::string note = "decode linked: " + std::to_string(l.linked) + " of " + std::to_string(requests) +
                       " requests have an output that the next turn's prompt names; this assumes that a next turn "
                       "repeats the output token for token";
    if (l.named != 0) note += "; " + std::to_string(l.named) + " named theirs already and keep these names";
    return note;
}

LinkedOutputs link_outputs(Trace& t) {
    if (t.content)
        throw_input("--decode linked: ids of format " + t.format +
                    " name content, not prefixes; expected --decode on or off");
    if (t.session.empty() && t.parent.empty())
        throw_input("--decode linked: the trace names neither sessions nor parents of its requests; expected --decode "
                    "on or off");
    std::vector<uint32_t> next = next_turns(t);
    LinkedOutputs out;
    std::vector<RowPart> parts;
    std::vector<uint32_t> lookup, stored;
    std::vector<RowTokens> tokens;
    auto add = [&](uint32_t row, uint32_t length, RowTokens in_row) {
        parts.push_back({row, length});
        tokens.push_back(in_row);
        return static_cast<uint32_t>(parts.size() - 1);
    };
    for (uint32_t r = 0; r < t.requests(); ++r) {
        lookup.push_back(add(t.lookup_row(r), t.lookup_blocks(r), {t.prompt_tokens[r], false}));
        stored.push_back(kNone);
        if (t.has_named_output() && t.stored_rows[r] != kNone) {
            uint32_t row = t.stored_rows[r];
            stored.back() = add(row, t.chains[row].length, t.row_tokens[row]);
            ++out.named;
        } else if (next[r] != kNone) {
            uint32_t size = t.block_size;
            uint64_t complete = (uint64_t{t.prompt_tokens[r]} + t.output_tokens[r]) / size;
            uint64_t theirs = std::min(t.lookup_blocks(next[r]), t.prompt_tokens[next[r]] / size);
            auto length = static_cast<uint32_t>(std::min(complete, theirs));
            if (length <= t.prompt_tokens[r] / size) continue;
            stored.back() = add(t.lookup_row(next[r]), length, {length * size, true});
            ++out.linked;
        }
    }
    out.note = note_of(out, t.requests());
    if (out.linked == 0) return out;
    t.chains = t.chains.rebuilt(parts);
    t.lookup_rows.swap(lookup);
    t.stored_rows.swap(stored);
    t.row_tokens.swap(tokens);
    return out;
}

}  // namespace kvsim
