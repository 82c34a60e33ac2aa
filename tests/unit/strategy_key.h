// Block strategies on traces small enough to work out by hand.
#pragma once

#include <doctest/doctest.h>
#include <kvsim/layout/prefix.h>

#include <algorithm>

#include "unit/load_text.h"

namespace kvsim_test {

/// One request a line: its block ids, "0,1", and how many tokens its last block holds of 4.
struct Ask {
    std::string blocks;
    int last_tokens = 4;
};

inline kvsim::Trace asks(const std::vector<Ask>& all) {
    std::string text = "{\"kvsim_trace\":1,\"block_size\":4}\n";
    int n = 0;
    for (const Ask& a : all) {
        auto commas = std::count(a.blocks.begin(), a.blocks.end(), ',');
        text += "{\"op\":\"request\",\"seq\":\"" + std::to_string(n) + "\",\"t\":" + std::to_string(n) +
                ",\"length\":" + std::to_string(4 * commas + a.last_tokens) + ",\"blocks\":[" + a.blocks + "]}\n";
        ++n;
    }
    return load_text(text);
}

inline kvsim::RunResult replay(const kvsim::Trace& trace, const std::string& eviction, const char* accounting,
                               uint64_t capacity) {
    kvsim::RunOptions options;
    options.capacity_blocks = capacity;
    kvsim::RunResult run;
    auto cache = kvsim::make_prefix_cache(eviction, kvsim::Accounting::parse(accounting), trace, options);
    cache->run(trace, options, run);
    cache->check_invariants();
    return run;
}

/// Requests of one block each, a digit; what hits is an h, what misses a dot.
inline std::string hits(const std::string& ids, const std::string& eviction, const char* accounting,
                        uint64_t capacity) {
    std::vector<Ask> all;
    for (char id : ids) all.push_back({std::string(1, id)});
    std::string marks;
    for (uint32_t n : replay(asks(all), eviction, accounting, capacity).hit_blocks) marks += n != 0 ? 'h' : '.';
    return marks;
}

/// With one block a request every accounting sees the same accesses.
#define CHECK_HITS(ids, eviction, capacity, expected)                             \
    for (const char* accounting : {"flat", "pinned", "tree"}) {                   \
        CAPTURE(accounting);                                                      \
        CHECK(kvsim_test::hits(ids, eviction, accounting, capacity) == expected); \
    }

inline std::string refusal(const std::string& eviction) {
    try {
        kvsim::check_block_strategy(eviction, kvsim::Accounting::parse("flat"));
    } catch (const kvsim::Error& e) {
        CHECK(e.kind() == kvsim::ErrorKind::input);
        return e.what();
    }
    return "";
}

}  // namespace kvsim_test
