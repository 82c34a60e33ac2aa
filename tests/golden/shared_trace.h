// The shared traces: where KVSIM_SHARED does not have one, the reason is printed and the case has nothing to check.
#pragma once

#include <kvsim/trace/format.h>

#include <map>
#include <string>
#include <tuple>

#include "support/process.h"

namespace kvsim_test {

inline const char* const kConversation = "mooncake/conversation_trace.jsonl.zst";
inline const char* const kSynthetic = "mooncake/synthetic_trace.jsonl.zst";
inline const char* const kMerged = "kv-cache-tester/merged40.jsonl.zst";
inline const char* const kRag = "ragpulse/0_trace.jsonl.zst";

/// A shared trace, read once per program run; no requests where it is not there.
inline const kvsim::Trace& shared_trace(const std::string& name, uint32_t block_size = 0,
                                        uint64_t limit = kvsim::LoadOptions{}.limit) {
    static std::map<std::tuple<std::string, uint32_t, uint64_t>, kvsim::Trace> traces;
    auto [at, fresh] = traces.try_emplace({name, block_size, limit});
    if (!fresh) return at->second;
    kvsim::LoadOptions options;
    options.path = shared_file("traces/" + name);
    options.block_size = block_size;
    options.limit = limit;
    if (!options.path.empty()) at->second = kvsim::load_trace(options);
    return at->second;
}

}  // namespace kvsim_test
