// kvsim bench: options, errors, a tiny run and its report. No times are asserted.
#include "cli.h"

namespace bench_test {

using namespace kvsim_test;

namespace {

const Args kTiny = {"bench",     "--backend", "cpu:threads=1", "--batch", "2", "--context", "24",
                    "--samples", "1",         "--buffers",     "4MiB"};

}  // namespace

TEST_CASE("bench: a tiny run of every kernel writes a report that matches the schema and is its own configuration") {
    TempDir dir;
    std::string path = dir.path("r.json");
    std::string table = succeeds(kTiny + Args{"--report", path, "--kv-dtype", "bf16,int4:group=32,symmetric=on"}).out;
    Json r = Json::parse(read_file(path));
    check_schema(dir, {r});
    CHECK(r["kind"] == "bench");
    CHECK(r["config"]["kv_dtype"] == Json({"bf16", "int4:group=32,symmetric=on"}));
    std::string names;
    for (const Json& k : r["kernels"]) {
        CHECK(k["status"] == "ok");
        CHECK(k["bytes"] > 0);
        CHECK(k["samples"] == 1);
        if (!contains(names, k["name"].get<std::string>() + " ")) names += k["name"].get<std::string>() + " ";
    }
    CHECK(names ==
          "append append_step copy_blocks gather scatter transpose quantize dequantize decode accumulate top_k "
          "compact swap_out swap_in ");
    // 2 sequences x 24 tokens x 8 heads, keys and values: 256 bytes in, 256 stored, 8 for a slot.
    CHECK(r["kernels"][0]["bytes"] == 2 * 24 * (8 * 2 * (256 + 256) + 8));
    CHECK(r["backends"][0]["calibration"].size() == 16);
    for (const char* word : {"calibration", "append_step", "int4:group=32,symmetric=on", "of ceiling"})
        CHECK(contains(table, word));

    std::string printed = succeeds({"bench", "--config", path, "--print-config"}).out;
    for (const char* word : {"\"int4:group=32,symmetric=on\"", "\"context\": 24,", "cpu:threads=1"})
        CHECK(contains(printed, word));
}

TEST_CASE("bench: the other backend says why it was not measured, and alone it is an error") {
    ProcessResult cuda = kvsim({"bench", "gather", "--backend", "cuda", "--batch", "1", "--context", "16", "--samples",
                                "1", "--buffers", "4MiB", "--quiet"});
    if (cuda.exit_code == 0) {
        MESSAGE("there is a GPU");
        return;
    }
    CHECK(cuda.exit_code == 2);
    CHECK(contains(cuda.err, "--backend cuda: "));
    TempDir dir;
    ProcessResult r = succeeds({"bench", "gather", "--batch", "1", "--context", "16", "--samples", "1", "--buffers",
                                "4MiB", "--kv-dtype", "bf16", "--report", dir.path("r.json")});
    CHECK(contains(r.out, "cuda us"));
    CHECK(contains(r.out, "   not measured\n"));
    CHECK(contains(r.out, "  note: cuda not measured: "));
    Json j = Json::parse(read_file(dir.path("r.json")));
    check_schema(dir, {j});
    CHECK(j["backends"][1]["status"] == "not measured");
    CHECK(j["kernels"][1]["median_us"] == "not measured");
    CHECK(j["kernels"][1]["gb_per_s"] == "not measured");
}

TEST_CASE("bench: shapes of a model") {
    ProcessResult r = succeeds({"bench", "append_step", "--model", "qwen2.5-7b", "--backend", "cpu", "--samples", "1",
                                "--buffers", "4MiB", "--batch", "3", "--report", "-", "--quiet"});
    Json shape = Json::parse(r.out)["kernels"][0]["shape"];
    CHECK(shape.dump() ==
          "{\"kv_dtype\":\"bf16\",\"batch\":3,\"kv_heads\":4,\"head_dim\":128,\"block_size\":16,\"order\":\"hnd\"}");
    fails({"bench", "--model", "qwen2.5-7b", "--kv-heads", "4"}, {"--kv-heads and --model exclude each other"});
    fails({"bench", "--model", "deepseek-v3"}, {"--model deepseek-v3", "no layer keeps keys and values of heads"});
    fails({"bench", "--model", "qwen25-7b"}, {"qwen2.5-7b"});
}

TEST_CASE("bench: what cannot be is said in one line") {
    struct Row {
        Args args;
        std::vector<std::string> parts;
    };
    const Row rows[] = {{{"gathr"}, {"unknown kernel 'gathr'", "did you mean 'gather'?"}},
                        {{"gather", "gather"}, {"kernel gather: given twice"}},
                        {{"--kv-dtype", "bf61"}, {"bf61", "bf16"}},
                        {{"--kv-dtype", "int4:group=48"}, {"--kv-dtype int4:group=48", "48"}},
                        {{"--kv-dtype", "int4:axis=channel"}, {"--kv-dtype int4:axis=channel"}},
                        {{"--batch", "0"}, {"--batch 0: expected a whole number from 1"}},
                        {{"--batch", "1,1"}, {"--batch 1: given twice"}},
                        {{"--batch", "1,,2"}, {"empty item"}},
                        {{"--context", "99999999999"}, {"--context 99999999999"}},
                        {{"--context", "x"}, {"--context x"}},
                        {{"--head-dim", "12"}, {"12"}},
                        {{"--order", "hdn"}, {"--order hdn: expected hnd or nhd", "did you mean"}},
                        {{"--backend", "cdua"}, {"--backend cdua", "did you mean 'cuda'?"}},
                        {{"--backend", "cpu:threads=0"}, {"threads"}},
                        {{"--backend", "cpu:thread=1"}, {"thread"}},
                        {{"--min-time", "-1"}, {"--min-time -1: expected seconds"}},
                        {{"--min-time", "nan"}, {"--min-time nan"}},
                        {{"--samples", "0"}, {"--samples 0"}},
                        {{"--smaples", "3"}, {"did you mean '--samples'?"}},
                        {{"decode", "--backend", "cpu", "--q-heads", "9", "--batch", "1", "--context", "16",
                          "--samples", "1", "--buffers", "4MiB"},
                         {"9 query heads are no multiple of 8 KV heads"}},
                        {{"append", "--backend", "cpu", "--batch", "65536", "--context", "16777216", "--samples", "1",
                          "--buffers", "4MiB"},
                         {"kernels count to 2^31"}},
                        {{"append", "--backend", "cpu", "--batch", "128", "--context", "16000000", "--samples", "1",
                          "--buffers", "4MiB"},
                         {"free"}}};
    for (const Row& row : rows) fails(Args{"bench"} + row.args, row.parts);
    fails({"bench", "gather", "--report", "/nowhere/r.json"}, {"cannot write"}, 3);
}

TEST_CASE("bench: it is in the help, and list knows kernels and backends") {
    std::string help = succeeds({"bench", "--help"}).out;
    for (const char* option :
         {"--kv-heads", "--q-heads", "--head-dim", "--kv-dtype", "--batch", "--context", "--block-size", "--order",
          "--backend", "--model", "--min-time", "--samples", "--buffers", "--warmup", "--report"})
        CHECK(contains(help, option));
    CHECK(contains(help, "  kvsim bench decode gather"));
    for (const char* kind : {"kernels", "kernel"}) CHECK(contains(succeeds({"list", kind}).out, "copy-on-write"));
    std::string backends = succeeds({"list", "backends"}).out;
    for (const char* word : {"cpu", "cuda", "parameters threads=all"}) CHECK(contains(backends, word));
}

}  // namespace bench_test
