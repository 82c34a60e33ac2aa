#include <kvsim/core/random.h>
#include "support/random_check.h"

#include <filesystem>
#include <map>

#include "unit/load_text.h"
#include "unit/oracle_bytes.h"

namespace format_oracle_general_test {

using namespace kvsim;
using namespace kvsim_test;
using Counts = std::vector<uint32_t>;

namespace {

constexpr const char* kFormat = "oracle_general";

/// Per request the number of its object by first appearance.
Counts objects_of(const Trace& t) {
    Counts out;
    for (uint32_t r = 0; r < t.requests(); ++r) {
        REQUIRE(t.lookup_blocks(r) == 1);
        out.push_back(t.chains.block_at(r, 0));
    }
    return out;
}

/// The twin: a map.
Counts numbered(const std::vector<uint64_t>& ids) {
    std::map<uint64_t, uint32_t> known;
    Counts out;
    for (uint64_t id : ids)
        out.push_back(known.emplace(id, static_cast<uint32_t>(known.size())).first->second);
    return out;
}

Trace load_named(const TempDir& dir, const std::string& name, const std::string& bytes) {
    LoadOptions options;
    options.path = dir.write(name, bytes);
    options.digest = true;
    return load_trace(options);
}

/// Format that is detected, or the complaint.
std::string detected(const std::string& name, const std::string& bytes) {
    TempDir dir;
    try {
        return load_named(dir, name, bytes).format;
    } catch (const Error& e) {
        return std::string(e.what()).substr(dir.path(name).size());
    }
}

}  // namespace

TEST_CASE("oracle_general: a record is a request of one object") {
    constexpr uint64_t kLargest = ~uint64_t{0};
    Trace t = load_text(
        record(5, 7, 100, 4) + record(5, kLargest, 1) + record(6, 0, 0, INT64_MAX) + record(4, 7, 100, -2),
        kFormat);
    CHECK(t.format == kFormat);
    CHECK(t.objects);
    CHECK_FALSE(t.content);
    CHECK(t.block_size == 1);
    CHECK(t.requests() == 4);
    CHECK(t.unique_blocks() == 3);
    CHECK(objects_of(t) == Counts{0, 1, 2, 0});
    CHECK(t.prompt_tokens == Counts{1, 1, 1, 1});
    CHECK(t.output_tokens == Counts{0, 0, 0, 0});
    // In the order of the file, though the last one is the earliest.
    CHECK(t.arrival_s == std::vector<double>{5, 5, 6, 4});
    CHECK(t.source_row == Counts{0, 1, 2, 3});
    REQUIRE(t.notes.size() == 1);
    CHECK(t.notes[0] ==
          "unit-size objects: sizes are ignored (3 of 4 records have a size other than 1; 1 of size 0 count, "
          "too)");
    for (bool decode : {false, true}) CHECK(t.stored_blocks(3, decode) == 1);
    CHECK(load_text(record(0, 1), kFormat).notes[0] ==
          "unit-size objects: sizes are ignored (0 of 1 records have a size other than 1)");
}

TEST_CASE("oracle_general: limits, and blocks that stay as they are") {
    TempDir dir;
    LoadOptions options;
    options.path = dir.write("t", records({9, 8, 9, 7}));
    options.format = kFormat;
    options.limit = 3;
    options.block_size = 1;
    Trace t = load_trace(options);
    CHECK(objects_of(t) == Counts{0, 1, 0});
    CHECK(t.objects);
    options.block_size = 2;
    CHECK_THROWS_WITH(load_trace(options),
                      "--block-size 2: format oracle_general names single objects, not prefixes; "
                      "they cannot be re-blocked");
    options.block_size = 0;
    options.link_outputs = true;
    CHECK_THROWS_AS(load_trace(options), Error);
    t.select({2, 1, 2, 0});
    CHECK(objects_of(t) == Counts{0, 1, 0, 0});
}

TEST_CASE("oracle_general: broken files") {
    std::string good = records({1, 2, 1});
    auto said = [](const std::string& bytes) { return complaint(bytes, kFormat); };
    for (size_t size : {1, 23, 25, 47, 71})
        CHECK(said(good.substr(0, size)) ==
              ": has " + std::to_string(size) + " bytes, no multiple of 24: the last record is cut off");
    CHECK(begins(said(""), ": has no requests"));
    for (int64_t wrong : {int64_t{-3}, int64_t{1} << 48, INT64_MAX - 1, INT64_MIN})
        CHECK(said(good + record(3, 4, 1, wrong) + good) ==
              ": record 4: next access " + std::to_string(wrong) +
                  ": expected the number of a record, or -1; are these records of oracleGeneral?");
    // Text of 48 bytes is two records that are none.
    CHECK(begins(said("{\"timestamp\": 0, \"input_length\": 10, \"output_len"), ": record 1: next access "));
    CHECK(begins(complaint(good, "oracle_general:size=1"), "'oracle_general' takes no parameters"));
}

TEST_CASE("oracle_general: every problem is found, the rest is read") {
    TempDir dir;
    std::string bad = record(0, 1, 1, INT64_MIN);
    LoadOptions options;
    options.path = dir.write("t", record(0, 5) + bad + record(1, 6) + bad + record(2, 5) + "cut");
    options.format = kFormat;
    ProblemList problems;
    options.problems = &problems;
    Trace t = load_trace(options);
    CHECK(problems.lines.size() == 3);
    CHECK(objects_of(t) == Counts{0, 1, 0});
    CHECK(t.arrival_s == std::vector<double>{0, 1, 2});
    CHECK(t.output_tokens.size() == 3);
    ProblemList one;
    one.limit = 1;
    options.problems = &one;
    CHECK(load_trace(options).requests() == 1);
    CHECK(one.lines.size() == 1);
}

TEST_CASE("oracle_general: the name tells, and never where there is text") {
    std::string good = records({1, 2, 1});
    for (const char* name : {"w96.oracleGeneral", "w96.oracleGeneral.bin", "a.b.oraclegeneral",
                             "c.oracleGeneral.sample10", "w.oracleGeneral.zst.22"})
        CHECK(detected(name, good) == kFormat);
    for (const char* name :
         {"w96.bin", "oracleGeneral", "x.oracleGeneralOpNS", "x.oracleGeneral.csv", "oracleGeneral.bin"}) {
        CAPTURE(name);
        CHECK(begins(detected(name, good), ":1: cannot tell the trace format"));
    }
    CHECK(detected("x.oracleGeneral",
                   "{\"timestamp\": 0, \"input_length\": 10, \"output_length\": 1, \"hash_ids\": [0]}\n") ==
          "mooncake");
    CHECK(detected("x.oracleGeneral",
                   "TIMESTAMP,ContextTokens,GeneratedTokens\n2023-11-16 18:15:46.6805900,374,44\n") ==
          "azure");
    CHECK(begins(detected("x.oracleGeneral", "1,2\n"), ":1: cannot tell"));
    CHECK(begins(detected("x.oracleGeneral.bin", ""), ": is empty"));
    CHECK(begins(detected("x.oracleGeneral.bin", good.substr(0, 20)), ": has 20 bytes"));
}

TEST_CASE("oracle_general: compressed, in shards, with a digest") {
    TempDir dir;
    std::string bytes = records({3, 4, 3, 5});
    Trace plain = load_named(dir, "a.oracleGeneral.bin", bytes);
    CHECK(objects_of(plain) == Counts{0, 1, 0, 2});
    CHECK(plain.sha256.size() == 64);
    CHECK(plain.sha256 == run_program("sha256sum", {"-"}, bytes).out.substr(0, 64));
    Trace gz = load_named(dir, "a.oracleGeneral.gz", gzipped(bytes));
    CHECK(objects_of(gz) == objects_of(plain));
    CHECK(gz.sha256 == plain.sha256);
    ProcessResult packed = run_program("zstd", {"-c"}, bytes);
    if (packed.exit_code == 0) {
        Trace zst = load_named(dir, "a.oracleGeneral.bin.zst", packed.out);
        CHECK(objects_of(zst) == objects_of(plain));
        CHECK(zst.sha256 == plain.sha256);
        CHECK(begins(detected("b.oracleGeneral.bin.zst", packed.out.substr(0, packed.out.size() - 3)),
                     ": truncated: the zstd"));
    } else {
        MESSAGE("skipped: zstd is not there");
    }
    std::filesystem::create_directory(dir.path("d"));
    dir.write("d/0.oracleGeneral", bytes);
    dir.write("d/1.oracleGeneral", records({5, 6, 3}));
    LoadOptions options;
    options.path = dir.path("d");
    CHECK(objects_of(load_trace(options)) == Counts{0, 1, 0, 2, 2, 3, 0});
    dir.write("d/1.oracleGeneral", "cut");
    CHECK_THROWS_AS(load_trace(options), Error);
}

// More than any buffer holds, with a table that grows often; ids that are alike in their low or their high
// bits.
TEST_CASE("oracle_general: 300,000 records against a map") {
    Random random(7);
    for (uint64_t step : {uint64_t{1}, uint64_t{4096}, uint64_t{1} << 40, uint64_t{0x9E3779B97F4A7C15}}) {
        std::vector<uint64_t> ids;
        for (int i = 0; i < 300000; ++i) ids.push_back(random.below(1 + static_cast<uint64_t>(i) / 3) * step);
        Trace t = load_text(records(ids), kFormat);
        CHECK(objects_of(t) == numbered(ids));
        CHECK(t.arrival_s.back() == 299999);
    }
}

TEST_CASE("oracle_general: random records against a map") {
    CHECK(kvsim_test::random_check([] {
        auto ids = *rc::gen::nonEmpty(rc::gen::container<std::vector<uint64_t>>(
            rc::gen::oneOf(rc::gen::arbitrary<uint64_t>(), rc::gen::inRange<uint64_t>(0, 5))));
        RC_ASSERT(objects_of(load_text(records(ids), kFormat)) == numbered(ids));
    }));
}

TEST_CASE("records: pieces of any size, and what is left over") {
    TempDir dir;
    std::string bytes;
    for (int i = 0; i < 700000; ++i) bytes += static_cast<char>(i * 7 + i / 256);
    bytes[0] = '\n';
    for (size_t size : {1, 7, 24, 4096, 1000003}) {
        LineSource source(dir.write("f", bytes), true);
        CHECK(source.size_hint() == bytes.size());
        CHECK(source.peek(3) == bytes.substr(0, 3));
        CHECK(source.peek(size) == bytes.substr(0, size));
        std::string all;
        size_t rest = 0;
        for (std::string_view piece = source.next_records(size); !piece.empty();
             piece = source.next_records(size)) {
            CHECK(rest == 0);
            rest = piece.size() % size;
            if (rest != 0) CHECK(piece.size() < size);
            all += piece;
        }
        CHECK(all == bytes);
        CHECK(rest == bytes.size() % size);
        CHECK(source.sha256() == run_program("sha256sum", {"-"}, bytes).out.substr(0, 64));
    }
    LineSource few(dir.write("g", "ab"), false);
    CHECK(few.peek(24) == "ab");
    CHECK(few.next());
    CHECK(few.line() == "ab");
    LineSource packed(dir.write("h", gzipped(bytes)), false);
    CHECK(packed.size_hint() == 0);
}

}  // namespace format_oracle_general_test
