// The gate: every rule at its limit and one step beyond, what is no comparison, what is said.
#include <kvsim/core/error.h>
#include <kvsim/report/check.h>

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

namespace check_test {

using namespace kvsim;
using Json = nlohmann::ordered_json;

Json replay(uint64_t hit, uint64_t lookup) {
    return Json::parse(R"({"schema_version":"1.0","kind":"replay","tool":{"version":"1","git":"g"},"trace":{"name":"t","sha256":"aa"},
        "config":{"trace":"t.jsonl","blocks":10},"definitions":{"hit":"resident","memory":"bytes"},"capacity":{"blocks":10},
        "results":{"requests":{"total":4,"rejected":0},"hits":{"hit_tokens":)" +
                       std::to_string(hit) + R"(,"lookup_tokens":)" + std::to_string(lookup) + R"(,"token_hit_rate":)" +
                       Json(static_cast<double>(hit) / static_cast<double>(lookup)).dump() +
                       R"(},"evictions":{"blocks":7},"observed":{"token_hit_rate":0.5,"requests":4}},
        "bounds":{"unlimited":{"hit_blocks":9,"hit_tokens":90},"optimal":{"hit_blocks":8,"hit_tokens":80}},"timing":{"load_ms":1.5}})");
}
Json with_rate(double rate) {
    Json j = replay(1, 2);
    j["results"]["hits"] = {{"token_hit_rate", rate}};
    return j;
}

Json cell(const std::string& eviction, const std::string& capacity, double rate, const std::string& status = "ok") {
    Json c = {{"axes", {{"trace", "t"}, {"block_size", 16}, {"layout", "prefix"}, {"eviction", eviction}, {"capacity", capacity}}},
              {"status", status}};
    if (status != "ok") c["reason"] = "why";
    else c["results"] = {{"hits", {{"token_hit_rate", rate}}}, {"requests", {{"rejected", 0}}}};
    return c;
}
Json compare(const std::vector<Json>& cells, const std::string& trace = "t") {
    Json j = {{"schema_version", "1.0"}, {"kind", "compare"}, {"tool", {{"version", "1"}, {"git", "g"}}},
              {"traces", {{{"name", trace}, {"sha256", "aa"}}}}, {"config", Json::object()}, {"definitions", {{"hit", "resident"}}}};
    j["cells"] = Json::array();
    for (Json c : cells) {
        c["axes"]["trace"] = trace;
        j["cells"].push_back(c);
    }
    return j;
}

Json kernel(const char* name, double low, double median, double high, uint64_t samples = 20, const char* device = "cpu") {
    return {{"name", name},       {"backend", "cpu"}, {"device", device}, {"shape", {{"batch", 4}, {"kv_dtype", "bf16"}}}, {"status", "ok"},
            {"median_us", median}, {"p95_us", high},  {"ci_low_us", low}, {"ci_high_us", high}, {"gb_per_s", 100 / median}, {"samples", samples}};
}
Json bench(const std::vector<Json>& kernels) {
    return {{"schema_version", "1.0"}, {"kind", "bench"}, {"tool", {{"version", "1"}, {"git", "g"}}}, {"config", Json::object()},
            {"definitions", Json::object()}, {"backends", Json::array()}, {"kernels", kernels}};
}

CheckOptions rules(const std::vector<std::pair<CheckKind, std::string>>& texts) {
    CheckOptions o;
    for (const auto& [kind, text] : texts) o.rules.push_back(CheckRule::parse(kind, text));
    return o;
}
Check run(const Json& now, const Json& before, const CheckOptions& o = {}) { return check_reports("new.json", now, "base.json", &before, o); }
bool passes(const Json& now, const Json& before, CheckKind kind, const std::string& text) { return run(now, before, rules({{kind, text}})).passed(); }
bool passes(const Json& now, CheckKind kind, const std::string& text) {
    return check_reports("new.json", now, "", nullptr, rules({{kind, text}})).passed();
}
template <class F>
std::string error(F f) {
    try {
        f();
    } catch (const Error& e) {
        CHECK(e.kind() == ErrorKind::input);
        return e.what();
    }
    return "none";
}
std::string error(const Json& now, const Json& before, const CheckOptions& o = {}) {
    return error([&] { run(now, before, o); });
}
bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }
const CheckKind drop = CheckKind::max_drop, rise = CheckKind::max_rise, least = CheckKind::min, most = CheckKind::max, fail = CheckKind::fail_if;

TEST_CASE("check: exact numbers") {
    auto n = [](const char* text) { return *Exact::parse(text); };
    CHECK(n("0.5") - n("0.495") == n("0.005"));
    CHECK(n("0.5") - n("0.49499999999999994") > n("5e-3"));
    CHECK(n("-1.5e3") == -Exact(1500));
    CHECK(n("18446744073709551615") == Exact(~uint64_t{0}));
    CHECK(n("18446744073709551616") > Exact(~uint64_t{0}));
    CHECK(n("1e400") * n("1e-400") == Exact(1));
    CHECK(n("-0") == Exact());
    CHECK(n(".5") + n("-1.") == n("-.5"));
    CHECK(Exact::ratio(1, 3) + Exact::ratio(2, 3) == Exact(1));
    CHECK(Exact::ratio(1, 3) > Exact::of(1.0 / 3));  // 0.3333333333333333
    CHECK(Exact::of(5e-324) > Exact());
    CHECK(Exact::ratio(1, 3) / Exact::ratio(2, 3) == n("0.5"));
    for (const char* bad : {"", "-", ".", "1e", "1e999", "0x1", "nan", "inf", "1 ", "1.2.3", "1e-401", "--1"}) CHECK_FALSE(Exact::parse(bad));
}

TEST_CASE("check: a drop of exactly the limit passes, one step more does not") {
    // 0.5 - 0.495 in doubles is 0.0050000000000000044.
    CHECK(passes(with_rate(0.495), with_rate(0.5), drop, "token_hit_rate=0.005"));
    CHECK_FALSE(passes(with_rate(std::nextafter(0.495, 0)), with_rate(0.5), drop, "token_hit_rate=0.005"));
    CHECK(passes(with_rate(0.295), with_rate(0.3), drop, "token_hit_rate=5e-3"));
    // Counts: 1/3 of 3,000,000 tokens less 0.005 of them is 985,000.
    CHECK(passes(replay(985000, 3000000), replay(1000000, 3000000), drop, "token_hit_rate=0.005"));
    CHECK_FALSE(passes(replay(984999, 3000000), replay(1000000, 3000000), drop, "token_hit_rate=0.005"));
    // 1 % of 1/3: 990,000.
    CHECK(passes(replay(990000, 3000000), replay(1000000, 3000000), drop, "token_hit_rate=1%"));
    CHECK_FALSE(passes(replay(989999, 3000000), replay(1000000, 3000000), drop, "token_hit_rate=1%"));
    CHECK(passes(replay(7, 9), replay(2, 3), drop, "token_hit_rate=0"));
    CHECK_FALSE(passes(replay(199999999, 300000000), replay(2, 3), drop, "token_hit_rate=0"));
    // Counts that do not make the printed rate do not count.
    Json edited = replay(1000000, 3000000);
    edited["results"]["hits"]["token_hit_rate"] = 0.1;
    CHECK_FALSE(passes(edited, replay(1000000, 3000000), drop, "token_hit_rate=0.005"));
}

TEST_CASE("check: rise, least, most, and one comparison, at the limit and beyond") {
    Json base = replay(50, 100), now = base;
    now["results"]["evictions"]["blocks"] = 9;
    CHECK(passes(now, base, rise, "evictions.blocks=2"));
    CHECK_FALSE(passes(now, base, rise, "evictions.blocks=1.999"));
    CHECK(passes(base, now, rise, "evictions.blocks=0"));
    base["results"]["evictions"]["blocks"] = -10;
    now["results"]["evictions"]["blocks"] = -9;
    CHECK(passes(now, base, rise, "evictions.blocks=10%"));
    CHECK_FALSE(passes(now, base, rise, "evictions.blocks=9.99%"));
    base["results"]["evictions"]["blocks"] = now["results"]["evictions"]["blocks"] = 0;
    CHECK(passes(now, base, rise, "evictions.blocks=5%"));
    now["results"]["evictions"]["blocks"] = 1;
    CHECK_FALSE(passes(now, base, rise, "evictions.blocks=5%"));  // nothing is 5 % of nothing

    Json half = with_rate(0.3);
    CHECK(passes(half, least, "token_hit_rate=0.3"));
    CHECK_FALSE(passes(half, least, "token_hit_rate=0.30000000000000004"));
    CHECK(passes(half, most, "token_hit_rate=0.3"));
    CHECK_FALSE(passes(half, most, "token_hit_rate=0.29999999999999998"));
    struct Row {
        const char* text;
        bool fails;
    };
    for (const Row& row : {Row{"token_hit_rate < 0.3", false}, Row{"token_hit_rate <= 0.3", true}, Row{"token_hit_rate > 0.3", false},
                           Row{"token_hit_rate >= 0.3", true}, Row{"token_hit_rate == 0.3", true}, Row{"token_hit_rate != 0.3", false},
                           Row{"token_hit_rate<0.31", true}, Row{"  token_hit_rate>0.29 ", true}, Row{"requests.rejected != 0", false}}) {
        INFO(row.text);
        CHECK(passes(half, fail, row.text) != row.fails);
    }
    Json big = half;
    big["results"]["evictions"]["blocks"] = uint64_t{9007199254740993};  // 2^53 + 1
    CHECK(passes(big, most, "evictions.blocks=9007199254740993"));
    CHECK_FALSE(passes(big, most, "evictions.blocks=9007199254740992"));
    CHECK(passes(big, most, "evictions.blocks=8388608.1GiB"));
    CHECK_FALSE(passes(big, most, "evictions.blocks=8388608GiB"));
}

TEST_CASE("check: texts that are no rule") {
    auto e = [](CheckKind kind, const std::string& text) { return error([&] { CheckRule::parse(kind, text); }); };
    CHECK(has(e(drop, "token_hit_rate"), "--max-drop token_hit_rate: expected KEY=V"));
    for (const char* bad : {"=1", "k=", "k=x", "k=nan", "k=-1", "k=-1%", "k=1%%", "", "k=inf", "k=%"}) CHECK(has(e(drop, bad), "--max-drop"));
    for (const char* bad : {"k=1%", "k=0.1 0.2"}) CHECK(has(e(least, bad), "expected a number"));
    for (const char* bad : {"k", "k = 1", "k << 1", "k < x", "< 1", "k => 1", "a < b < 1", "k =! 1", "k <> 1"}) CHECK(has(e(fail, bad), "--fail-if"));
    CHECK(CheckRule::parse(fail, "a.b>=1").allowed() == "< 1");
    CHECK(CheckRule::parse(least, "by.x=y.rate=0.5").key == "by.x=y.rate");
}

TEST_CASE("check: keys") {
    Json now = replay(50, 100), base = replay(50, 100);
    CHECK(passes(now, least, "results.hits.token_hit_rate=0.5"));
    CHECK(passes(now, least, "hits.token_hit_rate=0.5"));
    CHECK(passes(now, least, "observed.token_hit_rate=0.5"));
    CHECK(passes(now, most, "timing.load_ms=1.5"));
    CHECK(passes(now, least, "optimal.hit_tokens=80"));
    CHECK(passes(now, most, "hit_tokens=50"));  // not those of bounds
    now["results"]["by"] = {{{"label", "chat"}, {"token_hit_rate", 0.1}}, {{"label", ""}, {"token_hit_rate", 0.2}}};
    CHECK(passes(now, least, "token_hit_rate=0.5"));
    CHECK(passes(now, most, "by.chat.token_hit_rate=0.1"));
    CHECK(passes(now, most, "by.(none).token_hit_rate=0.2"));
    auto e = [&](const char* text) { return error(now, base, rules({{least, text}})); };
    CHECK(e("hit_blocks=1") == "--min hit_blocks=1: hit_blocks could be bounds.unlimited.hit_blocks or bounds.optimal.hit_blocks in new.json");
    CHECK(e("token_hit_rte=1") == "--min token_hit_rte=1: there is no token_hit_rte in new.json (did you mean 'token_hit_rate'?)");
    CHECK(has(e("hits=1"), "there is no hits in new.json"));
    CHECK(has(e("hit_rate=1"), "there is no hit_rate"));  // whole words only
    CHECK(has(e("definitions.hit=1"), "there is no definitions.hit"));
    CHECK(has(e("config.trace=1"), "config.trace is \"t.jsonl\"; a rule needs a number"));
}

TEST_CASE("check: a value that is not there, or no number, never passes") {
    Json base = replay(50, 100);
    for (const Json& odd : {Json("not measured"), Json(nullptr), Json("0.5"), Json(true)}) {
        Json now = base;
        now["results"]["hits"]["token_hit_rate"] = odd;
        for (CheckKind kind : {drop, rise, least, most}) {
            CHECK(has(error(now, base, rules({{kind, "token_hit_rate=0.5"}})), "new.json: results.hits.token_hit_rate is " + odd.dump()));
            if (kind == drop || kind == rise) CHECK(has(error(base, now, rules({{kind, "token_hit_rate=0.5"}})), "base.json: results.hits.token_hit_rate"));
        }
        CHECK(has(error(now, base, rules({{fail, "token_hit_rate < 0.1"}})), "a rule needs a number"));
        if (odd.is_null()) CHECK(has(error(now, now), "results.hits.token_hit_rate is null"));
    }
    Json gone = base;
    gone["results"]["hits"].erase("token_hit_rate");
    CHECK(has(error(gone, base, rules({{drop, "hits.token_hit_rate=1"}})), "there is no hits.token_hit_rate in new.json"));
    CHECK(has(error(base, gone, rules({{drop, "hits.token_hit_rate=1"}})), "there is no hits.token_hit_rate in base.json"));
    gone.erase("results");
    CHECK(has(error(gone, base), "new.json: replay: expected results, an object"));
    CHECK(has(error(base, gone), "base.json: replay: expected results"));
    CHECK(has(error([&] { check_reports("n", base, "", nullptr, {}); }), "expected --baseline FILE, or a rule"));
    CHECK(has(error([&] { check_reports("n", base, "", nullptr, rules({{drop, "token_hit_rate=1"}})); }), "expected --baseline FILE"));
}

TEST_CASE("check: without rules all must be equal, and an improvement is named") {
    Json base = replay(50, 100), now = base;
    CHECK(run(now, base).passed());
    CHECK(run(now, base).equal == 12);
    now["results"]["hits"]["hit_tokens"] = 51;
    now["results"]["evictions"]["blocks"] = 8;
    now["bounds"]["optimal"]["hit_tokens"] = 81;
    now["results"]["requests"]["waited"] = 0;
    now["results"]["observed"].erase("requests");
    now["timing"]["load_ms"] = 99;
    Check c = run(now, base);
    std::string all;
    for (const CheckFinding& f : c.findings) all += f.what + " " + verdict_id(f.verdict) + (f.failed ? "! " : " ");
    CHECK(all == "results.requests.waited new! results.hits.hit_tokens better! results.evictions.blocks worse! "
                 "bounds.optimal.hit_tokens changed! results.observed.requests missing! ");
    CHECK(c.equal == 8);
    // 1 and 1.0 are one number; 2^53 + 1 is not 2^53.
    base["results"]["evictions"]["blocks"] = 7.0;
    CHECK(run(replay(50, 100), base).passed());
    Json wide = replay(50, 100);
    wide["results"]["evictions"]["blocks"] = uint64_t{9007199254740993};
    base["results"]["evictions"]["blocks"] = 9007199254740992.0;
    CHECK_FALSE(run(wide, base).passed());
    Json quiet = replay(50, 100);
    quiet["results"]["compression"]["key_nmse"] = "not measured";
    CHECK(run(quiet, quiet).not_measured == 1);
}

TEST_CASE("check: what cannot be held against each other") {
    Json base = replay(50, 100);
    auto changed = [&](const char* pointer, const Json& value) {
        Json j = base;
        j[Json::json_pointer(pointer)] = value;
        return j;
    };
    CHECK(has(error(changed("/trace/sha256", "bb"), base), "trace.sha256 is bb, in the baseline base.json aa"));
    Json untold = base;
    untold["trace"].erase("sha256");
    CHECK(has(error(untold, base), "trace.sha256 is not told"));
    CHECK(has(error(base, untold), "it is not told"));
    CHECK(run(untold, untold).warnings.size() == 1);
    CHECK(has(error(changed("/kind", "size"), base), "kind is size"));
    CHECK(has(error(changed("/definitions/hit", "other"), base), "definitions.hit is \"other\", in the baseline base.json \"resident\""));
    CHECK(has(error(changed("/definitions/more", "x"), base), "definitions.more"));
    CHECK(has(error(changed("/definitions/approximate", "x"), base), "definitions.approximate"));
    CHECK(run(changed("/definitions/kernels", "x"), changed("/definitions/kernels", "y")).passed());
    Json source = changed("/results/compression", Json::parse(R"({"data_source":{"kind":"kv_data","sha256":"cc"}})")), other = source;
    other["results"]["compression"]["data_source"]["sha256"] = "dd";
    CHECK(has(error(source, other), "compression.data_source.sha256 is cc"));
    other["results"]["compression"]["data_source"]["kind"] = "synthetic";
    CHECK(has(error(source, other), "compression.data_source.kind"));
    CHECK(has(error(changed("/kind", "list"), changed("/kind", "list")), "has nothing to gate"));
    Check c = run(changed("/config/blocks", 11), changed("/tool/version", "0"));
    CHECK(c.passed());
    REQUIRE(c.config.size() == 1);
    CHECK((c.config[0].key == "blocks" && c.config[0].was == "10" && c.config[0].is == "11"));
    CHECK(c.warnings == std::vector<std::string>{"the report is of kvsim 1, the baseline of kvsim 0"});
    Json deep = 1;
    for (int i = 0; i < 200000; ++i) deep = Json::array({std::move(deep)});
    Json nested = base;
    nested["config"]["deep"] = std::move(deep);
    CHECK(has(error(nested, base), "nested deeper"));
}

TEST_CASE("check: cells of compare are matched by axes, whatever the trace's file is called") {
    Json base = compare({cell("lru", "10%", 0.3), cell("fifo", "10%", 0.2), cell("arc", "10%", 0.4, "skipped")});
    CHECK(run(compare({cell("arc", "10%", 0.4, "skipped"), cell("fifo", "10%", 0.2), cell("lru", "10%", 0.3)}, "t.zst"), base).passed());
    Json now = compare({cell("lru", "10%", 0.29), cell("sieve", "10%", 0.5), cell("arc", "10%", 0.4)});
    Check c = run(now, base);
    std::string all;
    for (const CheckFinding& f : c.findings) all += f.cell + "|" + f.what + "|" + verdict_id(f.verdict) + (f.failed ? "! " : " ");
    CHECK(all == "lru 10%|results.hits.token_hit_rate|worse! sieve 10%||new! arc 10%||new! fifo 10%||missing! ");
    c = run(now, base, rules({{drop, "token_hit_rate=0.01"}}));
    all.clear();
    for (const CheckFinding& f : c.findings) all += f.cell + "|" + verdict_id(f.verdict) + (f.failed ? "! " : " ");
    CHECK(all == "lru 10%|passed sieve 10%|new! arc 10%|new! fifo 10%|missing! ");
    CHECK(check_reports("n", now, "", nullptr, rules({{least, "token_hit_rate=0.29"}})).passed());
    CHECK_FALSE(check_reports("n", now, "", nullptr, rules({{least, "token_hit_rate=0.291"}})).passed());

    Json cut = compare({cell("lru", "10%", 0.3), cell("fifo", "10%", 0, "interrupted"), cell("arc", "10%", 0.4, "skipped")});
    for (const CheckOptions& o : {CheckOptions{}, rules({{drop, "token_hit_rate=1"}}), rules({{least, "token_hit_rate=0"}})}) {
        Check broken = run(cut, base, o);
        CHECK(broken.failures() == 1);
        CHECK(run(cut, cut, o).failures() == 1);
    }
    CHECK(has(error(compare({cell("lru", "10%", 0.3), cell("lru", "10%", 0.3)}), base), "there twice"));
    Json wrong = base;
    wrong["cells"][0].erase("axes");
    CHECK(has(error(wrong, base), "cell 0: expected axes, an object"));
    wrong = base;
    wrong["cells"][1]["status"] = "fine";
    CHECK(has(error(wrong, base), "cell 1: expected status"));
    wrong = base;
    wrong["traces"][0]["sha256"] = "bb";
    CHECK(has(error(wrong, base), "trace.sha256 of t is bb"));
}

TEST_CASE("check: definitions of compare are those of its cells") {
    Json base = compare({cell("lru", "10%", 0.3)}), now = compare({cell("lru", "10%", 0.3), cell("fifo", "10%", 0.3)});
    now["definitions"]["hit"] = "resident | another";
    CHECK(run(now, base, rules({{least, "token_hit_rate=0"}})).passed());
    now["definitions"]["hit"] = "another | else";
    CHECK(has(error(now, base), "definitions.hit"));
    Json same = base;
    same["definitions"]["hit"] = "resident | another";
    CHECK(has(error(same, base), "definitions.hit"));  // with the same cells no text can be more
}

TEST_CASE("check: a key that some cells have, and changes within the sampling noise") {
    Json base = compare({cell("lru", "10%", 0.3), cell("fifo", "10%", 0.2)}), now = base;
    base["cells"][0]["seeds"]["runs"] = now["cells"][0]["seeds"]["runs"] = 5;
    Check c = run(now, base, rules({{least, "seeds.runs=5"}}));
    REQUIRE(c.findings.size() == 2);
    CHECK((c.findings[0].verdict == CheckVerdict::passed && c.findings[1].verdict == CheckVerdict::skipped));
    now["cells"][1]["seeds"]["runs"] = 5;
    CHECK(has(error(now, base, rules({{drop, "seeds.runs=0"}})), "there is no seeds.runs in base.json, fifo 10%"));

    for (Json* j : {&base, &now}) (*j)["cells"][1]["difference"] = {{"versus", "lru"}, {"token_hit_rate", -0.1}, {"low", -0.12}, {"high", -0.09}};
    now = base;
    CheckOptions o = rules({{drop, "token_hit_rate=0.005"}});
    now["cells"][1]["results"]["hits"]["token_hit_rate"] = 0.19;  // 0.01 = the nearer end
    CHECK_FALSE(run(now, base, o).passed());
    o.ignore_noise = true;
    CHECK(run(now, base, o).passed());
    CHECK(run(now, base, o).findings[1].verdict == CheckVerdict::noise);
    now["cells"][1]["results"]["hits"]["token_hit_rate"] = 0.18999;
    CHECK_FALSE(run(now, base, o).passed());
    now["cells"][0]["results"]["hits"]["token_hit_rate"] = 0.29;  // has no interval
    CHECK(run(now, base, o).failures() == 2);
    CheckOptions in_vain = rules({{drop, "rejected=0"}});
    in_vain.ignore_noise = true;
    CHECK(has(error(now, base, in_vain), "--within-noise ignore has no effect"));
}

Json curve(const std::vector<uint64_t>& blocks, const std::vector<uint64_t>& hits, bool exact = true) {
    Json j = replay(1, 2);
    j.erase("results");
    j["kind"] = "curve";
    j["lookup_tokens"] = 100;
    if (exact) j["exact_from_blocks"] = 1;
    j["curve"] = {{"blocks", blocks}, {"hit_tokens", hits}};
    for (size_t i = 0; i < blocks.size(); ++i)
        j["points"].push_back({{"blocks", blocks[i]}, {"hit_tokens", hits[i]}, {"token_hit_rate", static_cast<double>(hits[i]) / 100},
                               {"bounds", {{"optimal", {{"hit_tokens", 99}}}}}});
    return j;
}

TEST_CASE("check: curves, by capacity") {
    Json base = curve({1, 4, 9}, {10, 20, 30});
    CHECK(run(base, base).passed());
    CHECK(passes(curve({1, 4, 9}, {10, 19, 30}), base, drop, "token_hit_rate=0.01"));
    CHECK_FALSE(passes(curve({1, 4, 9}, {10, 18, 30}), base, drop, "token_hit_rate=0.01"));
    CHECK(passes(base, least, "hit_tokens=10"));
    CHECK_FALSE(passes(base, least, "hit_tokens=11"));
    CHECK(passes(base, least, "optimal.hit_tokens=99"));
    CHECK(passes(base, least, "unlimited.hit_tokens=90"));  // of the report, not of points
    Json now = curve({1, 5, 9}, {10, 20, 33});
    now["points"] = base["points"];
    Check c = run(now, base);  // at 4: 20, is 10; at 9: 30, is 33
    REQUIRE(c.findings.size() == 1);
    CHECK(c.findings[0].cell == "4 blocks");
    CHECK((c.findings[0].was == "20" && c.findings[0].is == "10" && c.findings[0].verdict == CheckVerdict::changed));
    CHECK(c.findings[0].note == "2 of 4 capacities differ, this one most");
    Json few = curve({1, 5, 9}, {10, 20, 30}, false), then = curve({1, 4, 9}, {10, 20, 30}, false);
    few["points"] = then["points"];
    c = run(few, then);
    REQUIRE(c.findings.size() == 2);
    CHECK((c.findings[0].verdict == CheckVerdict::missing && c.findings[1].verdict == CheckVerdict::added));
    Json wrong = base;
    wrong["curve"]["hit_tokens"].push_back(1u);
    CHECK(error(wrong, base) == "new.json: curve.hit_tokens: expected as many values as blocks");
    wrong["curve"]["hit_tokens"] = {1, 2, "x"};
    CHECK(has(error(wrong, base), "expected an array of whole numbers"));
}

TEST_CASE("check: size") {
    Json base = replay(50, 100);
    base["kind"] = "size";
    base["goal"] = {{"metric", "ceiling"}, {"value", 0.9}, {"blocks_for_goal", 10}, {"peak_active_blocks", 3}};
    Json now = base;
    now["goal"]["value"] = 0.8;
    CHECK(run(now, base).passed());
    now["goal"]["blocks_for_goal"] = 9;
    now["capacity"]["blocks"] = 11;
    Check c = run(now, base);
    REQUIRE(c.findings.size() == 2);
    CHECK((c.findings[0].verdict == CheckVerdict::better && c.findings[1].verdict == CheckVerdict::worse));
    CHECK(passes(now, base, rise, "capacity.blocks=10%"));
    CHECK_FALSE(passes(now, base, rise, "capacity.blocks=9.9%"));
}

TEST_CASE("check: times, slower only beyond the noise of both runs and the tolerance") {
    Json base = bench({kernel("decode", 99, 100, 101)});
    auto verdict = [&](const Json& k, const char* tolerance = "0.05") {
        CheckOptions o;
        o.tolerance = Exact::parse(tolerance);
        Check c = run(bench({k}), base, o);
        REQUIRE(c.findings.size() == 1);
        CHECK(c.passed() == (c.findings[0].verdict != CheckVerdict::slower));
        return c.findings[0].verdict;
    };
    // 101 x 1.05 = 106.05 is the limit for the lower end, 99 x 0.95 = 94.05 for the upper one.
    CHECK(verdict(kernel("decode", 106.05, 110, 120)) == CheckVerdict::same);
    CHECK(verdict(kernel("decode", 106.051, 110, 120)) == CheckVerdict::slower);
    CHECK(verdict(kernel("decode", 90, 92, 94.05)) == CheckVerdict::same);
    CHECK(verdict(kernel("decode", 90, 92, 94.049)) == CheckVerdict::faster);
    CHECK(verdict(kernel("decode", 101.01, 102, 103), "0") == CheckVerdict::slower);
    CHECK(verdict(kernel("decode", 101, 102, 103), "0") == CheckVerdict::same);
    CHECK(verdict(kernel("decode", 50, 500, 5000)) == CheckVerdict::same);  // one noisy run
    CHECK(verdict(kernel("decode", 500, 500, 500, 5)) == CheckVerdict::unsure);
    Json bare = kernel("decode", 500, 500, 500);
    bare.erase("ci_low_us");
    CHECK(verdict(bare) == CheckVerdict::unsure);
}

TEST_CASE("check: kernels that are new, missing or not measured, other devices, rules on times") {
    Json base = bench({kernel("decode", 99, 100, 101)});
    Json off = {{"name", "append"}, {"backend", "cuda"}, {"status", "not measured"}, {"reason", "no GPU"}, {"median_us", "not measured"}};
    Check c = run(bench({kernel("gather", 1, 1, 1), off}), base);
    REQUIRE(c.findings.size() == 2);
    CHECK((c.findings[0].verdict == CheckVerdict::added && !c.findings[0].failed && c.findings[0].cell == "gather cpu batch=4 kv_dtype=bf16"));
    CHECK((c.findings[1].verdict == CheckVerdict::missing && c.findings[1].failed));
    CHECK(has(error(bench({off}), base), "new.json: nothing was measured"));
    CHECK(has(error(bench({kernel("decode", 1, 1, 1, 20, "other")}), base), "device is other, in the baseline base.json cpu"));
    CHECK(has(error(bench({kernel("decode", 0, 1, 1)}), base), "expected 0 < ci_low_us"));
    CHECK(has(error(bench({{{"name", 1}}}), base), "a row of kernels"));

    // A median of 110 with an interval from 105: 105 - 101 = 4 is what is sure to be lost.
    Json slow = bench({kernel("decode", 105, 110, 115)});
    CHECK(passes(slow, base, rise, "median_us=4"));
    CHECK_FALSE(passes(slow, base, rise, "median_us=3.999"));
    CHECK(passes(slow, most, "median_us=105"));
    CHECK_FALSE(passes(slow, most, "median_us=104.9"));
    CHECK(passes(slow, least, "median_us=115"));
    CHECK_FALSE(passes(slow, fail, "median_us > 104"));
    CHECK(passes(slow, fail, "median_us > 105"));
    // 100 GB over 110: at the most 100 / 105; the baseline at the least 100 / 101.
    CHECK(passes(slow, base, drop, "gb_per_s=5%"));
    CHECK_FALSE(passes(slow, base, drop, "gb_per_s=3%"));
    CHECK(has(error(slow, base, rules({{rise, "p95_us=1"}})), "p95_us has no interval"));
    CHECK(run(bench({kernel("decode", 500, 500, 500, 5)}), base, rules({{rise, "median_us=1"}})).findings[0].verdict == CheckVerdict::unsure);
    CheckOptions both = rules({{rise, "median_us=1"}});
    both.tolerance = Exact();
    CHECK(has(error(slow, base, both), "--tolerance has no effect with rules"));
    CheckOptions t;
    t.tolerance = Exact();
    CHECK(has(error(replay(1, 2), replay(1, 2), t), "--tolerance has no effect on a report of kind \"replay\""));
}

TEST_CASE("check: table, annotations, Markdown and JUnit, word for word") {
    Json base = compare({cell("lru", "10%", 0.5), cell("lfu:a=1,b=2", "10%", 0.25)}), now = base;
    now["cells"][1]["results"]["hits"]["token_hit_rate"] = 0.24;
    now["config"]["limit"] = 5;
    Check c = run(now, base, rules({{drop, "token_hit_rate=0.005"}}));
    CHECK(check_table(c) ==
          "new.json (1 g) against base.json (1 g)\n"
          "  config: limit was not given, is 5\n"
          "\n"
          "  cell              what                           was     is         allowed                   verdict\n"
          "  lru 10%           results.hits.token_hit_rate    0.5    0.5   drop <= 0.005                    passed\n"
          "  lfu:a=1,b=2 10%   results.hits.token_hit_rate   0.25   0.24   drop <= 0.005   FAILED (-0.01, -4.00 %)\n"
          "\n"
          "  FAILED: 1 failed, 1 passed\n");
    CHECK(check_annotations(c) ==
          "::error title=kvsim check lfu%3Aa=1%2Cb=2 10%25::results.hits.token_hit_rate: was 0.25, is 0.24; allowed: drop <= 0.005; failed "
          "(-0.01, -4.00 %25)\n");
    Json j = Json::parse(check_json(c));
    CHECK(j["passed"] == false);
    CHECK(check_markdown(j) ==
          "### kvsim check: failed\n\nnew.json against base.json\n\n- config: limit was not given, is 5\n\n"
          "| cell | what | was | is | allowed | verdict |\n|---|---|--:|--:|---|---|\n"
          "| lfu:a=1,b=2 10% | results.hits.token\\_hit\\_rate | 0.25 | 0.24 | drop \\<= 0.005 | **failed** (-0.01, -4.00 %) |\n"
          "| lru 10% | results.hits.token\\_hit\\_rate | 0.5 | 0.5 | drop \\<= 0.005 | passed |\n\n");
    CHECK(check_junit(j) ==
          "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
          "<testsuites name=\"kvsim check\" tests=\"2\" failures=\"1\" errors=\"0\" time=\"0\">\n"
          "  <testsuite name=\"new.json against base.json\" tests=\"2\" failures=\"1\" errors=\"0\" skipped=\"0\" time=\"0\">\n"
          "    <testcase name=\"lru 10%: results.hits.token_hit_rate (--max-drop token_hit_rate=0.005)\" classname=\"kvsim.check.compare\" "
          "time=\"0\"/>\n"
          "    <testcase name=\"lfu:a=1,b=2 10%: results.hits.token_hit_rate (--max-drop token_hit_rate=0.005)\" "
          "classname=\"kvsim.check.compare\" time=\"0\">\n"
          "      <failure type=\"failed\" message=\"was 0.25, is 0.24, allowed: drop &lt;= 0.005, -0.01, -4.00 %\"/>\n"
          "    </testcase>\n"
          "  </testsuite>\n</testsuites>\n");
    c.findings[1].cell = "a\nb\r::error::x";
    CHECK(has(check_annotations(c), "title=kvsim check a?b?%3A%3Aerror%3A%3Ax::"));
    c.findings.assign(12, c.findings[1]);
    std::string many = check_annotations(c);
    CHECK(std::count(many.begin(), many.end(), '\n') == 11);
    CHECK(has(many, "and 2 more; the log has them"));
    c.findings.assign(101, c.findings[1]);
    CHECK(has(check_table(c), "  and 1 more (--report FILE has all)\n"));
}

TEST_CASE("check: many cells that hold a rule are one row") {
    std::vector<Json> cells;
    for (int i = 0; i < 13; ++i) cells.push_back(cell("lru", std::to_string(i), i == 5 ? 0.1 : 0.5));
    Json now = compare(cells);
    std::string table = check_table(check_reports("n.json", now, "", nullptr, rules({{least, "token_hit_rate=0.2"}})));
    CHECK(has(table, "lru 5 "));
    CHECK(has(table, "lru 4 "));  // twelve are few
    cells.push_back(cell("fifo", "0", 0.5));
    table = check_table(check_reports("n.json", compare(cells), "", nullptr, rules({{least, "token_hit_rate=0.2"}})));
    CHECK(has(table, "13 cells"));
    CHECK_FALSE(has(table, "lru 4 "));
    CHECK(has(table, "lru 5 "));
}

}  // namespace check_test
