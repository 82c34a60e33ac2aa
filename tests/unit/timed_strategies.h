// Small traces for block strategies, and runs of them.
#pragma once

#include <kvsim/core/error.h>
#include <kvsim/layout/prefix.h>

#include <string>

#include "unit/load_text.h"

namespace kvsim_test {

using namespace kvsim;

inline const std::string kHead = "{\"kvsim_trace\":1,\"block_size\":4}\n";

/// A request of `count` full blocks without output; `more` is other keys.
inline std::string chain(const std::string& seq, double t, const std::string& blocks, int count,
                         const std::string& more = "") {
    return "{\"op\":\"request\",\"seq\":\"" + seq + "\",\"t\":" + std::to_string(t) + ",\"length\":" +
           std::to_string(4 * count) + ",\"blocks\":[" + blocks + "]" + more + "}\n";
}
inline std::string one(const std::string& seq, double t, int block, const std::string& more = "") {
    return chain(seq, t, std::to_string(block), 1, more);
}

inline RunResult run(const Trace& trace, const std::string& eviction, const char* accounting, uint64_t capacity,
                     uint64_t concurrency = 1) {
    RunOptions options;
    options.capacity_blocks = capacity;
    options.concurrency = concurrency;
    RunResult result;
    auto cache = make_prefix_cache(eviction, Accounting::parse(accounting), trace, options);
    cache->run(trace, options, result);
    cache->check_invariants();
    return result;
}

/// What an input error says; "" if there is none.
inline std::string complaint(const Trace& trace, const std::string& eviction, const char* accounting,
                             uint64_t concurrency = 1) {
    try {
        run(trace, eviction, accounting, 1, concurrency);
    } catch (const Error& e) {
        CHECK(e.kind() == ErrorKind::input);
        return e.what();
    }
    return "";
}

inline bool refused(const Trace& trace, const std::string& eviction, const char* accounting,
                    const std::string& because) {
    std::string said = complaint(trace, eviction, accounting);
    return said.find(because) != std::string::npos;
}

}  // namespace kvsim_test
