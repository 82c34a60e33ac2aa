// Strategies that remember what has gone, on accesses few enough to follow by hand. Lists stand oldest first, the
// lowest entry of a stack first; x* is the id of a block that has gone.
#include <doctest/doctest.h>
#include <kvsim/core/error.h>
#include <kvsim/eviction/block_arc.h>
#include <kvsim/eviction/block_lirs.h>
#include <kvsim/eviction/block_s3_fifo.h>
#include <kvsim/eviction/block_w_tinylfu.h>
#include <kvsim/layout/prefix.h>

#include <random>

#include "unit/load_text.h"

namespace strategy_ghost_test {

using namespace kvsim;
using namespace kvsim_test;

namespace {

template <template <bool> class S>
S<false> made(const std::string& text) {
    Spec spec = Spec::parse(text);
    S<false> strategy(spec);
    spec.finish();
    return strategy;
}

/// Flat accesses to blocks a to z. After each: what is resident.
template <template <bool> class S>
std::string after_each(const std::string& text, uint64_t capacity, const std::string& accesses) {
    S<false> strategy = made<S>(text);
    strategy.reset({capacity, 26, 26, 1, accesses.size(), nullptr, nullptr});
    std::string all;
    uint64_t resident = 0;
    for (char c : accesses) {
        auto block = static_cast<BlockId>(c - 'a');
        strategy.on_lookup({0, 1, 1});
        if (strategy.contains(block)) {
            strategy.on_hit(block);
        } else {
            strategy.on_miss(block);
            if (resident == capacity) {
                strategy.on_evict(strategy.pick_victim(block, AnyBlock{}));
                --resident;
            }
            strategy.on_insert(block);
            ++resident;
        }
        if (!all.empty()) all += ' ';
        for (BlockId b = 0; b < 26; ++b)
            if (strategy.contains(b)) all += static_cast<char>('a' + b);
    }
    return all;
}

std::string refusal(const std::string& eviction) {
    Trace trace = load_text(
        "{\"kvsim_trace\":1,\"block_size\":4}\n{\"op\":\"request\",\"seq\":\"a\",\"length\":4,\"blocks\":[1]}\n");
    try {
        make_prefix_cache(eviction, Accounting::parse("flat"), trace, {});
    } catch (const Error& e) {
        CHECK(e.kind() == ErrorKind::input);
        return e.what();
    }
    return "";
}

}  // namespace

// C = 2     T1     T2     B1     B2     p
// a b       a b                         0
// a         b      a                    0
// c         c      a      b             0   |T1| = 1 > 0: b goes
// b         c      b             a      1   in B1, max(0 / 1, 1) = 1; |T1| = 1 is not more than 1: a goes
// a                b a    c             0   in B2, 1 - max(0 / 1, 1) = 0; |T1| = 1 > 0: c goes
// d         d      a      c      b      0   |T1| = 0: b goes
// e         e      a      d      b      0   |T1| + |B1| = 2: c is forgotten; d goes
// c         c      a      e      b      0   seen nowhere: d is forgotten; e goes
TEST_CASE("arc by hand") {
    CHECK(after_each<BlockArc>("arc", 2, "abacbadec") == "a ab ab ac bc ab ad ae ac");
}

// b0 to b3: a b c d fill T1 of C = 4 and B1 is empty, so a goes without a trace: e makes bcde. a is new: b goes.
// Touched, c and d are T2's: T1 = e a, T2 = c d. f: |T1| + |B1| = 2; e goes to B1, g: a. a, in B1 = e a: p = 1, |T1| =
// 2 > 1: f goes. T1 = g, T2 = c d a, B1 = e f. e: p = 2, |T1| = 1: c goes.
TEST_CASE("arc: the oldest of T1 goes without a trace, the target grows") {
    CHECK(after_each<BlockArc>("arc", 4, "abcdeacdfgae") ==
          "a ab abc abcd bcde acde acde acde acdf cdfg acdg adeg");
}

// C = 3     T1     T2     B1     B2     p
// a a b c   b c    a                    0
// d         c d    a      b             0
// b         d      a b    c             1   |T1| = 2 > 1: c goes
// c         d      b c           a      2   |T1| = 1 is less than 2: a goes
// a                b c a  d             1   |T1| = 1 = p, and a was in B2: d goes
TEST_CASE("arc: T1 of just the target's size") {
    CHECK(after_each<BlockArc>("arc", 3, "aabcdbca") == "a a ab abc acd abd bcd abc");
}

// C = 2     T1     T2     B1     B2     p
// a b a c   c      a      b             0
// b         b      a      c             1   |T1| = 1 is at least 1: c goes, b enters T1
// c         b c                  a      2   |T1| = 1 is less than 2: a goes
// a         c a           b             1   2 - max(0 / 1, 1) = 1: b goes
TEST_CASE("arc: vLLM's variant by hand") {
    CHECK(after_each<BlockArc>("arc:variant=vllm", 2, "abacbca") == "a ab ab ac ab bc ac");
}

// C = 4, small 2, main 2, ghosts 2. v1: small = a b, main = c d; a is hit. e: a moves to main, b goes: small = e,
// main = c d a. b was a ghost: main has 3 > 2: c goes, main = d a b. c is no ghost: d goes, small = e c. d: e goes.
// v0: small = a b c d. e: a moves to main, b goes: small = c d e. b: main has 1: c goes, main = a b. c: d goes, main =
// a b c. d: main has 3: a goes, main = b c d.
TEST_CASE("s3_fifo by hand") {
    const std::string parameters = "s3_fifo:small=0.5,ghost=0.5,promote=1";
    CHECK(after_each<BlockS3Fifo>(parameters, 4, "abcdaebcd") == "a ab abc abcd abcd acde abde abce abcd");
    CHECK(after_each<BlockS3Fifo>(parameters + ",variant=v0", 4, "abcdaebcd") ==
          "a ab abc abcd abcd acde abde abce bcde");
}

// C = 3, H = floor(0.34 * 3) = 1, L = 2
//           S            Q
// a b c     a b c        c     a and b are LIR
// d         a b c* d     d     c goes
// c         b d* c       a     d goes; c becomes LIR, so a is HIR
// a         b d* c a     a     out of S: onto it
// a         c a          b     becomes LIR, so b is HIR, and d* is below the lowest LIR block
// d         c a d        d     b goes and leaves no id: it is not in S
TEST_CASE("lirs by hand") {
    CHECK(after_each<BlockLirs>("lirs:hir=0.34", 3, "abcdcaad") == "a ab abc abd abc abc abc acd");
}

// C = 2, L = 1: S may have 4 entries. a is LIR; S = a b, then b* c, then c* d: S = a b* c* d is full. e: d goes and S
// would have 5, so b, which went first, is forgotten. b is then HIR like e was (e goes, c is forgotten). d, whose id is
// there, becomes LIR and a leaves S for Q with all that was above it but d. b, then new, is HIR: a goes.
TEST_CASE("lirs: the stack forgets who went first") {
    CHECK(after_each<BlockLirs>("lirs", 2, "abcdebdb") == "a ab ac ad ae ab ad bd");
}

// C = 4, W = 4 - floor(0.75 * 4) = 1, main 3, of which floor(0.8 * 3) = 2 protected.
// a b c d: window = d, probation = a b c. a: protected = a. e: d (used once) is no better than b: d goes. e again:
// twice. f: e against b: b goes, probation = c e. f once more and g: f against c: c goes, probation = e f. e, f:
// protected = a e, then e f, and a is back in probation. h: g (1) against a (2): g goes.
TEST_CASE("w_tinylfu by hand") {
    CHECK(after_each<BlockWTinyLfu>("w_tinylfu:window=0.25,counts=exact", 4, "abcdaeeffgefh") ==
          "a ab abc abcd abcd abce abce acef acef aefg aefg aefg aefh");
}

TEST_CASE("ghost strategies: caches of one to three blocks") {
    std::mt19937_64 random(7);
    for (int round = 0; round < 50; ++round) {
        std::string accesses;
        for (int i = 0; i < 60; ++i) accesses += static_cast<char>('a' + random() % 6);
        for (uint64_t c = 1; c <= 3; ++c) {
            std::string runs[] = {after_each<BlockArc>("arc", c, accesses),
                                  after_each<BlockArc>("arc:variant=vllm", c, accesses),
                                  after_each<BlockS3Fifo>("s3_fifo", c, accesses),
                                  after_each<BlockS3Fifo>("s3_fifo:variant=v0", c, accesses),
                                  after_each<BlockLirs>("lirs", c, accesses),
                                  after_each<BlockWTinyLfu>("w_tinylfu", c, accesses)};
            for (const std::string& run : runs) {
                CHECK(run.size() - run.rfind(' ') - 1 == c);  // full at the end
                if (c == 1) CHECK(run.back() == accesses.back());
            }
        }
    }
}

TEST_CASE("frequency sketch: counts, saturates, halves") {
    FrequencySketch sketch;
    sketch.reset(3);  // one line; halves after 30 additions
    for (int i = 0; i < 20; ++i) sketch.add(1);
    CHECK(sketch.estimate(1) == 15);  // the last five raised nothing
    for (int i = 0; i < 14; ++i) sketch.add(2);
    CHECK(sketch.estimate(1) == 15);
    CHECK(sketch.estimate(2) == 14);
    sketch.add(2);  // 15 + 15 = 30: both go to 7
    CHECK(sketch.estimate(1) == 7);
    CHECK(sketch.estimate(2) == 7);
    for (int i = 0; i < 8; ++i) sketch.add(1);
    for (int i = 0; i < 6; ++i) sketch.add(2);
    CHECK(sketch.estimate(1) == 15);
    CHECK(sketch.estimate(2) == 13);  // 15 left of the halving, and 14
    sketch.add(3);
    CHECK(sketch.estimate(1) == 7);
    CHECK(sketch.estimate(2) == 6);
}

TEST_CASE("frequency table: counts, saturates, halves") {
    FrequencyTable table;
    table.reset(5, 3);  // halves after 30 additions
    for (int i = 0; i < 20; ++i) table.add(4);
    for (int i = 0; i < 14; ++i) table.add(3);
    CHECK(table.estimate(4) == 15);
    CHECK(table.estimate(3) == 14);
    CHECK(table.estimate(2) == 0);
    table.add(2);  // 15 + 14 + 1 = 30
    CHECK(table.estimate(4) == 7);
    CHECK(table.estimate(3) == 7);
    CHECK(table.estimate(2) == 0);
    for (int i = 0; i < 15; ++i) table.add(0);  // 15 left of the halving, and 15
    CHECK(table.estimate(4) == 3);
    CHECK(table.estimate(0) == 7);
}

TEST_CASE("frequency sketch: never below the true count before the first halving") {
    FrequencySketch sketch;
    sketch.reset(1000);
    std::mt19937_64 random(1);
    std::vector<unsigned> count(3000, 0);
    for (int i = 0; i < 9999; ++i) {
        auto block = static_cast<uint32_t>(random() % count.size() * (random() % 2));
        ++count[block];
        sketch.add(block);
    }
    uint64_t above = 0;
    for (uint32_t block = 0; block < count.size(); ++block) {
        CHECK(sketch.estimate(block) >= std::min(count[block], 15u));
        above += sketch.estimate(block) - std::min(count[block], 15u);
    }
    CHECK(above < 3000);  // four counters of 4,000 each: rarely do all collide
}

TEST_CASE("ghost strategies: at most 32 bytes per block") {
    const uint64_t blocks = 1 << 16;
    auto check = [&](auto strategy, uint64_t capacity) {
        StrategyContext context;
        context.capacity_blocks = capacity;
        context.blocks = context.named_blocks = blocks;
        context.longest_chain = context.references = 1;
        strategy.reset(context);
        CHECK(strategy.state_bytes() <= 32 * blocks);
    };
    Spec spec = Spec::parse("x");
    for (uint64_t part = 1; part <= 20; ++part) {
        for (uint64_t capacity : {blocks * part / 16, blocks * part / 16 + 1}) {
            check(BlockArc<false>(spec), capacity);
            check(BlockArc<true>(spec), capacity);
            check(BlockS3Fifo<false>(spec), capacity);
            check(BlockS3Fifo<true>(spec), capacity);
            check(BlockLirs<false>(spec), capacity);
            check(BlockLirs<true>(spec), capacity);
            check(BlockWTinyLfu<false>(spec), capacity);
            check(BlockWTinyLfu<true>(spec), capacity);
        }
    }
}

TEST_CASE("ghost strategies: parameters that cannot be") {
    for (const char* bad : {"arc:variant=", "arc:variant=vLLM", "arc:p=1", "s3_fifo:small=1.5", "s3_fifo:small=-0.1",
                            "s3_fifo:small=nan", "s3_fifo:small=", "s3_fifo:promote=0", "s3_fifo:promote=64",
                            "s3_fifo:promote=1.5", "s3_fifo:ghost=101", "s3_fifo:variant=v2", "s3_fifo:smal=0.1",
                            "lirs:hir=2", "lirs:hir=-1", "lirs:hir=inf", "w_tinylfu:window=1.01",
                            "w_tinylfu:protected=x", "w_tinylfu:counts=sketchy", "w_tinylfu:seed=1",
                            "lirs:hir=0.1,hir=0.2"}) {
        CAPTURE(bad);
        CHECK(!refusal(bad).empty());
    }
    for (const char* good : {"arc", "s3_fifo:small=0,ghost=100,promote=63", "lirs:hir=0", "w_tinylfu:window=0"}) {
        CAPTURE(good);
        CHECK(refusal(good).empty());
    }
}

}  // namespace strategy_ghost_test
