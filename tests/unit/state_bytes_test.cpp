// How much memory block strategies take: timing.state_bytes per unique block, against what the process grows by.
//
// Each run has a process of its own, forked where the trace is in memory already: what its resident set has grown by
// when all is replayed is the state, the columns of the result (28 bytes per request, of 64 blocks here) and what memory
// comes in: pages of 2 MiB for each large array. 16 MiB and a tenth are allowed for that. The peak, which is printed
// besides, has what is made at the start and thrown away, and arrays that move when they grow.
#include <doctest/doctest.h>
#include <kvsim/layout/prefix.h>
#include <malloc.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <fstream>
#include <random>
#include <string>

#include "support/random_check.h"

namespace state_bytes_test {

using namespace kvsim;

namespace {

constexpr double kMostPerBlock = 32;

/// Chains of 64 blocks that share up to 48 with an earlier one, `unique` distinct blocks or a few more.
Trace long_trace(uint64_t unique) {
    constexpr uint32_t kLength = 64;
    Trace t;
    t.name = "long";
    t.block_size = 16;
    std::mt19937_64 random(7);
    while (t.chains.unique_blocks() < unique) {
        uint32_t row = t.chains.rows();
        uint32_t shared = row == 0 ? 0 : static_cast<uint32_t>(random() % 49);
        uint32_t owner = kNone;
        if (shared > 0) owner = t.chains.introducer(static_cast<uint32_t>(random() % row), shared - 1);
        t.chains.append(owner, shared, kLength);
        t.prompt_tokens.push_back(kLength * t.block_size);
        t.output_tokens.push_back(0);
        t.arrival_s.push_back(row);
        t.source_row.push_back(row);
        t.category.set(row, row % 3 == 0 ? "chat" : "code");
        t.turn.set(row, 1 + row % 4);
    }
    return t;
}

uint64_t status_kib(const char* key) {
    std::ifstream status("/proc/self/status");
    for (std::string line; std::getline(status, line);)
        if (line.rfind(key, 0) == 0) return std::stoull(line.substr(line.find(':') + 1));
    return 0;
}

struct Memory {
    uint64_t state_bytes = 0;
    uint64_t grown_bytes = 0, peak_bytes = 0;
};

Memory run_here(const Trace& trace, const std::string& eviction, const char* accounting, uint64_t capacity) {
    malloc_trim(0);
    { std::ofstream("/proc/self/clear_refs") << "5"; }  // the peak begins here
    uint64_t before = status_kib("VmRSS");
    RunOptions options;
    options.capacity_blocks = capacity;
    auto cache = make_prefix_cache(eviction, Accounting::parse(accounting), trace, options, RunPath::blocks);
    RunResult run;
    cache->run(trace, options, run);
    malloc_trim(0);
    return {run.state_bytes, (status_kib("VmRSS") - before) << 10, (status_kib("VmHWM") - before) << 10};
}

/// The same in a process of its own.
Memory measured(const Trace& trace, const std::string& eviction, const char* accounting, uint64_t capacity) {
    int ends[2];
    REQUIRE(pipe(ends) == 0);
    std::fflush(stdout);
    pid_t child = fork();
    REQUIRE(child >= 0);
    if (child == 0) {
        Memory m = run_here(trace, eviction, accounting, capacity);
        _exit(write(ends[1], &m, sizeof m) == sizeof m ? 0 : 1);
    }
    close(ends[1]);
    Memory m;
    ssize_t got = read(ends[0], &m, sizeof m);
    close(ends[0]);
    int status = 0;
    waitpid(child, &status, 0);
    REQUIRE(status == 0);
    REQUIRE(got == sizeof m);
    return m;
}

void check(const Trace& trace, const std::string& eviction, double share) {
    auto unique = static_cast<double>(trace.unique_blocks());
    auto capacity = share > 0 ? static_cast<uint64_t>(share * unique) : kUnlimited;
    for (const char* accounting : {"flat", "pinned", "tree"}) {
        if (block_strategies().get(eviction).info.accountings.find(accounting) == std::string::npos) continue;
        Memory m = measured(trace, eviction, accounting, capacity);
        CAPTURE(eviction);
        CAPTURE(std::string(accounting));
        CAPTURE(share);
        auto state = static_cast<double>(m.state_bytes), grown = static_cast<double>(m.grown_bytes);
        std::printf("state per unique block, %3.0f %% resident: %-14s %-6s %5.1f bytes, process %5.1f, peak %5.1f\n",
                    100 * (share > 0 ? share : 1), eviction.c_str(), accounting, state / unique, grown / unique,
                    static_cast<double>(m.peak_bytes) / unique);
        if (share > 0 && share <= 0.25) CHECK(state / unique <= kMostPerBlock);
        if (kvsim_test::kSanitized || m.grown_bytes == 0) continue;  // a sanitizer's own memory, or nobody counts it
        CHECK(grown <= 1.1 * state + (16 << 20));
        CHECK(grown >= 0.9 * state - (16 << 20));
    }
}

}  // namespace

TEST_CASE("plain: state: at most 32 bytes per unique block, as much as the process grows by") {
    Trace trace = long_trace(1 << 20);
    for (const char* eviction : {"lru", "gdsf", "belady", "two_q", "qdlp"}) check(trace, eviction, 0.25);
}

// Where more than a quarter of the trace's blocks is resident, entries per resident block count for more: told, not
// checked against 32.
TEST_CASE("long: state: every strategy, little room, a quarter, half, no limit") {
    Trace trace = long_trace(1 << 20);
    for (const BlockStrategyRow& row : block_strategies().rows())
        for (double share : {0.02, 0.25, 0.5, 0.0}) check(trace, row.id, share);
}

}  // namespace state_bytes_test
