#include <kvsim/core/error.h>
#include <kvsim/trace/trace.h>

#include <algorithm>
#include <bit>

namespace kvsim {

void Labels::set(uint32_t row, std::string_view label) {
    auto [at, fresh] = ids_.emplace(std::string(label), static_cast<uint32_t>(names_.size()));
    if (fresh) names_.push_back(at->first);
    if (of_.size() <= row) of_.resize(row + 1, kNone);
    of_[row] = at->second;
}

void Labels::select(const std::vector<uint32_t>& order) {
    if (of_.empty()) return;
    std::vector<uint32_t> out;
    out.reserve(order.size());
    for (uint32_t row : order) out.push_back(id(row));
    of_.swap(out);
}

uint32_t Trace::stored_row(uint32_t r, bool decode) const {
    uint32_t row = lookup_row(r);
    if (!decode || stored_rows.empty() || stored_rows[r] == kNone) return row;
    // Named output takes over from the block that holds the prompt's tail once it completes that block.
    return chains[stored_rows[r]].length > prompt_tokens[r] / block_size ? stored_rows[r] : row;
}

uint32_t Trace::stored_blocks(uint32_t r, bool decode) const {
    if (!decode && !lengths_only) return lookup_blocks(r);
    uint64_t tokens = uint64_t{prompt_tokens[r]} + (decode ? output_tokens[r] : 0);
    uint64_t blocks = (tokens + block_size - 1) / block_size;
    return static_cast<uint32_t>(std::max<uint64_t>(blocks, chains[stored_row(r, decode)].length));
}

std::vector<uint32_t> Trace::all_stored_blocks(bool decode) const {
    std::vector<uint32_t> stored(requests());
    // Block sizes are mostly powers of two; a division per request would cost as much as all the rest.
    bool shifts = std::has_single_bit(block_size) && stored_rows.empty() && (decode || lengths_only);
    int shift = std::countr_zero(block_size);
    for (uint32_t r = 0; r < requests(); ++r) {
        if (shifts) {
            uint64_t tokens = uint64_t{prompt_tokens[r]} + (decode ? output_tokens[r] : 0);
            stored[r] = std::max(static_cast<uint32_t>((tokens + block_size - 1) >> shift), chains[lookup_row(r)].length);
        } else {
            stored[r] = stored_blocks(r, decode);
        }
    }
    return stored;
}

uint32_t Trace::chunk_tokens(uint32_t r) const {
    uint32_t chunks = lookup_blocks(r);
    if (chunks == 0) return 0;
    uint64_t rounded = (2 * uint64_t{prompt_tokens[r]} + chunks) / (2 * uint64_t{chunks});  // floor(x / n + 0.5)
    return static_cast<uint32_t>(std::clamp<uint64_t>(rounded, 1, block_size));
}

uint64_t Trace::block_tokens(uint32_t r, uint32_t position) const {
    if (content) return chunk_tokens(r);
    uint64_t before = uint64_t{position} * block_size;
    uint64_t left = prompt_tokens[r] > before ? prompt_tokens[r] - before : 0;
    return std::max<uint64_t>(1, std::min<uint64_t>(block_size, left));
}

std::string Trace::sequence_name(uint32_t r) const {
    const std::string& name_of = sequence[r];
    return name_of.empty() ? "r" + std::to_string(source_row[r]) : name_of;
}

void Trace::refuse_objects(const std::string& option, const char* advice) const {
    throw_input(option + ": format " + format + " names single objects, not prefixes; " + advice);
}

template <class T>
static void pick(std::vector<T>& column, const std::vector<uint32_t>& order) {
    if (column.empty()) return;
    std::vector<T> out;
    out.reserve(order.size());
    for (uint32_t row : order) out.push_back(column[row]);
    column.swap(out);
}

static void select_content(ContentColumn& content, const std::vector<uint32_t>& order) {
    ContentColumn out;
    std::vector<uint32_t> fresh(content.unique, kNone);
    for (uint32_t r : order) {
        out.begin.push_back(out.ids.size());
        for (uint64_t i = content.begin[r]; i < content.begin[r + 1]; ++i) {
            uint32_t& id = fresh[content.ids[i]];
            if (id == kNone) id = out.unique++;
            out.ids.push_back(id);
        }
    }
    out.begin.push_back(out.ids.size());
    content = std::move(out);
}

static void select_tokens(Trace& t, const std::vector<uint32_t>& order) {
    std::vector<uint32_t> ids;
    std::vector<uint64_t> begin;
    for (uint32_t r : order) {
        begin.push_back(ids.size());
        ids.insert(ids.end(), t.token_ids.begin() + static_cast<ptrdiff_t>(t.tokens_begin[r]),
                   t.token_ids.begin() + static_cast<ptrdiff_t>(t.tokens_begin[r + 1]));
    }
    begin.push_back(ids.size());
    t.token_ids.swap(ids);
    t.tokens_begin.swap(begin);
}

// Events and scores of kept sequences stay, renamed; a request that is given twice keeps its first place.
static void select_events(Trace& t, const std::vector<uint32_t>& order, uint32_t before) {
    std::vector<uint32_t> place(before, kNone);
    for (uint32_t i = 0; i < order.size(); ++i)
        if (place[order[i]] == kNone) place[order[i]] = i;
    std::vector<uint32_t> event_place(t.events.size(), kNone);
    std::vector<Event> events;
    for (size_t i = 0; i < t.events.size(); ++i) {
        Event e = t.events[i];
        if (place[e.sequence] == kNone) continue;
        e.sequence = place[e.sequence];
        if (e.other != kNone) e.other = place[e.other];
        event_place[i] = static_cast<uint32_t>(events.size());
        events.push_back(e);
    }
    t.events.swap(events);
    std::vector<ScoreRow> scores;
    for (ScoreRow s : t.scores) {
        if (place[s.sequence] == kNone) continue;
        s.sequence = place[s.sequence];
        if (s.event != kNone) s.event = event_place[s.event];
        scores.push_back(s);
    }
    t.scores.swap(scores);
}

void Trace::select(const std::vector<uint32_t>& order) {
    uint32_t before = requests();
    std::vector<uint32_t> rows;
    std::vector<RowTokens> tokens;
    if (lookup_rows.empty()) {
        chains = chains.reordered(order);
    } else {
        std::vector<uint32_t> lookup, stored;
        for (uint32_t r : order) {
            lookup.push_back(static_cast<uint32_t>(rows.size()));
            rows.push_back(lookup_rows[r]);
            stored.push_back(stored_rows[r] == kNone ? kNone : static_cast<uint32_t>(rows.size()));
            if (stored_rows[r] != kNone) rows.push_back(stored_rows[r]);
        }
        for (uint32_t row : rows) tokens.push_back(row_tokens[row]);
        chains = chains.reordered(rows);
        lookup_rows.swap(lookup);
        stored_rows.swap(stored);
        row_tokens.swap(tokens);
    }
    if (content) select_content(content_ids, order);
    if (!tokens_begin.empty()) select_tokens(*this, order);
    if (!events.empty() || !scores.empty()) select_events(*this, order, before);
    pick(prompt_tokens, order);
    pick(output_tokens, order);
    pick(arrival_s, order);
    pick(source_row, order);
    end_s.select(order);
    priority.select(order);
    for (Column<int64_t>* c : {&turn, &step, &max_tokens, &samples, &cached_tokens}) c->select(order);
    for (Labels* l : {&sequence, &session, &category, &salt, &lora, &parent}) l->select(order);
}

bool Trace::expand_samples() {
    if (samples.empty()) return false;
    uint64_t total = 0;
    for (uint32_t r = 0; r < requests(); ++r) total += samples.has(r) ? static_cast<uint64_t>(samples[r]) : 1;
    if (total == requests()) return false;
    if (total > kMostSamples) throw_input("n: more than " + std::to_string(kMostSamples) + " parallel samples in all");
    std::vector<uint32_t> order;
    order.reserve(total);
    for (uint32_t r = 0; r < requests(); ++r)
        order.insert(order.end(), samples.has(r) ? static_cast<size_t>(samples[r]) : 1, r);
    select(order);
    // What the source reported is about the request, not about each of its samples: the first one keeps it.
    for (uint32_t i = 1; i < order.size(); ++i)
        if (order[i] == order[i - 1]) cached_tokens.set(i, Column<int64_t>::missing());
    return true;
}

PrefixIndex Trace::chains_in(uint32_t size) const {
    if (lengths_only) return chains;  // there are no blocks to cut
    if (objects && size != block_size)
        refuse_objects("--block-size " + std::to_string(size), "they cannot be re-blocked");
    if (content)
        throw_input("--block-size: ids of format " + format +
                    " name chunks of varying length, not prefixes; they cannot be re-blocked");
    if (!lookup_rows.empty()) return reblock(chains, row_tokens, block_size, size);
    std::vector<RowTokens> rows;
    rows.reserve(requests());
    for (uint32_t tokens : prompt_tokens) rows.push_back({tokens, false});
    return reblock(chains, rows, block_size, size);
}

void Trace::reblock_to(uint32_t size) {
    if (size == block_size) return;
    chains = chains_in(size);
    block_size = size;
}

}  // namespace kvsim
