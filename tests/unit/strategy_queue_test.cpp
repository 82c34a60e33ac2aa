// SIEVE, SLRU, 2Q and QDLP on sequences small enough to work out by hand. Requests are one block each, so that every
// accounting is the textbook's sequence of accesses.
#include <doctest/doctest.h>
#include <kvsim/layout/prefix.h>

#include <functional>

#include "unit/load_text.h"

namespace strategy_queue_test {

using namespace kvsim;
using namespace kvsim_test;

namespace {

struct Accesses {
    std::string hits;  ///< a letter each: h or .
    uint64_t resident;
};

Trace trace_of(const std::string& ids) {
    std::string text = "{\"kvsim_trace\":1,\"block_size\":4}\n";
    for (size_t i = 0; i < ids.size(); ++i)
        text += "{\"op\":\"request\",\"seq\":\"" + std::to_string(i) + "\",\"t\":" + std::to_string(i) +
                ",\"length\":4,\"blocks\":[" + ids[i] + "]}\n";
    return load_text(text);
}

Accesses replay(const std::string& eviction, uint64_t capacity, const std::string& ids) {
    Trace trace = trace_of(ids);
    Accesses all;
    for (const char* accounting : {"flat", "pinned", "tree"}) {
        RunOptions options;
        options.capacity_blocks = capacity;
        RunResult run;
        auto cache = make_prefix_cache(eviction, Accounting::parse(accounting), trace, options);
        cache->run(trace, options, run);
        cache->check_invariants();
        Accesses one{"", run.total.resident_blocks};
        for (uint32_t hits : run.hit_blocks) one.hits += hits != 0 ? 'h' : '.';
        if (!all.hits.empty()) CHECK(all.hits == one.hits);
        if (!all.hits.empty()) CHECK(all.resident == one.resident);
        all = one;
    }
    return all;
}

/// Every request ends when it has arrived, but number `late` ends after the next one.
std::string replay_running(const std::string& eviction, uint64_t capacity, const std::string& ids, uint32_t late) {
    Trace trace = trace_of(ids);
    for (uint32_t r = 0; r < trace.requests(); ++r) trace.end_s.set(r, r == late ? r + 1.5 : r);
    RunOptions options;
    options.capacity_blocks = capacity;
    options.concurrency = kByTrace;
    RunResult run;
    make_prefix_cache(eviction, Accounting::parse("pinned"), trace, options)->run(trace, options, run);
    std::string letters;
    for (uint32_t hits : run.hit_blocks) letters += hits != 0 ? 'h' : '.';
    return letters;
}

std::string complaint_of(const std::string& eviction) {
    try {
        check_block_strategy(eviction, Accounting::parse("flat"));
    } catch (const Error& e) {
        CHECK(e.kind() == ErrorKind::input);
        return e.what();
    }
    return "";
}

}  // namespace

// 3 blocks; queue oldest first, ' behind set bits, > before the hand (none: at the oldest).
// 123   1 2 3
// 12    1' 2' 3
// 4     1 and 2 are spared, 3 goes, it was the newest: 1 2 4
// 5     1 goes: >2 4 5
// 2     >2' 4 5
// 6     2 is spared, 4 goes: 2 >5 6
// 7     5 goes, not the older 2: 2 >6 7
// 25    hit; 6 goes: 2' >7 5
// 8     7 goes: 2' >5 8
// 9     5 goes: 2' >8 9
// 1     8 goes: 2' >9 1
// 3     9 goes: 2' >1 3
// 4     1 goes: 2' >3 4
// 5     3 goes: 2' >4 5
// 24    both hit
TEST_CASE("sieve: the hand goes on where it was") {
    CHECK(replay("sieve", 3, "12312452672589134524").hits == "...hh..h..h.......hh");
    CHECK(replay("sieve", 1, "1121").hits == ".h..");
}
// 3 blocks 1' 2' 3': the hand clears all bits and evicts the oldest, then waits at 2, which goes next.
TEST_CASE("sieve: all bits set") {
    CHECK(replay("sieve", 3, "1231234").hits == "...hhh.");
    CHECK(replay("sieve", 3, "12312341").hits == "...hhh..");
}

// 4 blocks in 2 segments of 2; lower | upper, oldest first.
// 1234  1 2 | 3 4    a cold cache fills one after the other
// 1     2 3 | 4 1    1 climbs, 3 is handed down
// 5     3 5 | 4 1    2 goes
// 3     5 4 | 1 3
// 6     4 6 | 1 3
// 5     6 5 | 1 3
// 13    hit, hit
// 4     5 4 | 1 3
TEST_CASE("slru: climbing and handing down") {
    CHECK(replay("slru:segments=2", 4, "123415365134").hits == "....h.h..hh.");
}
// Below 4 blocks the segments above the lowest have no room: LRU. 7 blocks: segments of 1, the lowest holds 4.
// 1234 567  1 5 6 7 | 2 | 3 | 4
// 1         climbs, 2 is handed down: 5 6 7 2 | 1 | 3 | 4
// 8         5 goes
TEST_CASE("slru: capacities that segments do not divide") {
    for (uint64_t capacity : {1, 2, 3}) {
        CAPTURE(capacity);
        std::string ids = "12132312413121432143214412";
        CHECK(replay("slru", capacity, ids).hits == replay("lru", capacity, ids).hits);
        CHECK(replay("slru", capacity, ids).hits == replay("slru:segments=1", capacity, ids).hits);
    }
    CHECK(replay("slru", 7, "12345671867234").hits == ".......h.hhhhh");
    CHECK(replay("slru", 7, "123456718675").hits == ".......h.hh.");
}
// 2 blocks. 1 is hit twice, so 2 goes for 3 though it is younger, then 3 for 2 although it was hit once; 2 is hit twice
// as well, and 1 is older.
TEST_CASE("slru: SGLang's key") {
    CHECK(replay("slru:variant=sglang", 2, "11123321122241").hits == ".hh..h.hhhhh..");
}

// 4 blocks: A1in above 1 gives first, 2 ghosts. A1in / ghosts / Am, oldest first.
// 1234  1 2 3 4 / - / -
// 5     2 3 4 5 / 1 / -
// 1     3 4 5 / 2 / 1         a ghost comes back
// 6     4 5 6 / 2 3 / 1
// 7     5 6 7 / 3 4 / 1
// 2     6 7 2 / 4 5 / 1       forgotten by now
// 1     hit
// 4     7 2 / 5 6 / 1 4
// 5     2 / 6 7 / 1 4 5
// 6     2 / 7 / 4 5 6         A1in is at its target: the oldest of Am goes
// 2     hit, nothing moves
// 1     2 1 / 7 / 5 6         no ghost of what was in Am
// 7     1 / 2 / 5 6 7
// 5     hit
TEST_CASE("two_q: ghosts come back into Am") {
    CHECK(replay("two_q", 4, "12345167214562175").hits == ".........h...h..h");
}
// 1 block: no ghosts, one after the other. 2 blocks: A1in has no share, 1 ghost.
// 12 / - / -;  3: 2 3 / 1 / -;  1: 3 / 2 / 1;  2: - / 3 / 1 2;  1 hit;  4: A1in is empty, 2 goes: 4 / 3 / 1;
// 5: 5 / 4 / 1;  1 hit
TEST_CASE("two_q: hardly any blocks") {
    CHECK(replay("two_q", 1, "1121").hits == ".h..");
    CHECK(replay("two_q", 2, "123121451").hits == ".....h..h");
}

// 1 and 2 come into Am and are hit once more, 1 before 2. If 1 runs longer, 2 is older when Am has to give one:
// 12345 12  4 5 / 3 / 1 2
// 12        4 5 / 3 / 2 1, or 1 2 where 1 ends before 2 begins
// 6         5 6 / 3 4 / 2 1
// 3         6 / 4 5 / 2 1 3
// 7         6 7 / 4 5 / 1 3
TEST_CASE("two_q: the end of a request renews its block in Am") {
    CHECK(replay_running("two_q", 4, "12345121263712", 7) == ".......hh...h.");
    CHECK(replay_running("two_q", 4, "12345121263721", 8) == ".......hh...h.");
}
// The same in the upper of two segments.
// 1234 34 12  3 4 | 2 1, or 1 2 where 1 ends before 2 begins
// 3           4 2 | 1 3
// 56          5 6 | 1 3    4 goes, 2 goes
TEST_CASE("slru: the end of a request renews its block in its segment") {
    CHECK(replay_running("slru:segments=2", 4, "123434123561", 6) == "....hhhhh..h");
    CHECK(replay_running("slru:segments=2", 4, "123434123561", 7) == "....hhhhh...");
}

// 4 blocks, 2 of them the CLOCK's room, 2 ghosts. FIFO / ghosts / CLOCK, oldest first, counts behind ' signs.
// 1234  1 2 3 4 / - / -
// 1     1' 2 3 4
// 5     1 moves, 2 goes: 3 4 5 / 2 / 1
// 2     4 5 / 3 / 1 2
// 3     4 goes, and 1, since the CLOCK is full: 5 / 4 / 2 3: 3 blocks
// 6     room is left: 5 6 / 4 / 2 3
// 52    5' 6 / 4 / 2' 3
// 7     5 moves; the CLOCK spares 2 and gives 3: 6 7 / 4 / 2 5
// 1     7 1 / 4 6 / 2 5
// 3     1 3 / 6 7 / 2 5
// 25    hit, hit
TEST_CASE("qdlp: a full CLOCK gives one more") {
    CHECK(replay("qdlp:small=0.5,ghost=0.5", 4, "1234152365271325").hits == "....h....hh...hh");
    CHECK(replay("qdlp:small=0.5,ghost=0.5", 4, "1234152365271325").resident == 1 + 2 + 3 + 4 * 12 + 3 - 4 + 4);
}
// 1 block: nobody is remembered; what was hit moves to the CLOCK, which gives it at once: 1, 1', then 2 wants room: 1
// moves and goes. 3 blocks: no share for the FIFO, 2 ghosts. 123; 4: 2 3 4 / 1 / -; 1: 3 4 / 2 / 1; 2: 4 / 3 / 1 2;
// 4 hit; 3: 4 moves to the CLOCK, whose room is 3: 1 goes, 2 4 / then 3 comes back: 2 4 3
TEST_CASE("qdlp: hardly any blocks") {
    CHECK(replay("qdlp", 1, "1121").hits == ".h..");
    CHECK(replay("qdlp", 3, "12341243").hits == "......h.");
}

TEST_CASE("queues: parameters out of range") {
    CHECK(complaint_of("sieve:x=1").find("x") != std::string::npos);
    for (const char* bad :
         {"slru:segments=0", "slru:segments=65", "slru:segments=1.5", "slru:segments=", "slru:variant=lru",
          "slru:variant=sglang,segments=2", "two_q:in=1", "two_q:in=-0.1", "two_q:in=nan", "two_q:out=101",
          "two_q:in=0.2,in=0.3", "two_q:small=0.1", "qdlp:small=1", "qdlp:ghost=-1", "qdlp:ghost=inf",
          "qdlp:promote=256", "qdlp:promote=-1", "qdlp:promote=0.5"}) {
        CAPTURE(bad);
        CHECK(!complaint_of(bad).empty());
    }
    for (const char* good : {"slru:segments=64", "slru:variant=classic,segments=1", "slru:variant=sglang",
                             "two_q:in=0.99,out=0", "qdlp:small=0,ghost=100,promote=0", "block/sieve"})
        CHECK(complaint_of(good).empty());
}

}  // namespace strategy_queue_test
