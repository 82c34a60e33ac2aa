// Replay of a prefix cache of whole snapshots (`--match snapshot`): what a small server that keeps one KV snapshot per
// prompt would hit, on the same traces and in the same counts as the block caches.
//
// Rule, per request: look up, then store. A request hits the longest stored prompt that is a prefix of its own
// (boundaries only, never a part of a snapshot) and is at least min_prefix_len long; it reuses min(match, prompt - 1)
// tokens. Then its own prompt is stored: shorter than min_prefix_len is skipped, the same key is replaced, what is
// larger than the capacity is rejected, and the snapshots used longest ago go until there is room for its tokens and
// for one more entry. Only the snapshot that served a hit is refreshed.
//
// A prompt is what the trace names of it. Where the tail has no name, key and state end with the last named block.
// Output is never stored: the state is cut to the prompt, so decode on or off makes no difference, nor do names of
// output. The running request holds its own snapshot only: a hit is copied out.
//
// Needs blocks of ONE token: a prompt that ends inside a block is a prefix of a longer one, but their blocks have
// different names. The caller re-blocks (Trace::reblock_to(1)) and counts the capacity in tokens. Keys are runs of the
// prefix index, so a million-token prompt costs as much as its runs; nothing is expanded.
//
// What a trace of block names cannot show: where a prompt ends inside a block and a later one goes on there, the two
// blocks have different names, and the boundary is not found although the tokens may be equal. On such traces the hits
// are those that names prove, a lower bound; traces of tokens are exact.
//
// Cost: O(runs of the chain + edges on the way) per request.
#pragma once

#include <kvsim/cache/cache.h>
#include <kvsim/layout/snapshot_index.h>

#include <memory>
#include <string>

namespace kvsim {

struct SnapshotMatchOptions {
    uint64_t max_entries = 256;
    uint64_t min_prefix_len = 4;

    /// `snapshot` or `snapshot:max_entries=N,min_prefix_len=N`. Throws Error(input).
    static SnapshotMatchOptions parse(const std::string& text);
    std::string text() const;
};

class PrefixSnapshots : public Cache {
  public:
    explicit PrefixSnapshots(const SnapshotMatchOptions& options) : match_(options), index_({0, 0, 0}) {}

    /// hit_blocks are reusable tokens. Throws Error(input) unless the trace has blocks of one token that name prefixes.
    void run(const Trace& trace, const RunOptions& options, RunResult& result) override;
    void check_invariants() const override { index_.check_invariants(); }

    /// Snapshots stored, replaced, skipped, rejected, evicted; lookups that hit and missed. Warm-up included.
    const SnapshotCounts& counts() const { return index_.counts(); }
    uint64_t entries() const { return index_.entries(); }
    /// Tokens of all snapshots at the end, each a full copy.
    uint64_t resident_tokens() const { return index_.cost(); }
    /// Tokens they would take if common beginnings were kept once.
    uint64_t shared_tokens() const { return index_.tree().tokens(); }

  private:
    SnapshotMatchOptions match_;
    SnapshotIndex<RunLabels> index_;
};

/// A PrefixSnapshots by spec, see SnapshotMatchOptions::parse.
std::unique_ptr<PrefixSnapshots> make_snapshot_cache(const std::string& spec);

}  // namespace kvsim
