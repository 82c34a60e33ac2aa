// kvsim compare: every cell is a replay of its own, whatever stands beside it.
#include "cli.h"
#include "small_trace.h"

#include <filesystem>

namespace compare_test {

using namespace kvsim_test;

namespace {

Json compared(const Args& args) {
    return Json::parse(succeeds(Args{"compare"} + args + Args{"--report", "-", "--quiet"}).out);
}

/// Without what a clock says.
std::string same_report(Json report) {
    report.erase("timing");
    for (Json& cell : report["cells"]) cell.erase("timing");
    return report.dump();
}

/// Replays the configuration of a cell and holds it against the cell.
void check_cell(const Json& cell, const std::string& trace, const Args& rest, const std::string& capacity_option) {
    Args args{trace, capacity_option, cell["axes"]["capacity"].get<std::string>()};
    args = args + rest;
    const Json& axes = cell["axes"];
    args = args + Args{"--layout", axes["layout"].get<std::string>()};
    if (axes.contains("accounting")) args = args + Args{"--accounting", axes["accounting"].get<std::string>()};
    std::string eviction = axes.value("eviction", "");
    if (cell.contains("seeds")) eviction += ":seed=" + std::to_string(cell["seeds"]["median_seed"].get<uint64_t>());
    if (!eviction.empty()) args = args + Args{"--eviction", eviction};
    INFO(shown(args));
    REQUIRE(cell["status"] == "ok");
    Json one = replay_report(args);
    CHECK(cell["results"].dump() == one["results"].dump());
    CHECK(cell["capacity"].dump() == one["capacity"].dump());
    CHECK(cell.value("bounds", Json()).dump() == one.value("bounds", Json()).dump());
}

void check_cells(const std::string& trace, const Args& axes, const Args& rest, size_t cells,
                 const std::string& capacity_option = "--blocks") {
    Json report = compared(Args{trace} + axes + rest);
    REQUIRE(report["cells"].size() == cells);
    for (const Json& cell : report["cells"]) check_cell(cell, trace, rest, capacity_option);
}

std::string table_of(const Args& args) { return succeeds(Args{"compare"} + args).out; }

}  // namespace

TEST_CASE("plain: compare: each cell is what replay says of it") {
    TempDir dir;
    std::string trace = dir.write("t.jsonl", small_trace(1, 60));
    check_cells(trace,
                {"--accounting", "pinned,flat,tree", "--eviction", "lru,fifo,belady", "--blocks", "3,20%,unlimited"},
                {}, 27);
    Args few{"--eviction", "lru,s3_fifo", "--blocks", "5,40%"};
    check_cells(trace, few, {"--warmup", "25%"}, 4);
    check_cells(trace, few, {"--warmup", "7", "--limit", "30"}, 4);
    check_cells(trace, few, {"--decode", "off"}, 4);
    check_cells(trace, few, {"--decode", "linked"}, 4);
    check_cells(trace, few, {"--concurrency", "3"}, 4);
    check_cells(trace, few, {"--concurrency", "trace"}, 4);
    check_cells(trace, few, {"--match", "token"}, 4);
    check_cells(trace, few, {"--match", "token", "--block-size", "2"}, 4);
    check_cells(trace, few, {"--bounds", "none", "--verify"}, 4);
    check_cells(trace, few, {"--model", "llama-3.1-8b", "--gpu", "h100-sxm", "--tp", "2"}, 4);
    check_cells(trace, {"--eviction", "lru,fifo", "--tokens", "12,40"}, {"--block-size", "2"}, 4, "--tokens");
    check_cells(trace, {"--eviction", "lru,fifo", "--memory", "4MiB,9MB"}, {"--model", "llama-3.1-8b"}, 4, "--memory");
    check_cells(trace, {"--blocks", "30"}, {"--match", "snapshot:max_entries=4"}, 1);
}

TEST_CASE("compare: the same bytes whatever the number of threads") {
    TempDir dir;
    std::string trace = dir.write("t.jsonl", small_trace(2, 60));
    Args args{trace,     "--accounting", "pinned,tree",  "--blame",    "2",
              "--block-size", "4,8", "--eviction", "lru,random,arc,s3_fifo,gdsf,belady"};
    std::string one = same_report(compared(args + Args{"--jobs", "1"}));
    CHECK(one == same_report(compared(args + Args{"--jobs", "4"})));
    CHECK(table_of(args + Args{"--jobs", "1"}) == table_of(args + Args{"--jobs", "4"}));
}

TEST_CASE("compare: a report matches the schema and is a configuration of itself") {
    TempDir dir;
    std::string trace = dir.write("t.jsonl", small_trace(3, 40)),
                other = dir.write("u.jsonl", small_trace(4, 40, "other"));
    std::string events = dir.write("e.jsonl", kEvents);
    const Args runs[] = {{trace, "--blocks", "10%,50%"},
                         {trace, other, "--accounting", "pinned,tree:protect=chain", "--eviction",
                          "lru,random,s3_fifo:small=0.2", "--blame", "3"},
                         {trace, "--blocks", "3,4", "--warmup", "10%", "--decode", "off", "--bounds", "none", "--limit",
                          "30", "--seeds", "2", "--seed", "9"},
                         {trace, "--tokens", "40", "--block-size", "2,4", "--versus", "fifo", "--bootstrap-block", "5",
                          "--concurrency", "2"},
                         {trace, "--memory", "8MiB", "--model", "llama-3.1-8b,qwen3-8b", "--kv-dtype", "fp8_e4m3,bf16",
                          "--gpu", "h100-sxm"},
                         {trace, "--match", "snapshot", "--blocks", "20"},
                         {events, "--layout", "prefix,paged,contiguous", "--blocks", "6,9"},
                         {events, "--layout", "paged", "--on-full", "preempt", "--blocks", "6"}};
    std::vector<Json> reports;
    for (const Args& args : runs) {
        INFO(shown(args));
        Json report = compared(args);
        reports.push_back(report);
        std::string config = dir.write("r.json", report.dump());
        Args again{"--config", config};
        for (const std::string& a : args)
            if (contains(a, ".jsonl")) again.insert(again.begin(), a);
        if (again.size() > 3) std::swap(again[0], again[1]);
        CHECK(same_report(compared(again)) == same_report(report));
    }
    check_schema(dir, reports);
}

TEST_CASE("compare: defaults: every strategy, five capacities, pinned") {
    TempDir dir;
    std::string trace = dir.write("t.jsonl", small_trace(5, 80));
    Json report = compared({trace});
    CHECK(report["config"]["blocks"].dump() == R"(["1%","5%","10%","25%","50%"])");
    CHECK(report["config"]["accounting"].dump() == R"(["pinned"])");
    CHECK(report["config"]["eviction"].size() > 10);
    CHECK(report["cells"].size() == report["config"]["eviction"].size() * 5);
    // Without categories workload_aware says why it is not there.
    std::string plain = dir.write("p.jsonl",
                                  "{\"kvsim_trace\":1,\"block_size\":4}\n"
                                  "{\"op\":\"request\",\"seq\":\"a\",\"t\":0,\"length\":8,\"blocks\":[0,1]}\n"
                                  "{\"op\":\"request\",\"seq\":\"b\",\"t\":1,\"length\":8,\"blocks\":[0,1]}\n");
    size_t skipped = 0;
    Json uncategorized = compared({plain, "--blocks", "1"});
    for (const Json& cell : uncategorized["cells"])
        if (cell["axes"]["eviction"] == "workload_aware") {
            CHECK(cell["status"] == "skipped");
            CHECK(contains(cell["reason"].get<std::string>(), "categor"));
            ++skipped;
        }
    CHECK(skipped == 1);
}

TEST_CASE("compare: several traces are counted up, and stay apart") {
    TempDir dir;
    std::string a = dir.write("a.jsonl", small_trace(6, 200, "first")),
                b = dir.write("b.jsonl", small_trace(7, 200, "second"));
    Args axes{"--eviction", "lru,belady,mru", "--blocks", "8,30", "--bootstrap-block", "10"};
    Json both = compared(Args{a, b} + axes);
    REQUIRE(both["cells"].size() == 12);
    REQUIRE(both["traces"].size() == 2);
    CHECK(both["traces"][0]["name"] == "first");
    CHECK(both["cells"][6]["axes"]["trace"] == "second");
    Json alone = compared(Args{b} + axes);
    for (size_t i = 0; i < 6; ++i) {
        CHECK(both["cells"][6 + i]["results"] == alone["cells"][i]["results"]);
        CHECK(both["cells"][6 + i]["bounds"] == alone["cells"][i]["bounds"]);
    }
    // belady cannot be worse than lru, mru hardly better; the table counts verdicts.
    std::map<std::string, std::map<std::string, int>> scores;
    for (const Json& cell : both["cells"])
        if (cell.contains("difference"))
            ++scores[cell["axes"]["eviction"].get<std::string>()][cell["difference"]["verdict"].get<std::string>()];
    CHECK(scores.size() == 2);
    CHECK(scores["belady"]["worse"] == 0);
    CHECK(scores["belady"]["better"] > 0);
    std::string table = table_of(Args{a, b} + axes);
    CHECK(contains(table, "against lru"));
    for (const std::string& line : lines_of(table)) {
        if (line.rfind("  belady ", 0) != 0 || contains(line, ".")) continue;
        std::string numbers;
        for (char c : line) numbers += c >= '0' && c <= '9' ? std::string(1, c) : "";
        CHECK(numbers ==
              std::to_string(scores["belady"]["better"]) + "0" + std::to_string(scores["belady"]["no_difference"]));
    }
    // Two traces of one name are told apart.
    std::filesystem::create_directory(dir.path("sub"));
    std::string c = dir.write("sub/c.jsonl", small_trace(8, 20, "first"));
    Json named = compared({a, c, "--eviction", "lru", "--blocks", "8"});
    CHECK(named["cells"][0]["axes"]["trace"] == "first");
    CHECK(named["cells"][1]["axes"]["trace"] == "first (2)");
}

TEST_CASE("compare: layouts side by side; what makes no sense is skipped, with its reason") {
    TempDir dir;
    std::string events = dir.write("e.jsonl", kEvents);
    Args axes{events, "--layout", "prefix,paged,contiguous", "--eviction", "lru,latest,s3_fifo", "--blocks", "6,12"};
    Json report = compared(axes);
    CHECK(report["cells"].size() == 18);
    std::map<std::string, int> ok, skipped;
    for (const Json& cell : report["cells"]) {
        std::string who = cell["axes"]["layout"].get<std::string>() + " " + cell["axes"]["eviction"].get<std::string>();
        if (cell["status"] == "ok") {
            ++ok[who];
            check_cell(cell, events, {}, "--blocks");
        } else {
            ++skipped[who];
            CHECK(cell["status"] == "skipped");
            CHECK(contains(cell["reason"].get<std::string>(), " strategy; expected a "));
            CHECK_FALSE(cell.contains("results"));
        }
    }
    CHECK(ok == std::map<std::string, int>{{"prefix lru", 2},
                                           {"prefix s3_fifo", 2},
                                           {"paged lru", 2},
                                           {"paged latest", 2},
                                           {"contiguous lru", 2},
                                           {"contiguous latest", 2}});
    CHECK(skipped == std::map<std::string, int>{{"prefix latest", 2}, {"paged s3_fifo", 2}, {"contiguous s3_fifo", 2}});
    std::string table = table_of(axes);
    CHECK(contains(table, "skipped prefix latest: --eviction latest is a sequence strategy; expected a block strategy"));
    CHECK(contains(table, "rejected requests / tokens computed again"));
    CHECK(contains(table, "token hit rate in %"));
    // An option counts where it is known.
    Json rules = compared({events, "--layout", "prefix,paged", "--on-full", "wait", "--accounting", "tree",
                           "--eviction", "lru", "--blocks", "8"});
    CHECK(rules["cells"][0]["status"] == "ok");
    CHECK(rules["cells"][0]["axes"]["accounting"] == "tree");
    CHECK(rules["cells"][1]["status"] == "skipped");  // --eviction has no effect with --on-full wait
    Json waits = compared({events, "--layout", "paged", "--on-full", "wait", "--blocks", "8"});
    REQUIRE(waits["cells"].size() == 1);
    CHECK(waits["cells"][0]["status"] == "ok");
    std::string requests = dir.write("t.jsonl", small_trace(17, 20));
    Json linked =
        compared({requests, "--layout", "prefix,paged", "--decode", "linked", "--blocks", "40", "--eviction", "lru"});
    CHECK(linked["cells"][0]["status"] == "ok");
    CHECK(contains(linked["cells"][1].value("reason", ""), "--decode linked has no effect"));
}

TEST_CASE("compare: lists of block sizes, models and dtypes") {
    TempDir dir;
    std::string trace = dir.write("t.jsonl", small_trace(9, 40));
    Json sizes = compared({trace, "--block-size", "2,4,16", "--eviction", "lru", "--blocks", "10%"});
    REQUIRE(sizes["cells"].size() == 3);
    for (const Json& cell : sizes["cells"]) {
        std::string size = std::to_string(cell["axes"]["block_size"].get<int>());
        check_cell(cell, trace, {"--block-size", size}, "--blocks");
    }
    Json models = compared({trace, "--model", "llama-3.1-8b,qwen3-8b", "--kv-dtype", "bf16,fp8_e4m3", "--eviction",
                            "lru", "--blocks", "10"});
    REQUIRE(models["cells"].size() == 4);
    for (const Json& cell : models["cells"]) {
        check_cell(cell, trace,
                   {"--model", cell["axes"]["model"].get<std::string>(), "--kv-dtype",
                    cell["axes"]["kv_dtype"].get<std::string>()},
                   "--blocks");
    }
    // 32 layers x 2 x 8 heads x 128 x 2 bytes = 131,072 per token, 4 tokens a block, 10 blocks.
    CHECK(models["cells"][0]["capacity"]["bytes"] == 131072 * 4 * 10);
    CHECK(models["cells"][1]["capacity"]["bytes"] == 131072 * 4 * 10 / 2);
}

TEST_CASE("compare: capacities given in every way") {
    TempDir dir;
    std::string trace = dir.write("t.jsonl", small_trace(10, 40));
    Json report = compared({trace, "--eviction", "lru", "--blocks", "5,0.01%,100%,unlimited", "--blocks", "7"});
    REQUIRE(report["cells"].size() == 5);
    CHECK(report["cells"][0]["capacity"]["blocks"] == 5);
    CHECK(report["cells"][1]["status"] == "skipped");
    CHECK(contains(report["cells"][1]["reason"].get<std::string>(), "--blocks 0.01% is less than one block"));
    CHECK(report["cells"][2]["capacity"]["blocks"] == report["traces"][0]["unique_blocks"]);
    CHECK(report["cells"][3]["capacity"].empty());
    CHECK_FALSE(report["cells"][3]["bounds"].contains("optimal"));
    CHECK(report["cells"][4]["axes"]["capacity"] == "7");
    CHECK(report["config"]["blocks"].dump() == R"(["5","0.01%","100%","unlimited","7"])");
    CHECK(contains(table_of({trace, "--eviction", "lru", "--blocks", "5,0.01%"}), "skipped"));
}

TEST_CASE("compare: differences refer to --versus, the same cell otherwise") {
    TempDir dir;
    std::string trace = dir.write("t.jsonl", small_trace(11, 300));
    Json report = compared({trace, "--eviction", "lru,mru", "--versus", "fifo", "--accounting", "pinned,flat",
                            "--blocks", "5,20", "--bootstrap-block", "20"});
    REQUIRE(report["cells"].size() == 12);  // fifo is added
    double rate[2][2] = {};
    for (const Json& cell : report["cells"])
        if (cell["axes"]["eviction"] == "fifo")
            rate[cell["axes"]["accounting"] == "flat"][cell["axes"]["capacity"] == "20"] =
                cell["results"]["hits"]["token_hit_rate"].get<double>();
    for (const Json& cell : report["cells"]) {
        CHECK(cell.contains("difference") == (cell["axes"]["eviction"] != "fifo"));
        if (!cell.contains("difference")) continue;
        const Json& d = cell["difference"];
        CHECK(d["versus"] == "fifo");
        double base = rate[cell["axes"]["accounting"] == "flat"][cell["axes"]["capacity"] == "20"];
        CHECK(d["token_hit_rate"].get<double>() ==
              doctest::Approx(cell["results"]["hits"]["token_hit_rate"].get<double>() - base).epsilon(1e-12));
        CHECK(d["low"].get<double>() <= d["high"].get<double>());
        CHECK(d["p_holm"].get<double>() >= d["p"].get<double>());
        bool shows = d["low"].get<double>() > 0 || d["high"].get<double>() < 0;
        if (d["verdict"] != "no_difference") CHECK(shows);
    }
    CHECK(report["confidence"]["block_requests"] == 20);
    CHECK(report["confidence"]["draws"] == 1000);  // 8 comparisons
    Json none = compared({trace, "--eviction", "lru,mru", "--blocks", "5", "--bootstrap-block", "0"});
    CHECK(none["cells"].size() == 2);
    CHECK_FALSE(none.contains("confidence"));
    CHECK_FALSE(none["cells"][1].contains("difference"));
    // Nothing is added where nothing is compared.
    CHECK(compared({trace, "--eviction", "mru", "--blocks", "5", "--bootstrap-block", "0"})["cells"].size() == 1);
    // Another seed draws other requests, a trace that is short other blocks.
    Json seed = compared({trace, "--eviction", "lru,mru", "--blocks", "5", "--bootstrap-block", "20", "--seed", "5"});
    CHECK(seed["confidence"]["seed"] == 5);
    CHECK(compared({trace, "--eviction", "lru,mru", "--blocks", "5"})["confidence"]["drawn_block_requests"].dump() ==
          "[30]");
}

TEST_CASE("compare: strategies that draw random numbers show their median run") {
    TempDir dir;
    std::string trace = dir.write("t.jsonl", small_trace(12, 60));
    Json report =
        compared({trace, "--eviction", "random,random:seed=3", "--blocks", "6", "--seeds", "3", "--seed", "2"});
    std::vector<double> rates;
    for (const char* seed : {"2", "3", "4"})
        rates.push_back(replay_report({trace, "--eviction", std::string("random:seed=") + seed, "--blocks",
                                       "6"})["results"]["hits"]["token_hit_rate"]);
    const Json& cell = report["cells"][1];
    CHECK(cell["axes"]["eviction"] == "random");
    CHECK(cell["seeds"]["runs"] == 3);
    std::vector<double> sorted = rates;
    std::sort(sorted.begin(), sorted.end());
    CHECK(cell["seeds"]["token_hit_rate_low"] == sorted[0]);
    CHECK(cell["seeds"]["token_hit_rate_median"] == sorted[1]);
    CHECK(cell["seeds"]["token_hit_rate_high"] == sorted[2]);
    CHECK(cell["results"]["hits"]["token_hit_rate"] == sorted[1]);
    CHECK(rates[cell["seeds"]["median_seed"].get<size_t>() - 2] == sorted[1]);
    check_cell(cell, trace, {}, "--blocks");
    CHECK_FALSE(report["cells"][2].contains("seeds"));
    CHECK(report["cells"][2]["results"]["hits"]["token_hit_rate"] == rates[1]);
    CHECK(contains(table_of({trace, "--eviction", "random", "--blocks", "6", "--seeds", "3"}),
                   "random at 6: median of 3 seeds, from "));
}

TEST_CASE("compare: misses add up, and blame says whose") {
    TempDir dir;
    std::string trace = dir.write("t.jsonl", small_trace(13, 100));
    Args args{trace, "--eviction", "lru,fifo", "--blocks", "6,12", "--accounting", "pinned,flat,tree"};
    Json everyone = compared(args + Args{"--blame", "1000"}), two = compared(args + Args{"--blame", "2"});
    for (const Json& cell : everyone["cells"]) {
        const Json& m = cell["results"]["misses"];
        const Json& h = cell["results"]["hits"];
        CHECK(m["compulsory"].get<uint64_t>() + m["stranded"].get<uint64_t>() + m["capacity"].get<uint64_t>() +
                  m["regret"].get<uint64_t>() ==
              h["lookup_blocks"].get<uint64_t>() - h["hit_blocks"].get<uint64_t>());
        for (const char* kind : {"prefixes", "sessions", "categories"}) {
            uint64_t sum = 0;
            Json who = cell["blame"].value(kind, Json::array());
            for (const Json& b : who) sum += b["regret_blocks"].get<uint64_t>();
            CHECK(sum == m["regret"]);
        }
    }
    for (const Json& cell : two["cells"]) {
        if (cell["results"]["misses"]["regret"] == 0) continue;
        CHECK(cell["blame"]["prefixes"].size() <= 2);
        CHECK(cell["blame"]["categories"].size() <= 2);
        CHECK(cell["blame"]["prefixes"][0]["label"].get<std::string>().rfind("request ", 0) == 0);
    }
    CHECK(contains(table_of(args + Args{"--blame", "2"}), "blocks regretted in"));
    Json none = compared(args + Args{"--bounds", "none"});
    CHECK_FALSE(none["cells"][0]["results"].contains("misses"));
    CHECK_FALSE(none["cells"][0]["bounds"].contains("optimal"));
    CHECK(none["cells"][0]["bounds"].contains("unlimited"));
}

TEST_CASE("compare: traces of lengths, of objects, from standard input") {
    TempDir dir;
    std::string lengths = dir.write("l.jsonl",
                                    "{\"kvsim_trace\":1,\"block_size\":4}\n"
                                    "{\"op\":\"request\",\"seq\":\"a\",\"t\":0,\"length\":8,\"output_length\":2}\n"
                                    "{\"op\":\"request\",\"seq\":\"b\",\"t\":1,\"length\":9,\"output_length\":2}\n");
    Json report = compared({lengths, "--layout", "prefix,paged", "--eviction", "lru", "--blocks", "4,8"});
    check_schema(dir, {report});
    for (const Json& cell : report["cells"]) {
        CHECK(cell["status"] == "ok");
        CHECK_FALSE(cell["results"].contains("hits"));
    }
    fails({"compare", lengths}, {"names no blocks", "--blocks 1%"});
    std::string objects = dir.write("o.csv", "1,5,1\n2,6,1\n3,5,1\n4,7,1\n5,6,1\n6,5,1\n");
    Args as{objects, "--format", "object_csv", "--blocks", "2"};
    Json flat = compared(as + Args{"--accounting", "flat,pinned", "--eviction", "lru,fifo"});
    check_schema(dir, {flat});
    CHECK(flat["cells"][0]["status"] == "ok");
    check_cell(flat["cells"][0], objects, {"--format", "object_csv"}, "--blocks");
    CHECK(flat["cells"][2]["status"] == "skipped");
    std::string config = dir.write("r.json", flat.dump());
    CHECK(same_report(compared({objects, "--config", config})) == same_report(flat));
    fails(Args{"compare"} + as, {"--accounting"});
    ProcessResult r = kvsim({"compare", "-", "--blocks", "2", "--eviction", "lru", "--report", "-", "--quiet"}, kDemo);
    CHECK(r.exit_code == 0);
    CHECK(Json::parse(r.out)["config"]["trace"].dump() == R"(["-"])");
    fails({"compare", "-", "-"}, {"given twice"}, 2, kDemo);
}

TEST_CASE("compare: what cannot be is said in one line") {
    TempDir dir;
    std::string trace = dir.write("t.jsonl", small_trace(14, 20));
    struct Row {
        Args args;
        std::vector<std::string> parts;
    };
    const Row rows[] = {{{"--eviction", "lru,s3fifo"}, {"unknown", "s3fifo", "did you mean 's3_fifo'"}},
                        {{"--eviction", "lru:depth=3"}, {"depth"}},
                        {{"--eviction", "lru,,fifo"}, {"--eviction lru,,fifo", "empty item"}},
                        {{"--eviction", "lru,fifo", "--eviction", "fifo"}, {"--eviction fifo", "twice"}},
                        {{"--versus", "nobody"}, {"unknown", "nobody"}},
                        {{"--accounting", "pinned,floating"}, {"floating"}},
                        {{"--layout", "prefix,tiled"}, {"tiled"}},
                        {{"--layout", "paged", "--accounting", "tree"}, {"--accounting has no effect"}},
                        {{"--on-full", "wait"}, {"--on-full has no effect under --layout prefix"}},
                        {{"--blocks", "5,x"}, {"--blocks x", "expected a whole number, a percentage from 0% to 100%, or unlimited"}},
                        {{"--blocks", "0"}, {"--blocks 0 is less than one block"}},
                        {{"--blocks", "5", "--tokens", "8"}, {"exclude each other"}},
                        {{"--tokens", "8,-1"}, {"--tokens -1"}},
                        {{"--memory", "1GiB"}, {"--memory needs --model"}},
                        {{"--memory", "1GiB,lots", "--model", "llama-3.1-8b"}, {"--memory lots"}},
                        {{"--model", "llama-9"}, {"unknown model"}},
                        {{"--kv-dtype", "fp8_e4m3"}, {"--kv-dtype has no effect without --model"}},
                        {{"--gpu", "h100-sxm"}, {"--gpu has no effect without --model"}},
                        {{"--tp", "2"}, {"--tp has no effect without --model"}},
                        {{"--block-size", "4,0"}, {"--block-size 0"}},
                        {{"--bounds", "some"}, {"--bounds some: expected all or none"}},
                        {{"--bounds", "none", "--blame", "2"}, {"--blame has no effect"}},
                        {{"--jobs", "0"}, {"--jobs 0"}},
                        {{"--seeds", "0"}, {"--seeds 0"}},
                        {{"--warmup", "100%"}, {"--warmup 100%"}},
                        {{"--match", "snapshot", "--eviction", "lru"}, {"--eviction has no effect"}},
                        {{trace}, {"given twice"}},
                        {{dir.path("./t.jsonl")}, {"given twice"}}};
    for (const Row& row : rows) fails(Args{"compare", trace} + row.args, row.parts);
    fails({"compare"}, {"expected the argument trace"});
    fails({"compare", trace, "--report", trace}, {"is the input"});
    fails({"compare", trace, "--report", dir.path("no/r.json")}, {"cannot write"}, 3);
    fails({"compare", dir.path("none.jsonl")}, {"cannot open"}, 3);
    CHECK_FALSE(file_exists(dir.path("r.json")));
}

}  // namespace compare_test
