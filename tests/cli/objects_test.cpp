// Traces of single objects on the command line: libCacheSim's records and tables.
#include "cli.h"
#include "unit/oracle_bytes.h"

namespace objects_test {

using namespace kvsim_test;

namespace {

struct Objects {
    TempDir dir;
    /// 1 2 1 3 2 1: with room for two, LRU hits the second 1 (2 goes for 3, then 1 for 2): 1 hit of 6.
    std::string binary = dir.write("t.oracleGeneral.bin", records({1, 2, 1, 3, 2, 1}));
    std::string csv = dir.write("t.csv", "time,id,size\n0,1,9\n1,2,1\n2,1,1\n3,3,1\n4,2,1\n5,1,1\n");
};

}  // namespace

TEST_CASE("objects: flat replay") {
    Objects o;
    for (const Args& trace : {Args{o.binary}, Args{o.csv, "--format", "object_csv"}}) {
        for (const char* decode : {"on", "off"}) {
            Json j = replay_report(
                trace + Args{"--accounting", "flat", "--blocks", "2", "--decode", decode, "--verify"});
            CHECK(j["results"]["hits"]["lookup_blocks"] == 6);
            CHECK(j["results"]["hits"]["hit_blocks"] == 1);
            CHECK(j["results"]["hits"]["any_hit_blocks"] == 1);
            CHECK(j["results"]["evictions"]["blocks"] == 3);
            CHECK(j["bounds"]["unlimited"]["hit_blocks"] == 3);
            CHECK(j["trace"]["prompt_tokens"] == 6);
            CHECK(j["trace"]["output_tokens"] == 0);
            CHECK(j["trace"]["unique_blocks"] == 3);
            CHECK(contains(j["definitions"]["lookup"], "the one object of each request"));
        }
        ProcessResult r = succeeds(Args{"replay"} + trace + Args{"--accounting", "flat", "--blocks", "67%"});
        CHECK(contains(r.out, "6 requests, 6 lookups of single objects, a block each, 3 unique"));
        CHECK(contains(r.out, "capacity 2 blocks"));
        CHECK(contains(r.err, "note: unit-size objects: sizes are ignored ("));
        r = succeeds(Args{"trace", "info"} + trace);
        CHECK(contains(r.out, "ids name") == false);
        CHECK(contains(r.out, "single objects, a block each"));
        CHECK(contains(succeeds(Args{"trace", "validate"} + trace).out, "ok: 6 requests, format o"));
    }
    std::string rows = succeeds({"replay", o.binary, "--accounting", "flat", "--blocks", "2", "--per-request",
                                 "-", "--quiet"})
                           .out;
    CHECK(lines_of(rows).size() == 6);
    std::string again = o.dir.write("r.json", replay_report({o.binary, "--accounting", "flat"}).dump());
    CHECK(replay_report({"--config", again, o.binary})["config"]["accounting"] == "flat");
}

TEST_CASE("objects: everything that needs prefixes is refused") {
    Objects o;
    fails({"replay", o.binary}, {"--accounting pinned: format oracle_general names single objects, not "
                                 "prefixes; use --accounting flat"});
    fails({"replay", o.csv, "--format", "object_csv", "--accounting", "tree"},
          {"--accounting tree: format object_csv names single objects, not prefixes; use --accounting flat"});
    fails({"replay", o.binary, "--accounting", "flat", "--block-size", "16"},
          {"--block-size 16: format oracle_general names single objects, not prefixes; they cannot be "
           "re-blocked"});
    succeeds({"replay", o.binary, "--accounting", "flat", "--block-size", "1"});
    fails({"replay", o.binary, "--accounting", "flat", "--match", "token"}, {"--match: ", "single objects"});
    fails({"replay", o.binary, "--match", "snapshot"}, {"--match: ", "single objects"});
    for (const char* layout : {"paged", "contiguous"})
        fails({"replay", o.binary, "--layout", layout},
              {std::string("--layout ") + layout,
               "single objects, not prefixes; use --layout prefix --accounting flat"});
    fails({"replay", o.binary, "--accounting", "flat", "--decode", "linked"},
          {"neither sessions nor parents"});
    fails({"replay", o.binary, "--accounting", "flat", "--concurrency", "2"},
          {"--concurrency has no effect"});
    fails({"replay", o.dir.write("c.oracleGeneral", read_file(o.binary).substr(0, 100)), "--accounting",
           "flat"},
          {"has 100 bytes, no multiple of 24: the last record is cut off"});
    fails({"replay", o.csv, "--format", "object_csv:time=0"}, {"time=0: expected a column"});
    ProcessResult r = kvsim({"trace", "validate", "-", "--format", "oracle_general"}, std::string(30, '\0'));
    CHECK(r.exit_code == 2);
    CHECK(contains(r.out, "<stdin>: has 30 bytes"));
}

TEST_CASE("objects: convert there and back") {
    TempDir dir;
    std::string demo = dir.write("t.jsonl", kDemo);
    for (const char* format : {"oracle_general", "object_csv"}) {
        ProcessResult r = succeeds({"trace", "convert", demo, "--to", format, "--output", dir.path("out")});
        CHECK(contains(r.err, "note: the copy loses requests and lengths: 4 requests become 9 records"));
        CHECK(contains(r.err, "note: the copy loses output: only what prompts look up is written, as with --decode off"));
        Args flat = {"--accounting", "flat", "--decode", "off", "--blocks", "2"};
        Json was = replay_report(Args{demo} + flat),
             is = replay_report(Args{dir.path("out"), "--format", format} + flat);
        CHECK(is["trace"]["requests"] == 9);
        CHECK(is["trace"]["unique_blocks"] == 4);
        CHECK(is["results"]["hits"]["any_hit_blocks"] == was["results"]["hits"]["any_hit_blocks"]);
        // What is an object already changes no more.
        r = succeeds({"trace", "convert", dir.path("out"), "--format", format, "--to", format, "--output",
                      "-", "--quiet"});
        CHECK(r.out == read_file(dir.path("out")));
    }
    std::string lengths = dir.write("l.csv", "arrived_at,num_prefill_tokens,num_decode_tokens\n0,5,5\n");
    std::string out = dir.path("none");
    fails({"trace", "convert", lengths, "--to", "oracle_general", "--output", out},
          {"the trace names no blocks"});
    CHECK_FALSE(file_exists(out));
    std::string formats = succeeds({"list", "formats"}).out;
    CHECK(contains(formats, "oracle_general"));
    CHECK(contains(
        formats,
        "time=1 id=2 size=3 delimiter=comma|tab|space|semicolon header=auto|on|off; can be written"));
}

}  // namespace objects_test
