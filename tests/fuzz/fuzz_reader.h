// Feeds bytes to load_trace() as a trace of one format. Whatever they are, the outcome is a trace whose replay keeps
// its invariants, or one Error of kind input in one line.
#pragma once

#include <kvsim/core/error.h>
#include <kvsim/layout/prefix.h>
#include <kvsim/trace/format.h>
#include <kvsim/trace/link_outputs.h>

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string>

namespace kvsim_fuzz {

inline void check(bool ok) {
    if (!ok) std::abort();
}

// Requests without a recorded end get one: half a second after the arrival of one of the next.
inline void replay_all(kvsim::Trace& trace) {
    for (uint32_t r = 0; r < trace.requests(); ++r)
        if (!trace.end_s.has(r)) trace.end_s.set(r, trace.arrival_s[std::min(r + r % 3, trace.requests() - 1)] + 0.5);
    for (const char* accounting : {"pinned", "flat", "tree"}) {
        for (uint64_t capacity : {uint64_t{1}, uint64_t{5}, kvsim::kUnlimited}) {
            kvsim::RunOptions options;
            options.capacity_blocks = capacity;
            if (capacity != 1 && accounting[0] != 'f') options.concurrency = capacity == 5 ? 3 : kvsim::kByTrace;
            auto rules = kvsim::Accounting::parse(accounting);
            kvsim::RunResult fast, slow;
            auto cache = kvsim::make_prefix_cache("lru", rules, trace, options);
            cache->run(trace, options, fast);
            cache->check_invariants();
            auto blocks = kvsim::make_prefix_cache("lru", rules, trace, options, kvsim::RunPath::blocks);
            blocks->run(trace, options, slow);
            blocks->check_invariants();
            check(fast.hit_blocks == slow.hit_blocks && fast.total == slow.total);
        }
    }
}

// A replay touches every block; a fuzzed length may ask for billions of them.
inline bool small(const kvsim::Trace& trace) {
    uint64_t blocks = trace.chains.unique_blocks();
    for (uint32_t r = 0; r < trace.requests(); ++r) blocks += trace.stored_blocks(r, true);
    return blocks < 100000;
}

inline int run(const char* format, const uint8_t* data, size_t size) {
    int fd = memfd_create("trace", 0);
    check(fd >= 0 && write(fd, data, size) == static_cast<ssize_t>(size));
    lseek(fd, 0, SEEK_SET);
    kvsim::LoadOptions options;
    options.path = "/proc/self/fd/" + std::to_string(fd);
    options.format = format;
    kvsim::ProblemList problems;
    try {
        kvsim::Trace trace = kvsim::load_trace(options);
        if (small(trace)) replay_all(trace);
        if (small(trace) && !trace.content && !(trace.session.empty() && trace.parent.empty())) {
            kvsim::link_outputs(trace);
            replay_all(trace);
        }
        if (small(trace) && !trace.content) {
            trace.reblock_to(3);
            if (small(trace)) replay_all(trace);
        }
    } catch (const kvsim::Error& e) {
        std::string line = e.what();
        check(e.kind() == kvsim::ErrorKind::input && !line.empty() && line.find('\n') == std::string::npos);
    }
    // Collecting problems instead of stopping must be as safe.
    lseek(fd, 0, SEEK_SET);
    options.problems = &problems;
    try {
        kvsim::load_trace(options);
    } catch (const kvsim::Error& e) {
        check(e.kind() == kvsim::ErrorKind::input);
    }
    close(fd);
    return 0;
}

}  // namespace kvsim_fuzz
