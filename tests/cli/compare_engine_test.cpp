// kvsim compare --engine: every engine cell is a replay of its own in the same room, whatever stands beside it and
// however many tokens its blocks have.
#include "cli.h"
#include "small_trace.h"

#include <cstdio>

namespace compare_engine_test {

using namespace kvsim_test;

namespace {

Json compared(const Args& args) {
    return Json::parse(succeeds(Args{"compare"} + args + Args{"--report", "-", "--quiet"}).out);
}

std::string table_of(const Args& args) { return succeeds(Args{"compare"} + args + Args{"--quiet"}).out; }

std::string same_report(Json report) {
    report.erase("timing");
    for (Json& cell : report["cells"]) cell.erase("timing");
    return report.dump();
}

std::string without_clock(Json cell) {
    cell.erase("timing");
    cell.erase("difference");
    return cell.dump();
}

bool has_pages(const std::string& engine) { return engine.rfind("sglang", 0) == 0; }

/// Replays the configuration of a cell, in its own blocks, and holds it against the cell.
void check_cell(const Json& cell, const std::string& trace, const Args& rest) {
    const Json& axes = cell["axes"];
    std::string engine = axes["engine"];
    Args args = Args{trace, "--engine", engine} + rest;
    if (cell["capacity"].contains("blocks"))
        args = args + Args{"--blocks", std::to_string(cell["capacity"]["blocks"].get<uint64_t>())};
    if (!has_pages(engine)) args = args + Args{"--block-size", std::to_string(axes["block_size"].get<uint64_t>())};
    INFO(shown(args));
    CHECK(!axes.contains("layout"));
    CHECK(!axes.contains("accounting"));
    CHECK(!axes.contains("eviction"));
    REQUIRE(cell["status"] == "ok");
    Json one = replay_report(args);
    CHECK(cell["results"].dump() == one["results"].dump());
    CHECK(cell["capacity"].dump() == one["capacity"].dump());
    CHECK(cell["bounds"].dump() == one["bounds"].dump());
    CHECK(axes["block_size"] == one["trace"]["block_size"]);
    CHECK(!cell["results"].contains("misses"));
}

/// The cells of `axes`; `rest` is said to compare and to replay.
Json check_cells(const std::string& trace, const Args& axes, const Args& rest, size_t cells) {
    Json report = compared(Args{trace} + axes + rest);
    REQUIRE(report["cells"].size() == cells);
    for (const Json& cell : report["cells"]) check_cell(cell, trace, rest);
    return report;
}

const std::string kAll = "vllm,vllm_classic,sglang,sglang_unified:page=2,policy=lfu,vllm:caching=off,sglang:page=8";

/// Requests that arrive at steps.
std::string step_trace() {
    std::string text = "{\"kvsim_trace\":1,\"name\":\"steps\"}\n";
    for (int i = 0; i < 12; ++i)
        text += "{\"op\":\"request\",\"seq\":\"r" + std::to_string(i) + "\",\"t\":" + std::to_string(i) + ",\"step\":" +
                std::to_string(i / 3) + ",\"tokens\":[1,2,3,4,5,6,7,8," + std::to_string(10 + i % 4) + "],\"output_length\":5}\n";
    return text;
}

}  // namespace

TEST_CASE("compare --engine: each cell is what replay --engine says of it") {
    TempDir dir;
    std::string trace = dir.write("t.jsonl", small_trace(1, 60));
    Args all{"--engine", kAll};
    check_cells(trace, all + Args{"--blocks", "12,20%,unlimited"}, {}, 18);
    check_cells(trace, all + Args{"--tokens", "50,90"}, {}, 12);
    Args few{"--engine", "vllm,sglang", "--blocks", "15,40%"};
    check_cells(trace, few, {"--warmup", "25%", "--verify"}, 4);
    check_cells(trace, few, {"--limit", "30", "--decode", "off"}, 4);
    check_cells(trace, few, {"--decode", "linked"}, 4);
    check_cells(trace, few + Args{"--block-size", "2,8"}, {}, 8);
    check_cells(trace, {"--engine", "vllm:step_ms=500,vllm_classic", "--blocks", "15,30"}, {"--arrivals", "time"}, 4);
    check_cells(trace, all + Args{"--memory", "8MiB,9MB"}, {"--model", "llama-3.1-8b", "--gpu", "h100-sxm"}, 12);
    std::string steps = dir.write("s.jsonl", step_trace());
    check_cells(steps, {"--engine", "vllm,vllm:max_num_seqs=2,policy=priority", "--blocks", "10,20", "--block-size", "2"},
                {"--arrivals", "step"}, 4);
    Json defaults = check_cells(trace, {"--engine", "vllm,sglang"}, {}, 10);
    CHECK(defaults["config"]["blocks"].dump() == R"(["1%","5%","10%","25%","50%"])");
}

TEST_CASE("compare --engine: a capacity is the same room for all, in blocks of their own") {
    TempDir dir;
    std::string trace = dir.write("t.jsonl", small_trace(2, 40));
    auto tokens = [](const Json& cell) { return cell["capacity"]["tokens"].get<uint64_t>(); };
    // Blocks of the table: 13 of 4 tokens are 52 tokens: 26 pages of 2, 6 of 8 (48 tokens).
    Json blocks = compared({trace, "--engine", kAll, "--blocks", "13"});
    const uint64_t of_page[] = {13, 13, 52, 26, 13, 6};
    for (size_t i = 0; i < 6; ++i) CHECK(blocks["cells"][i]["capacity"]["blocks"] == of_page[i]);
    // Tables in blocks of 2 and of 8: 26 and 104 tokens.
    Json tables = compared({trace, "--engine", "vllm,sglang,sglang:page=8", "--blocks", "13", "--block-size", "2,8"});
    REQUIRE(tables["cells"].size() == 6);
    const uint64_t room[] = {26, 26, 24, 104, 104, 104};
    for (size_t i = 0; i < 6; ++i) CHECK(tokens(tables["cells"][i]) == room[i]);
    CHECK(tables["traces"][0]["block_size"] == 2);
    CHECK(tables["traces"][1]["block_size"] == 8);
    Json other_way = compared({trace, "--engine", "sglang,vllm", "--blocks", "13"});
    CHECK(other_way["traces"].dump() == compared({trace, "--engine", "vllm,sglang", "--blocks", "13"})["traces"].dump());
    // Shares are of the table's unique blocks.
    Json share = compared({trace, "--engine", "vllm,sglang", "--blocks", "50%"});
    CHECK(tokens(share["cells"][0]) == share["traces"][0]["unique_blocks"].get<uint64_t>() / 2 * 4);
    CHECK(tokens(share["cells"][1]) == tokens(share["cells"][0]));
    // 9 MB hold 68 tokens of 131,072 bytes: 17 blocks of 4, 34 pages of 2, 8 of 8.
    Json memory = compared({trace, "--engine", kAll, "--memory", "9MB", "--model", "llama-3.1-8b"});
    const uint64_t of_memory[] = {17, 17, 68, 34, 17, 8};
    for (size_t i = 0; i < 6; ++i) CHECK(memory["cells"][i]["capacity"]["blocks"] == of_memory[i]);
    for (const Json& cell : memory["cells"]) CHECK(cell["capacity"]["bytes"] == tokens(cell) * 131072);
    // A table of one engine alone counts blocks of the trace too.
    CHECK(tokens(compared({trace, "--engine", "sglang", "--blocks", "13"})["cells"][0]) == 52);
}

TEST_CASE("compare --engine: beside strategies nothing changes for either") {
    TempDir dir;
    std::string trace = dir.write("t.jsonl", small_trace(3, 50));
    Args engines{"--engine", "vllm,sglang"}, room{"--blocks", "10,30"};
    Args strategies{"--eviction", "lru,fifo", "--accounting", "pinned,tree", "--layout", "prefix,paged", "--on-full", "wait"};
    Json both = compared(Args{trace} + engines + strategies + room);
    Json apart = compared(Args{trace} + strategies + room);
    Json alone = compared(Args{trace} + engines + room);
    std::vector<std::string> expected, found;
    for (const Json& cell : apart["cells"]) expected.push_back(without_clock(cell));
    for (const Json& cell : alone["cells"]) expected.push_back(without_clock(cell));
    for (const Json& cell : both["cells"]) found.push_back(without_clock(cell));
    CHECK(found == expected);
    CHECK(both["knees"].dump() == apart["knees"].dump());
    CHECK(alone["knees"].empty());
    // --layout alone means all its strategies, and engines; --match token leaves engines their blocks.
    CHECK(compared({trace, "--engine", "vllm", "--layout", "prefix", "--blocks", "9"})["cells"].size() > 20);
    Json token = compared({trace, "--engine", "vllm", "--eviction", "lru", "--match", "token", "--blocks", "9"});
    REQUIRE(token["cells"].size() == 2);
    CHECK(token["cells"][0]["axes"]["block_size"] == 1);
    CHECK(token["cells"][1]["axes"]["block_size"] == 4);
    CHECK(token["cells"][0]["capacity"]["tokens"] == token["cells"][1]["capacity"]["tokens"]);
}

TEST_CASE("compare --engine: a report matches the schema and is a configuration of itself, with any number of threads") {
    TempDir dir;
    std::string trace = dir.write("t.jsonl", small_trace(4, 40)), other = dir.write("u.jsonl", small_trace(5, 40, "other"));
    const Args runs[] = {{trace, "--engine", kAll, "--blocks", "12,40%"},
                         {trace, other, "--engine", "vllm,sglang", "--eviction", "lru,random", "--accounting", "pinned,tree",
                          "--blocks", "12"},
                         {trace, "--engine", "sglang", "--versus", "vllm", "--tokens", "60", "--bootstrap-block", "2"},
                         {trace, "--engine", "vllm,sglang", "--arrivals", "time", "--memory", "9MB", "--model", "llama-3.1-8b"},
                         {trace, "--versus", "vllm:watermark=0.1,caching=on", "--eviction", "lru,arc", "--blocks", "12"}};
    std::vector<Json> reports;
    for (const Args& args : runs) {
        INFO(shown(args));
        Json report = compared(args + Args{"--jobs", "1"});
        reports.push_back(report);
        CHECK(same_report(compared(args + Args{"--jobs", "4"})) == same_report(report));
        Args again;
        for (const std::string& a : args)
            if (contains(a, ".jsonl")) again.push_back(a);
        again = again + Args{"--config", dir.write("r.json", report.dump())};
        CHECK(same_report(compared(again)) == same_report(report));
    }
    // An engine of the command line replaces those of the file; what stands beside them stays.
    Json changed = compared({trace, "--config", dir.write("r.json", reports[1].dump()), "--engine", "vllm_classic"});
    CHECK(changed["config"]["engine"].dump() == R"(["vllm_classic"])");
    CHECK(changed["config"]["eviction"].dump() == R"(["lru","random"])");
    Json more = compared({trace, "--config", dir.write("r.json", reports[0].dump()), "--layout", "prefix"});
    CHECK(more["config"]["engine"].dump() == reports[0]["config"]["engine"].dump());
    reports.push_back(std::move(changed));
    check_schema(dir, reports);
}

TEST_CASE("compare --engine: differences refer to the first engine, to lru beside strategies, or to --versus") {
    TempDir dir;
    std::string trace = dir.write("t.jsonl", small_trace(6, 80));
    auto rate = [](const Json& cell) { return cell["results"]["hits"]["token_hit_rate"].get<double>(); };
    auto check = [&](const Json& report, const std::string& versus, size_t baseline) {
        CHECK(report["config"]["versus"] == versus);
        for (size_t i = 0; i < report["cells"].size(); ++i) {
            const Json& cell = report["cells"][i];
            INFO(cell["axes"].dump());
            CHECK(cell.contains("difference") == (i != baseline));
            if (i == baseline) continue;
            CHECK(cell["difference"]["versus"] == versus);
            CHECK(cell["difference"]["token_hit_rate"].get<double>() ==
                  doctest::Approx(rate(cell) - rate(report["cells"][baseline])));
        }
    };
    Args room{"--blocks", "15"};
    check(compared(Args{trace, "--engine", "vllm_classic,vllm,sglang"} + room), "vllm_classic", 0);
    check(compared(Args{trace, "--engine", "vllm_classic,sglang", "--versus", "sglang:page=1"} + room), "sglang", 1);
    check(compared(Args{trace, "--engine", "vllm_classic", "--versus", "vllm"} + room), "vllm", 0);
    check(compared(Args{trace, "--engine", "vllm,sglang", "--eviction", "fifo,lru"} + room), "lru", 1);
    check(compared(Args{trace, "--engine", "vllm", "--eviction", "fifo,lru", "--versus", "vllm"} + room), "vllm", 2);
    check(compared(Args{trace, "--eviction", "fifo,lru", "--versus", "sglang"} + room), "sglang", 2);
    Json only = compared(Args{trace, "--engine", "sglang,vllm", "--layout", "contiguous"} + room);
    CHECK(only["config"]["versus"] == "sglang");
    CHECK(only["cells"].back().contains("difference"));
    // Each strategy keeps to its accounting; an engine, which has none, is held against the first.
    Json two = compared(Args{trace, "--engine", "vllm", "--eviction", "lru", "--accounting", "tree,pinned"} + room);
    REQUIRE(two["cells"].size() == 3);
    CHECK(!two["cells"][1].contains("difference"));
    CHECK(two["cells"][2]["difference"]["token_hit_rate"].get<double>() ==
          doctest::Approx(rate(two["cells"][2]) - rate(two["cells"][0])));
    Json none = compared(Args{trace, "--engine", "vllm", "--versus", "sglang", "--bootstrap-block", "0"} + room);
    CHECK(none["cells"].size() == 1);
}

TEST_CASE("compare --engine: what makes no sense is a skipped cell with its reason, or an error") {
    TempDir dir;
    std::string trace = dir.write("t.jsonl", small_trace(7, 30));
    Args both{"compare", trace, "--engine", "vllm,sglang", "--eviction", "lru", "--blocks", "12"};
    auto skipped = [&](const Args& args, size_t at, const std::string& reason) {
        Json report = Json::parse(succeeds(args + Args{"--report", "-", "--quiet"}).out);
        for (size_t i = 0; i < report["cells"].size(); ++i) {
            const Json& cell = report["cells"][i];
            INFO(cell.dump());
            if (cell["status"] != "skipped") CHECK(i < at);
            else CHECK(contains(cell["reason"].get<std::string>(), reason));
        }
        CHECK(report["cells"].back()["status"] == "skipped");
        check_schema(dir, {report});
        CHECK(contains(table_of(Args(args.begin() + 1, args.end())), "skipped sglang: "));
    };
    skipped(both + Args{"--arrivals", "time"}, 2, "--arrivals time: sglang is modelled one request after the other");
    skipped(both + Args{"--concurrency", "2"}, 1, "--concurrency 2 has no effect with --engine");
    fails({"compare", trace, "--engine", "vllm,sglang", "--concurrency", "2"}, {"--concurrency 2 has no effect with --engine"});
    fails({"compare", trace, "--engine", "sglang", "--arrivals", "time"}, {"--arrivals time", "sglang"});
    fails({"compare", trace, "--engine", "sglang:page=64", "--blocks", "12"}, {"--blocks 12: 48 tokens", "one block of 64"});
    fails({"compare", trace, "--engine", "sglang:page=64", "--tokens", "48"}, {"--tokens 48 is less than one block of 64"});

    std::string content = dir.write("o.csv", "1,7,1\n2,8,1\n3,7,1\n");
    Args objects{"compare", content, "--format", "object_csv:time=1,id=2,size=3", "--blocks", "1"};
    Json some = Json::parse(succeeds(objects + Args{"--engine", "vllm,sglang", "--eviction", "lru", "--accounting", "flat",
                                                    "--report", "-", "--quiet"}).out);
    CHECK(some["cells"][0]["status"] == "ok");
    CHECK(some["cells"][1]["status"] == "skipped");
    CHECK(some["cells"][2]["status"] == "skipped");
    fails(objects + Args{"--engine", "vllm"}, {"--engine vllm"});
}

TEST_CASE("compare --engine: errors before a trace is read") {
    auto refused = [](const Args& args, const std::vector<std::string>& parts) {
        fails(Args{"compare", "missing.jsonl"} + args, parts);
    };
    refused({"--engine", "vlm"}, {"unknown engine 'vlm'", "did you mean 'vllm'"});
    refused({"--engine", "vllm,,sglang"}, {"--engine vllm,,sglang", "empty item"});
    refused({"--engine", "vllm,sglang,vllm"}, {"--engine vllm: given twice"});
    refused({"--engine", "sglang,sglang:page=1"}, {"--engine sglang:page=1: given twice", "as sglang"});
    refused({"--engine", "sglang:page=0"}, {"page"});
    refused({"--engine", "vllm:pages=2"}, {"pages"});
    refused({"--engine", "vllm", "--accounting", "pinned"}, {"--accounting has no effect with --engine alone"});
    refused({"--engine", "vllm", "--match", "token"}, {"--match has no effect with --engine alone"});
    refused({"--engine", "vllm", "--on-full", "wait", "--eviction", "lru"}, {"--on-full has no effect under --layout prefix"});
    refused({"--engine", "vllm", "--kv-data", "synthetic:tokens=8"}, {"--kv-data has no effect with --engine alone"});
    refused({"--engine", "vllm", "--blame", "2"}, {"--blame has no effect with --engine alone"});
    refused({"--engine", "vllm", "--versus", "lru"}, {"--versus lru: expected an engine"});
    refused({"--engine", "vllm", "--versus", "sglang:page=x"}, {"page=x"});
    refused({"--engine", "vllm", "--memory", "1GiB"}, {"--memory needs --model"});
    refused({"--engine", "vllm", "--arrivals", "steps"}, {"--arrivals steps", "did you mean 'step'"});
    refused({"--eviction", "lru", "--arrivals", "step"}, {"--arrivals step has no effect without --engine"});
}

TEST_CASE("compare --engine: the table says whose blocks differ") {
    TempDir dir;
    std::string trace = dir.write("t.jsonl", small_trace(8, 60));
    std::string mixed = table_of({trace, "--engine", "vllm,sglang", "--eviction", "lru", "--blocks", "12"});
    CHECK(contains(mixed, "small: prefix layout, pinned, and engines, decode on, blocks of 4 tokens"));
    CHECK(contains(mixed, "sglang: in blocks of 1 token, as many as the same room holds; ceiling "));
    CHECK(!contains(mixed, "vllm: in blocks"));
    // Whoever stands first, the heading counts blocks of 4.
    auto head = [&](const char* engines) {
        std::vector<std::string> lines = lines_of(table_of({trace, "--engine", engines, "--blocks", "12", "--bootstrap-block", "0"}));
        REQUIRE(lines.size() > 4);
        CHECK(contains(lines[3] + "\n", " 12\n"));
        CHECK(contains(lines[4] + "\n", " 48\n"));
        return lines[0] + lines[1] + lines[3] + lines[4];
    };
    CHECK(head("sglang,vllm") == head("vllm,sglang"));
    std::string alone = table_of({trace, "--engine", "vllm,vllm_classic", "--blocks", "12"});
    CHECK(contains(alone, "small: engines, decode on, blocks of 4 tokens"));
    CHECK(contains(alone, "- worse than vllm,"));
    CHECK(!contains(alone, "in blocks of 4"));
    // All in pages of 2: these are the table's.
    std::string pages = table_of({trace, "--engine", "sglang:page=2,sglang_unified:page=2", "--tokens", "48", "--decode", "off"});
    CHECK(contains(pages, "small: engines, decode off, blocks of 2 tokens"));
    CHECK(contains(pages, " 24\n"));
    CHECK(contains(table_of({trace, "--engine", "vllm", "--blocks", "2"}), "vllm at 2: "));
    CHECK(contains(table_of({trace, "--engine", "vllm", "--arrivals", "time", "--blocks", "12"}), "arrivals of engines by time"));
}

TEST_CASE("golden: compare --engine on conversation: the published rates of three engines in one table") {
    std::string trace = shared_file("traces/mooncake/conversation_trace.jsonl.zst");
    if (trace.empty()) return;
    Json report = compared({trace, "--engine", "vllm,vllm_classic,sglang", "--blocks", "2000,8000"});
    // Of 144,793,823 input tokens; in 1,024,000 and 4,096,000 tokens of room.
    const char* published[] = {"0.0557", "0.1834", "0.0542", "0.1772", "0.0544", "0.1771"};
    REQUIRE(report["cells"].size() == 6);
    for (size_t i = 0; i < 6; ++i) {
        const Json& hits = report["cells"][i]["results"]["hits"];
        CHECK(hits["lookup_tokens"] == 144793823);
        char rate[16];
        std::snprintf(rate, sizeof rate, "%.4f", hits["token_hit_rate"].get<double>());
        CHECK(std::string(rate) == published[i]);
        CHECK(report["cells"][i]["capacity"]["tokens"] == (i % 2 == 0 ? 1024000 : 4096000));
    }
    CHECK(report["cells"][4]["results"]["hits"]["hit_tokens"] == 7880418);
    CHECK(report["cells"][5]["results"]["hits"]["hit_tokens"] == 25648477);
}

TEST_CASE("list engines: whose rules, of when, checked how, with their parameters") {
    for (const char* kind : {"engine", "engines"}) {
        Json rows = Json::parse(succeeds({"list", kind, "--report", "-"}).out)["engines"];
        REQUIRE(rows.size() == 4);
        for (const Json& row : rows) {
            CHECK(row["upstream_commit"].get<std::string>().size() > 40);
            CHECK(row["rules_date"].get<std::string>().size() == 10);
            CHECK((row["verified"] == "recorded runs" || row["verified"] == "from reading"));
            CHECK(!row["parameters"].empty());
        }
        CHECK(rows[2]["id"] == "sglang");
        CHECK(rows[2]["parameters"][0].dump() == R"({"key":"page","default":"1","summary":"tokens per page"})");
        std::string table = succeeds({"list", kind}).out;
        CHECK(contains(table, "page=1      tokens per page"));
        CHECK(contains(table, rows[0]["upstream_commit"].get<std::string>()));
    }
}

}  // namespace compare_engine_test
