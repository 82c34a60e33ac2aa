// The LRU curve: a worked example, how it is read, what it refuses.
#include <doctest/doctest.h>
#include <kvsim/core/error.h>
#include <kvsim/core/prefix_sums.h>
#include <kvsim/sim/curve.h>
#include <kvsim/sim/curve_marks.h>

#include <random>

#include "unit/load_text.h"

namespace curve_test {

using namespace kvsim;
using kvsim_test::load_text;

namespace {

/// Blocks of 2 tokens, chains by letter: "ab" = block a, then b.
Trace trace_of(const std::vector<std::string>& chains, uint32_t last_prompt = 0) {
    std::string text = "{\"kvsim_trace\":1,\"block_size\":2}\n";
    for (size_t i = 0; i < chains.size(); ++i) {
        std::string ids;
        for (char c : chains[i]) ids += (ids.empty() ? "" : ",") + std::to_string(c - 'a');
        bool shorter = i + 1 == chains.size() && last_prompt != 0;
        text += "{\"op\":\"request\",\"seq\":\"" + std::to_string(i) + "\",\"t\":0,\"category\":\"" +
                std::string(i % 2 == 0 ? "even" : "odd") +
                "\",\"length\":" + std::to_string(shorter ? last_prompt : 2 * chains[i].size()) + ",\"blocks\":[" +
                ids + "],\"output_length\":0}\n";
    }
    return load_text(text);
}

using Numbers = std::vector<uint64_t>;

std::string complaint_of(const Trace& trace, const RunOptions& options, const char* accounting) {
    CurveOptions curve;
    curve.accounting = Accounting::parse(accounting);
    try {
        lru_curve(trace, options, curve);
    } catch (const Error& e) {
        CHECK(e.kind() == ErrorKind::input);
        return e.what();
    }
    return "no complaint";
}

}  // namespace

// Requests abc, d, ab. Before the third the order of use is d, a, b, c: d was used last, and of abc the first block
// ends most recent. a has rank 2, b rank 3, so: nothing at 1 block, one hit at 2, two from 3 on. Under flat abc are
// touched first to last; the order is d, c, b, a. Looking a up moves it ahead, so b is found behind d, a, c: both
// need 4 blocks.
TEST_CASE("curve: worked example") {
    Trace t = trace_of({"abc", "d", "ab"});
    LruCurve pinned = lru_curve(t, RunOptions{}, CurveOptions{});
    Curve::Columns c = pinned.all.columns();
    CHECK(c.blocks == Numbers{2, 3});
    CHECK(c.hit_blocks == Numbers{1, 2});
    CHECK(c.hit_tokens == Numbers{2, 4});
    CHECK(pinned.all.at(1) == CurvePoint{1, 0, 0});
    CHECK(pinned.all.at(2) == CurvePoint{2, 1, 2});
    CHECK(pinned.all.at(kUnlimited) == CurvePoint{kUnlimited, 2, 4});
    CHECK(pinned.all.requests == 3);
    CHECK(pinned.all.lookup_blocks == 6);
    CHECK(pinned.all.lookup_tokens == 12);
    CHECK(pinned.exact_from_blocks == 1);
    CHECK_FALSE(pinned.any.has_value());
    CurveOptions options;
    options.accounting.kind = AccountingKind::flat;
    c = lru_curve(t, RunOptions{}, options).all.columns();
    CHECK(c.blocks == Numbers{4});
    CHECK(c.hit_blocks == Numbers{2});
    CHECK(c.hit_tokens == Numbers{4});
    options.accounting.kind = AccountingKind::tree;
    CHECK(lru_curve(t, RunOptions{}, options).exact_from_blocks == 3);
}

// The same with a last prompt of 3 tokens: its second block holds one.
TEST_CASE("curve: a partly filled last block") {
    Trace t = trace_of({"abc", "d", "ab"}, 3);
    for (auto kind : {AccountingKind::pinned, AccountingKind::flat}) {
        CurveOptions options;
        options.accounting.kind = kind;
        CHECK(lru_curve(t, RunOptions{}, options).all.at(100).hit_tokens == 3);
    }
    CHECK(lru_curve(t, RunOptions{}, CurveOptions{}).all.columns().hit_tokens == Numbers{2, 3});
}

TEST_CASE("curve: groups and warm-up") {
    Trace t = trace_of({"a", "a", "c", "ab", "a"});
    CurveOptions by;
    by.by = GroupBy::category;
    LruCurve curve = lru_curve(t, RunOptions{}, by);
    REQUIRE(curve.groups.size() == 2);
    CHECK(curve.groups[0].label == "even");
    CHECK(curve.groups[1].label == "odd");
    for (uint64_t blocks = 0; blocks < 6; ++blocks)
        CHECK(curve.groups[0].curve.at(blocks).hit_blocks + curve.groups[1].curve.at(blocks).hit_blocks ==
              curve.all.at(blocks).hit_blocks);
    CHECK(curve.groups[0].curve.requests == 3);
    RunOptions options;
    options.warmup_requests = 4;
    curve = lru_curve(t, options, by);
    REQUIRE(curve.groups.size() == 1);
    CHECK(curve.all.columns().blocks == Numbers{1});  // a of the last request, just used
    options.warmup_requests = 5;
    CHECK(lru_curve(t, options, by).all.columns().blocks.empty());
    CHECK(lru_curve(t, options, by).all.at(7) == CurvePoint{7, 0, 0});
}

TEST_CASE("curve: what it refuses") {
    Trace t = trace_of({"a", "a"});
    RunOptions by_trace;
    by_trace.concurrency = kByTrace;
    CHECK(complaint_of(t, by_trace, "pinned").rfind("--concurrency trace: ", 0) == 0);
    Trace lengths = load_text(
        "{\"kvsim_trace\":1}\n{\"op\":\"request\",\"seq\":\"0\",\"t\":0,\"length\":40,\"output_length\":3}\n");
    CHECK(complaint_of(lengths, RunOptions{}, "pinned") == kNoNames);
    // The output completes the block of the prompt's tail, which so is looked up and not stored.
    Trace named = load_text(
        "{\"kvsim_trace\":1,\"block_size\":2}\n"
        "{\"op\":\"request\",\"seq\":\"0\",\"t\":0,\"length\":3,\"blocks\":[0,9],\"output_length\":1,\"output_blocks\":"
        "[1]}\n");
    CHECK(complaint_of(named, RunOptions{}, "pinned") == "no complaint");
    CHECK(complaint_of(named, RunOptions{}, "flat").rfind("named output ", 0) == 0);
    CHECK(complaint_of(named, RunOptions{}, "tree").rfind("named output ", 0) == 0);
    RunOptions off;
    off.decode = false;
    CHECK(complaint_of(named, off, "flat") == "no complaint");
}

TEST_CASE("curve: ranks beyond 32 bits, unusual weights, many marks") {
    CurveMarks<uint64_t> marks(16);
    uint64_t far = uint64_t{1} << 40;
    marks.add_stretch(far, 10, 16);
    marks.add_stretch(far + 5, 10, 7);
    marks.add_step(far + 3, 0, -4);
    marks.add_step(2, 5, 50);
    Curve curve;
    curve.knots = marks.knots();
    CHECK(curve.at(1) == CurvePoint{1, 0, 0});
    CHECK(curve.at(far) == CurvePoint{far, 5, 50});
    CHECK(curve.at(far + 2) == CurvePoint{far + 2, 7, 50 + 32});
    CHECK(curve.at(far + 3) == CurvePoint{far + 3, 8, 50 + 44});
    CHECK(curve.at(far + 6) == CurvePoint{far + 6, 5 + 6 + 1, 50 + 92 + 7});
    CHECK(curve.at(far + 99) == CurvePoint{far + 99, 25, 50 + 160 - 4 + 70});
    std::mt19937_64 random(1);
    std::vector<uint64_t> naive(70001);
    CurveMarks<uint32_t> many(1);
    for (int i = 0; i < 1100000; ++i) {
        uint64_t rank = 1 + random() % 70000;
        ++naive[rank];
        if (i % 3 == 0) {
            many.add_stretch(rank - 1, 1, 1);
        } else {
            many.add_step(rank, 1, 1);
        }
    }
    curve.knots = many.knots();
    uint64_t sum = 0, wrong = 0;
    for (uint64_t rank = 1; rank <= 70000; ++rank) wrong += curve.at(rank).hit_blocks != (sum += naive[rank]);
    CHECK(wrong == 0);
    CHECK(many.knots().empty());
}

TEST_CASE("prefix sums: cells added and changed") {
    std::mt19937_64 random(5);
    PrefixSums<uint64_t> sums;
    std::vector<uint64_t> naive;
    for (int step = 0; step < 3000; ++step) {
        if (naive.empty() || random() % 3 == 0) {
            naive.push_back(random() % 100);
            sums.push_back(naive.back());
        }
        size_t cell = random() % naive.size();
        uint64_t less = random() % (naive[cell] + 1);
        naive[cell] -= less;
        sums.subtract(cell, less);
        cell = random() % naive.size();
        naive[cell] += 3;
        sums.add(cell, 3);
        size_t count = random() % (naive.size() + 1);
        uint64_t sum = 0;
        for (size_t i = 0; i < count; ++i) sum += naive[i];
        REQUIRE(sums.first(count) == sum);
    }
}

}  // namespace curve_test
