// The shared traces under a block strategy, decode off.
#pragma once

#include <doctest/doctest.h>
#include <kvsim/layout/prefix.h>
#include <kvsim/sim/replay.h>
#include <kvsim/trace/format.h>

#include <map>
#include <string>

#include "support/process.h"

namespace kvsim_test {

using namespace kvsim;

inline const char* const kConversation = "mooncake/conversation_trace.jsonl.zst";
inline const char* const kSynthetic = "mooncake/synthetic_trace.jsonl.zst";

/// A shared trace, read once per program run; no requests where it is not there.
inline const Trace& shared_trace(const std::string& name) {
    static std::map<std::string, Trace> traces;
    auto [at, fresh] = traces.try_emplace(name);
    if (!fresh) return at->second;
    LoadOptions options;
    options.path = shared_file("traces/" + name);
    if (!options.path.empty()) at->second = load_trace(options);
    return at->second;
}

inline HitCounts hits(const Trace& trace, const std::string& eviction, const char* accounting, uint64_t blocks) {
    RunOptions options;
    options.capacity_blocks = blocks;
    options.decode = false;
    auto cache = make_prefix_cache(eviction, Accounting::parse(accounting), trace, options);
    RunResult run;
    cache->run(trace, options, run);
    cache->check_invariants();
    return measure(trace, run, options, GroupBy::none).hits;
}

}  // namespace kvsim_test
