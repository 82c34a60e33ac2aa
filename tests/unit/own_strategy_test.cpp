// A strategy from outside: docs/OWN_STRATEGY.md shows what is built, and what it shows runs like any other.
#include <algorithm>
#include <kvsim/layout/block_row.h>
#include <kvsim/sim/replay.h>

#include "../../docs/own_strategy/head_clock.h"
#include "unit/timed_strategies.h"

namespace own_strategy_test {

using namespace kvsim;
using namespace kvsim_test;

namespace {

using Hits = std::vector<uint32_t>;

void add_once() {
    if (!block_strategies().find("head_clock")) block_strategies().add(block_row<HeadClock>());
}

/// The text of a fenced code block, by the line above its fence.
std::string shown_after(const std::string& page, const std::string& line) {
    size_t at = page.find(line + "\n```");
    REQUIRE_MESSAGE(at != std::string::npos, "docs/OWN_STRATEGY.md has no code after '" << line << "'");
    size_t begin = page.find('\n', at + line.size() + 1) + 1;
    return page.substr(begin, page.find("\n```", begin) + 1 - begin);
}

/// Requests that share heads of different lengths.
Trace shared_heads() {
    std::string text = kHead;
    for (int i = 0; i < 60; ++i) {
        std::string own = std::to_string(100 * (1 + (i % 3 == 0)) + i * 7 % 25);
        std::string head = i % 3 == 0 ? "0,1" : "10,11,12";
        text += chain("r" + std::to_string(i), i, head + "," + own, i % 3 == 0 ? 3 : 4);
    }
    return load_text(text);
}

}  // namespace

TEST_CASE("own strategy: the page shows the files that are built") {
    std::string page = read_file(source_file("docs/OWN_STRATEGY.md"));
    for (const char* name : {"head_clock.h", "main.cpp", "CMakeLists.txt"}) {
        CAPTURE(name);
        std::string file = read_file(source_file("docs/own_strategy/") + name);
        CHECK(!file.empty());
        CHECK(shown_after(page, std::string("`") + name + "`:") == file);
    }
}

// 2 blocks, single-block requests.
//   heads=1  0 1; 0 is hit and marked. 2: the oldest, 0, is marked and goes to the end, so 1 goes: 0 2. 0 is hit and
//            marked. 1: again 0 goes to the end, 2 goes: 0 1. 2: 0 has not been hit since and goes.
//   heads=0  0 1; 0 is hit, which marks nothing; 2 pushes 0 out, 0 pushes 1 out, 1 pushes 2, 2 pushes 0, 0 pushes 1.
TEST_CASE("own strategy: by hand") {
    add_once();
    Trace t = load_text(kHead + one("a", 0, 0) + one("b", 1, 1) + one("c", 2, 0) + one("d", 3, 2) + one("e", 4, 0) +
                        one("f", 5, 1) + one("g", 6, 2) + one("h", 7, 0));
    for (const char* accounting : {"pinned", "flat", "tree"}) {
        CAPTURE(accounting);
        CHECK(run(t, "head_clock:heads=1", accounting, 2).hit_blocks == Hits{0, 0, 1, 0, 1, 0, 0, 0});
        CHECK(run(t, "head_clock:heads=0", accounting, 2).hit_blocks == Hits{0, 0, 1, 0, 0, 0, 0, 0});
    }
}

// 2 blocks. The chain 0 1 is stored and hit; 5 needs a place. With one head only 0 is marked: 1 goes, d hits 0. With
// two both get another round, after which 0 is the oldest again and goes.
TEST_CASE("own strategy: only the head of a chain gets another round") {
    add_once();
    Trace t = load_text(kHead + chain("a", 0, "0,1", 2) + chain("b", 1, "0,1", 2) + one("c", 2, 5) +
                        chain("d", 3, "0,1", 2));
    CHECK(run(t, "head_clock:heads=1", "flat", 2).hit_blocks == Hits{0, 2, 0, 1});
    CHECK(run(t, "head_clock:heads=2", "flat", 2).hit_blocks == Hits{0, 2, 0, 0});
}

TEST_CASE("own strategy: replay, with all that stands beside it") {
    add_once();
    Trace t = shared_heads();
    for (const char* accounting : {"pinned", "flat", "tree"}) {
        CAPTURE(accounting);
        ReplayOptions options;
        options.cache.eviction = "head_clock:heads=3";
        options.cache.accounting = accounting;
        options.run.capacity_blocks = 8;
        options.verify = true;
        ReplayOutcome own = replay(t, options);
        CHECK(own.metrics.hits.hit_blocks > 0);
        CHECK(own.run.counted().evicted_blocks > 0);
        REQUIRE(own.bounds);
        CHECK(own.metrics.hits.hit_blocks <= own.unlimited->hit_blocks);
        // A large number of heads is CLOCK.
        options.cache.eviction = "head_clock:heads=1000";
        Hits all_heads = replay(t, options).run.hit_blocks;
        options.cache.eviction = "clock";
        CHECK(all_heads == replay(t, options).run.hit_blocks);
    }
}

TEST_CASE("own strategy: the registry treats it as any other") {
    add_once();
    Trace t = load_text(kHead + one("a", 0, 0));
    CHECK_THROWS_WITH_AS(block_strategies().add(block_row<HeadClock>()),
                         "block strategy (--eviction) 'head_clock' is registered twice", Error);
    auto ids = block_strategies().ids();
    CHECK(std::count(ids.begin(), ids.end(), "head_clock") == 1);
    CHECK(refused(t, "head_clock:head=1", "flat", "'head_clock' has no parameter 'head' (did you mean 'heads'?)"));
    for (const char* bad : {"", "-1", "1000001", "2.5", "nan", "all"})
        CHECK(refused(t, std::string("head_clock:heads=") + bad, "pinned", "head_clock: parameter heads="));
    CHECK(refused(t, "head_clok", "flat", "did you mean 'head_clock'?"));
}

}  // namespace own_strategy_test
