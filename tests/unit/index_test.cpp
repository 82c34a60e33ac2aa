// Small data structures: the ordered bitmap, arrays of numbers, columns; and replay at the edges of its
// options.
#include <doctest/doctest.h>
#include <kvsim/eviction/block_lru.h>
#include <kvsim/layout/prefix.h>
#include <kvsim/trace/json_reader.h>
#include <kvsim/trace/trace.h>

#include <random>
#include <set>

#include "unit/load_text.h"

namespace index_test {

using namespace kvsim;

TEST_CASE("bitmap: a sorted set") {
    for (size_t size : {1u, 63u, 64u, 65u, 4096u, 4097u, 300000u}) {
        std::mt19937_64 random(size);
        BitmapMin bits;
        bits.reset(size);
        std::set<size_t> naive;
        CHECK(bits.next(0) == BitmapMin::kEnd);
        for (int step = 0; step < 3000; ++step) {
            size_t i = random() % size;
            if (random() % 2 == 0) {
                bits.insert(i);
                naive.insert(i);
            } else if (!naive.empty()) {
                auto at = naive.lower_bound(i);
                if (at == naive.end()) at = naive.begin();
                bits.erase(*at);
                naive.erase(at);
            }
            size_t from = random() % (size + 2);
            auto next = naive.lower_bound(from);
            REQUIRE(bits.next(from) == (next == naive.end() ? BitmapMin::kEnd : *next));
            REQUIRE(bits.contains(i) == (naive.count(i) != 0));
        }
    }
}

namespace {

/// The numbers, or the place of what is wrong.
std::string parse(const std::string& inside) {
    std::string text = inside + std::string(64, '\0');
    NumberBuffer out;
    out.push_back(4711);
    const char* end = nullptr;
    const char* wrong = parse_whole_array(text.data(), text.data() + inside.size(), out, &end);
    if (wrong != nullptr) return "wrong at " + std::to_string(wrong - text.data());
    if (out[0] != 4711 || end != text.data() + inside.find(']') + 1) return "out of place";
    std::string said;
    for (size_t i = 1; i < out.size(); ++i) said += (i == 1 ? "" : " ") + std::to_string(out[i]);
    return said;
}

}  // namespace

TEST_CASE("arrays of numbers: every length, in every company") {
    std::mt19937_64 random(3);
    for (size_t length = 1; length <= 20; ++length) {
        for (int round = 0; round < 200; ++round) {
            std::string number(1, static_cast<char>('1' + random() % (length == 20 ? 1 : 9)));
            while (number.size() < length)
                number += static_cast<char>('0' + random() % (length == 20 && number.size() == 1 ? 8 : 10));
            std::string other = std::to_string(random() >> random() % 64);
            CHECK(parse(number + "]") == number);
            CHECK(parse(number + "," + other + "]") == number + " " + other);
            CHECK(parse(other + ", " + number + " ]") == other + " " + number);
            CHECK(parse(" \t\r\n" + other + " ,\n" + number + "\t]...") == other + " " + number);
            CHECK(parse(other + ",0" + number + "]") == "wrong at " + std::to_string(other.size() + 1));
        }
    }
    CHECK(parse("18446744073709551615]") == "18446744073709551615");
    CHECK(parse("0]") == "0");
    CHECK(parse("0,0,0]") == "0 0 0");
    CHECK(parse("]").empty());
    CHECK(parse("  ]").empty());
}

TEST_CASE("arrays of numbers: what does not belong there") {
    CHECK(parse("18446744073709551616]") == "wrong at 0");
    CHECK(parse("1,99999999999999999999]") == "wrong at 2");
    CHECK(parse("1,100000000000000000000]") == "wrong at 2");
    CHECK(parse("00]") == "wrong at 0");
    CHECK(parse("012345678]") == "wrong at 0");
    CHECK(parse(",1]") == "wrong at 0");
    CHECK(parse("1,]") == "wrong at 2");
    CHECK(parse("1,,2]") == "wrong at 2");
    CHECK(parse("1 2]") == "wrong at 2");
    CHECK(parse("1;2]") == "wrong at 1");
    CHECK(parse("1.5]") == "wrong at 1");
    CHECK(parse("1e5]") == "wrong at 1");
    CHECK(parse("-1]") == "wrong at 0");
    CHECK(parse("\"1\"]") == "wrong at 0");
    CHECK(parse("null]") == "wrong at 0");
    CHECK(parse("12345678x]") == "wrong at 8");
    CHECK(parse("123456789/]") == "wrong at 9");
    CHECK(parse("1:]") == "wrong at 1");
}

TEST_CASE("columns and labels: absent cells, selections, repetitions") {
    Column<int64_t> c;
    CHECK(c.empty());
    c.set(2, -5);
    CHECK_FALSE(c.has(0));
    CHECK(c[2] == -5);
    CHECK_FALSE(c.has(9));
    c.select({2, 0, 2, 7});
    CHECK(c[0] == -5);
    CHECK_FALSE(c.has(1));
    CHECK(c[2] == -5);
    CHECK_FALSE(c.has(3));
    Labels l;
    l.set(1, "a");
    l.set(3, "b");
    l.set(4, "a");
    CHECK(l[0].empty());
    CHECK(l.id(4) == l.id(1));
    l.select({4, 3, 0, 9});
    CHECK(l[0] == "a");
    CHECK(l[1] == "b");
    CHECK(l.id(2) == kNone);
    CHECK(l.names().size() == 2);
}

namespace {

RunResult run(const Trace& trace, const char* accounting, uint64_t capacity, RunPath path) {
    RunOptions options;
    options.capacity_blocks = capacity;
    RunResult result;
    make_prefix_cache("lru", Accounting::parse(accounting), trace, options, path)
        ->run(trace, options, result);
    return result;
}

}  // namespace

TEST_CASE("replay: capacities up to the largest number there is") {
    std::string text = "{\"kvsim_trace\":1,\"block_size\":4}\n";
    for (int i = 0; i < 50; ++i)
        text += "{\"op\":\"request\",\"seq\":\"r\",\"t\":0,\"length\":4,\"blocks\":[" + std::to_string(i) +
                "],\"output_length\":400}\n";
    Trace trace = kvsim_test::load_text(text);
    for (const char* accounting : {"pinned", "flat", "tree"})
        for (RunPath path : {RunPath::fastest, RunPath::blocks})
            for (uint64_t capacity : {kUnlimited, kUnlimited - 1, kUnlimited - 50, uint64_t{1} << 63,
                                      uint64_t{1} << 32, uint64_t{100000}})
                CHECK(run(trace, accounting, capacity, path).peak_resident_blocks == 50 * 101);
}

TEST_CASE("replay: progress") {
    Trace trace = kvsim_test::load_text(
        "{\"timestamp\":0,\"input_length\":512,\"output_length\":1,\"hash_ids\":[0]}\n");
    std::atomic<uint64_t> progress = 99;
    RunOptions options;
    options.progress = &progress;
    for (RunPath path : {RunPath::fastest, RunPath::blocks}) {
        RunResult again;
        make_prefix_cache("lru", {}, trace, options, path)->run(trace, options, again);
        CHECK(progress.load() == 0);
        CHECK(again.total.admissions == 1);
    }
}

}  // namespace index_test
