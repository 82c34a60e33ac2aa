// Traces written as accesses to single objects.
#include <kvsim/layout/prefix.h>
#include <kvsim/trace/generator.h>
#include <kvsim/trace/oracle_record.h>
#include <kvsim/trace/writer.h>
#include "support/random_check.h"

#include <algorithm>
#include <map>
#include <numeric>

#include "unit/load_text.h"
#include "unit/oracle_bytes.h"

namespace writer_objects_test {

using namespace kvsim;
using namespace kvsim_test;

namespace {

std::string written(const Trace& trace, const std::string& format) {
    TempDir dir;
    OutputFile out(dir.path("t"));
    write_trace(trace, format, out);
    out.commit();
    return read_file(dir.path("t"));
}

std::string refused(const Trace& trace, const std::string& format) {
    try {
        written(trace, format);
    } catch (const Error& e) {
        CHECK(e.kind() == ErrorKind::input);
        return e.what();
    }
    return "written";
}

bool says(const std::vector<std::string>& lines, const std::string& part) {
    return std::any_of(lines.begin(), lines.end(), [&](const std::string& l) { return begins(l, part); });
}

uint64_t flat_hits(const Trace& trace, uint64_t blocks) {
    RunOptions options;
    options.capacity_blocks = blocks;
    options.decode = false;
    RunResult run;
    make_prefix_cache("lru", Accounting::parse("flat"), trace, options)->run(trace, options, run);
    return std::accumulate(run.any_hit_blocks.begin(), run.any_hit_blocks.end(), uint64_t{0});
}

/// Both formats read back as the same accesses, which hit as the trace does, and every `next` is right.
void check_trip(const Trace& trace) {
    std::string bytes = written(trace, "oracle_general");
    Trace binary = load_text(bytes, "oracle_general");
    Trace csv = load_text(written(trace, "object_csv"), "object_csv");
    uint64_t lookups = 0;
    for (uint32_t r = 0; r < trace.requests(); ++r) lookups += trace.lookup_blocks(r);
    REQUIRE(binary.requests() == lookups);
    REQUIRE(csv.requests() == lookups);
    CHECK(binary.arrival_s == csv.arrival_s);
    for (uint32_t r = 0; r < lookups; ++r) CHECK(ids_of(binary, r) == ids_of(csv, r));
    for (uint64_t blocks : {1, 2, 5, 40}) {
        CHECK(flat_hits(binary, blocks) == flat_hits(trace, blocks));
        CHECK(flat_hits(csv, blocks) == flat_hits(trace, blocks));
    }
    std::map<uint64_t, int64_t> later;  // object: the number, from 1, of the record that comes next
    for (int64_t number = static_cast<int64_t>(lookups); number > 0; --number) {
        OracleRecord record = OracleRecord::at(bytes, static_cast<size_t>(number - 1));
        auto next = later.find(record.object);
        CHECK(record.next == (next == later.end() ? -1 : next->second));
        CHECK(record.size == 1);
        later[record.object] = number;
    }
    // Objects are numbered without gaps.
    CHECK(later.rbegin()->first == later.size() - 1);
    // Once objects, a trace stays as it is.
    CHECK(written(binary, "oracle_general") == bytes);
    CHECK(what_is_lost(binary, "oracle_general").empty());
}

}  // namespace

// Chains 0 1 2, 0 1, 5, 0 1 2: records 1 to 9 name objects 0 1 2 0 1 3 0 1 2; object 0 is in 1, 4 and 7.
TEST_CASE("oracle_general: the records of four requests") {
    const std::string trace =
        "{\"timestamp\":0,\"input_length\":12,\"output_length\":3,\"hash_ids\":[0,1,2]}\n"
        "{\"timestamp\":999,\"input_length\":8,\"output_length\":0,\"hash_ids\":[0,1]}\n"
        "{\"timestamp\":2000,\"input_length\":4,\"output_length\":0,\"hash_ids\":[5]}\n"
        "{\"timestamp\":3999,\"input_length\":12,\"output_length\":0,\"hash_ids\":[0,1,2]}\n";
    Trace t = load_text(trace, "mooncake:tokens_per_id=4");
    CHECK(written(t, "oracle_general") == record(0, 0, 1, 4) + record(0, 1, 1, 5) + record(0, 2, 1, 9) +
                                              record(0, 0, 1, 7) + record(0, 1, 1, 8) + record(2, 3) +
                                              record(3, 0) + record(3, 1) + record(3, 2));
    CHECK(written(t, "object_csv") ==
          "time,id,size\n0,0,1\n0,1,1\n0,2,1\n0,0,1\n0,1,1\n2,3,1\n3,0,1\n3,1,1\n3,2,1\n");
    for (const char* format : {"oracle_general", "object_csv"}) {
        std::vector<std::string> lost = what_is_lost(t, format);
        CHECK(lost.size() == 3);
        CHECK(says(lost, "requests and lengths: 4 requests become 9 records, one per looked-up block"));
        CHECK(says(lost, "output: only what prompts look up is written"));
        CHECK(says(lost, "fractions of seconds"));
    }
    check_trip(t);
    // Smaller blocks are more objects.
    t.reblock_to(2);
    CHECK(load_text(written(t, "object_csv"), "object_csv").unique_blocks() == 8);
    check_trip(t);
}

TEST_CASE("objects: content ids are written as they are, wherever they stand") {
    Trace t = load_text(
        "{\"timestamp\":0,\"input_length\":4,\"output_length\":0,\"hash_ids\":[7,9,7]}\n"
        "{\"timestamp\":0,\"input_length\":4,\"output_length\":0,\"hash_ids\":[9]}\n",
        "mooncake:ids=content,tokens_per_id=4");
    CHECK(written(t, "object_csv") == "time,id,size\n0,0,1\n0,1,1\n0,0,1\n0,1,1\n");
    check_trip(t);
}

TEST_CASE("objects: generated traces of every kind") {
    for (const char* spec :
         {"uniform:requests=60", "chat:sessions=5,turns=3", "chat:sessions=4,named_output=on",
          "rag:requests=10,documents=20", "agents:sessions=3", "beam:prompts=3,steps=20,overlap=2"}) {
        CAPTURE(spec);
        Trace t = generate_trace(spec, 3);
        if (!t.has_named_output()) check_trip(t);
        std::string bytes = written(t, "oracle_general");
        std::map<uint32_t, uint64_t> objects;  // of blocks, by first appearance among lookups
        size_t at = 0;
        for (uint32_t r = 0; r < t.requests(); ++r)
            for (uint32_t block : lookup_ids(t, r))
                CHECK(OracleRecord::at(bytes, at++).object ==
                      objects.emplace(block, objects.size()).first->second);
        CHECK(bytes.size() == at * OracleRecord::kBytes);
    }
}

TEST_CASE("objects: random chains") {
    CHECK(kvsim_test::random_check([](const std::vector<std::vector<uint8_t>>& chains) {
        std::string text;
        for (size_t r = 0; r < chains.size(); ++r) {
            text += "{\"timestamp\":" + std::to_string(r * 400) +
                    ",\"input_length\":" + std::to_string(std::max<size_t>(1, 2 * chains[r].size())) +
                    ",\"output_length\":1,\"hash_ids\":[";
            for (size_t i = 0; i < chains[r].size(); ++i)
                text += (i ? "," : "") + std::to_string(chains[r][i] % 6);
            text += "]}\n";
        }
        bool any = std::any_of(chains.begin(), chains.end(), [](const auto& c) { return !c.empty(); });
        RC_PRE(any);
        check_trip(load_text(text, "mooncake:ids=content,tokens_per_id=2"));
    }));
}

TEST_CASE("objects: what cannot be written") {
    Trace lengths = load_text("arrived_at,num_prefill_tokens,num_decode_tokens\n0,5,5\n", "vidur");
    CHECK(refused(lengths, "oracle_general") ==
          "oracle_general lists objects, and the trace names no blocks; convert to kvsim");
    CHECK(begins(refused(lengths, "object_csv"), "object_csv lists objects, and the trace names no blocks"));
    CHECK(what_is_lost(lengths, "object_csv").empty());
    const std::string late =
        "{\"timestamp\":4294967296000,\"input_length\":4,\"output_length\":0,\"hash_ids\":[0]}\n";
    CHECK(refused(load_text(late, "mooncake:tokens_per_id=4"), "oracle_general") ==
          "oracle_general: request 0 arrives at 4294967296.000000 s; expected whole seconds from 0 to "
          "4294967295");
    CHECK(written(load_text(late, "mooncake:tokens_per_id=4"), "object_csv") ==
          "time,id,size\n4294967296,0,1\n");
    const std::string empty = "{\"timestamp\":0,\"input_length\":4,\"output_length\":0,\"hash_ids\":[]}\n";
    CHECK(begins(refused(load_text(empty, "mooncake:ids=content,tokens_per_id=4"), "object_csv"),
                 "object_csv lists looked-up blocks, and no request looks one up"));
}

TEST_CASE("objects: as prompts of one block") {
    Trace t = load_text(records({7, 8, 7}), "oracle_general");
    for (const char* format : {"kvsim", "mooncake"}) {
        CHECK(says(what_is_lost(t, format), "that every request is one object and no prompt"));
        Trace back = load_text(written(t, format),
                               std::string(format) == "kvsim" ? "kvsim" : "mooncake:tokens_per_id=1");
        CHECK(back.block_size == 1);
        CHECK(back.unique_blocks() == 2);
        CHECK(ids_of(back, 2) == std::vector<uint32_t>{0});
        CHECK(flat_hits(back, 2) == 1);
    }
}

}  // namespace writer_objects_test
