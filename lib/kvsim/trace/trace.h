// A trace in memory: one row per request in columns, chains in a PrefixIndex, and for traces of single events
// (prompt, fork, decode, free) the events themselves. One owner per fact; columns a source lacks are empty.
#pragma once

#include <kvsim/trace/prefix_index.h>

#include <algorithm>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace kvsim {

/// A column of strings, each distinct one stored once.
class Labels {
  public:
    bool empty() const { return of_.empty(); }
    /// Label of a row; "" where it has none.
    const std::string& operator[](uint32_t row) const {
        static const std::string none;
        return row < of_.size() && of_[row] != kNone ? names_[of_[row]] : none;
    }
    uint32_t id(uint32_t row) const { return row < of_.size() ? of_[row] : kNone; }
    const std::vector<std::string>& names() const { return names_; }
    /// Rows may be skipped; they have no label.
    void set(uint32_t row, std::string_view label);
    void select(const std::vector<uint32_t>& order);

  private:
    std::vector<uint32_t> of_;
    std::vector<std::string> names_;
    std::unordered_map<std::string, uint32_t> ids_;
};

/// A column of optional numbers; an absent cell holds the type's lowest value.
template <class T>
class Column {
  public:
    bool empty() const { return cells_.empty(); }
    bool has(uint32_t row) const { return row < cells_.size() && cells_[row] != missing(); }
    T operator[](uint32_t row) const { return row < cells_.size() ? cells_[row] : missing(); }
    void set(uint32_t row, T value) {
        if (cells_.size() <= row) cells_.resize(row + 1, missing());
        cells_[row] = value;
    }
    void select(const std::vector<uint32_t>& order) {
        if (cells_.empty()) return;
        std::vector<T> out;
        out.reserve(order.size());
        for (uint32_t row : order) out.push_back((*this)[row]);
        cells_.swap(out);
    }
    static constexpr T missing() { return std::numeric_limits<T>::lowest(); }

  private:
    std::vector<T> cells_;
};

enum class EventKind : uint8_t { prompt, fork, decode, free };

/// What happened, in file order. `tokens`: of the prompt, or decoded; a fork's `sequence` is the child.
struct Event {
    EventKind kind;
    uint32_t sequence;  ///< request index
    uint32_t other;     ///< fork: the parent's request index; else kNone
    uint32_t tokens;
};

/// Softmax weights recorded for one KV head, after a decode event or at a request's end; all of a row: 1 at most.
struct ScoreRow {
    uint32_t sequence;
    uint32_t event;  ///< kNone on request lines
    uint32_t layer;  ///< each layer and head once after an event; rows in the order of the file
    uint32_t head;
    uint64_t top_begin;  ///< into Trace::score_weights; each position once
    uint32_t top_count;
    float rest;  ///< spread evenly over the tokens not listed
};
struct ScoreWeight {
    uint32_t position;  ///< below the sequence's tokens at that moment
    float weight;       ///< 0 to 1
};

/// Chunks that name content, not prefixes: dense ids in order of first appearance, beside the paths in `chains`.
struct ContentColumn {
    std::vector<uint64_t> begin;  ///< per request, and one past the end
    std::vector<uint32_t> ids;
    uint32_t unique = 0;
};

inline constexpr uint64_t kMostSamples = 100000000;  ///< parallel samples (n) of all requests together

/// What every report says instead of hits where Trace::lengths_only.
inline constexpr const char* kNoNames = "the trace names no blocks, so nothing can be said about hits";

struct Trace {
    std::string name;
    std::string format;
    std::string sha256;  ///< of the decompressed bytes; empty unless asked for
    uint32_t block_size = 0;  ///< tokens per block of `chains`
    bool content = false;     ///< ids name content; `chains` holds their paths from the root
    bool lengths_only = false;  ///< nothing is named: every chain is empty, and nothing can be said about hits
    /// Every request is one object of unit size, not a prompt: chains of one block, for flat accounting alone.
    bool objects = false;
    std::string approximation;  ///< what stands for a token where the source has no token ids; empty = it has
    std::vector<std::string> notes;  ///< what the user should know about how this was read

    // Per request, in replay order.
    std::vector<uint32_t> prompt_tokens;
    std::vector<uint32_t> output_tokens;
    std::vector<double> arrival_s;
    std::vector<uint32_t> source_row;  ///< position in the source

    /// Chains looked up, one row per request; with named output two (then lookup_rows and stored_rows say which).
    PrefixIndex chains;
    std::vector<uint32_t> lookup_rows;
    std::vector<uint32_t> stored_rows;  ///< row with the named output, kNone where there is none
    std::vector<RowTokens> row_tokens;  ///< only while chains have two rows per request
    ContentColumn content_ids;
    uint32_t linked_outputs = kNone;  ///< requests whose output link_outputs() named; kNone = it was not asked to

    Column<double> end_s;
    Column<double> priority;
    Column<int64_t> turn, step, max_tokens, samples, cached_tokens;
    Labels sequence, session, category, salt, lora, parent;

    std::vector<Event> events;
    std::vector<uint32_t> token_ids;     ///< prompt, then output tokens of each request that names them
    std::vector<uint64_t> tokens_begin;  ///< per request, and one past the end; empty if no request has tokens
    std::vector<ScoreRow> scores;
    std::vector<ScoreWeight> score_weights;

    uint32_t requests() const { return static_cast<uint32_t>(prompt_tokens.size()); }
    uint32_t lookup_row(uint32_t r) const { return lookup_rows.empty() ? r : lookup_rows[r]; }
    /// The row of what the request leaves in the cache: with decode its named output, once that completes a block.
    uint32_t stored_row(uint32_t r, bool decode) const;
    bool has_named_output() const { return !stored_rows.empty(); }
    uint32_t lookup_blocks(uint32_t r) const { return chains[lookup_row(r)].length; }
    /// All blocks the request occupies: ceil((prompt + output) / block_size), or its named ones if more. Without
    /// `decode` the named ones; where nothing is named, ceil(prompt / block_size).
    uint32_t stored_blocks(uint32_t r, bool decode) const;
    /// stored_blocks() of every request, faster.
    std::vector<uint32_t> all_stored_blocks(bool decode) const;
    uint64_t unique_blocks() const { return content ? content_ids.unique : chains.unique_blocks(); }

    /// Tokens of block `position` of request r's lookup: max(1, min(block_size, prompt - position * block_size));
    /// content chunks weigh floor(prompt / chunks + 0.5) each, at least 1 and at most block_size.
    uint64_t block_tokens(uint32_t r, uint32_t position) const;
    /// Sum of block_tokens over the first `blocks`.
    uint64_t leading_tokens(uint32_t r, uint32_t blocks) const {
        if (content) return uint64_t{blocks} * chunk_tokens(r);
        // Readers see to it that every named block but the last is full and the last holds at least one token.
        return std::min<uint64_t>(uint64_t{blocks} * block_size, prompt_tokens[r]);
    }
    uint32_t chunk_tokens(uint32_t r) const;
    std::string sequence_name(uint32_t r) const;
    /// Throws Error(input) about an option that needs prefixes. Objects only.
    [[noreturn]] void refuse_objects(const std::string& option, const char* advice = "use --accounting flat") const;

    /// Keeps the given requests in the given order; a request may be given more than once.
    void select(const std::vector<uint32_t>& order);
    /// Makes n requests of every request that asks for n parallel samples. False if there is none.
    bool expand_samples();
    /// The chains in blocks of `size` tokens. Throws Error(input) for content ids and objects.
    PrefixIndex chains_in(uint32_t size) const;
    /// Blocks of `size` tokens from here on. Throws Error(input) for content ids and objects.
    void reblock_to(uint32_t size);
};

}  // namespace kvsim
