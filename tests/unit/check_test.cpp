// The gate: every rule at its limit and one step beyond, what is no comparison, what is said.
#include "check_reports.h"

namespace check_test {

using namespace check_reports_for_tests;

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
    for (const char* bad : {"", "-", ".", "1e", "1e999", "0x1", "nan", "inf", "1 ", "1.2.3", "1e-401", "--1"})
        CHECK_FALSE(Exact::parse(bad));
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
    // 1/7 less 0.005 is 965 of 7,000; as printed, 0.14285714285714285 - 0.13785714285714284 is more.
    CHECK(passes(replay(965, 7000), replay(1000, 7000), drop, "token_hit_rate=0.005"));
    CHECK_FALSE(passes(replay(964, 7000), replay(1000, 7000), drop, "token_hit_rate=0.005"));
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
    for (const Row& row :
         {Row{"token_hit_rate < 0.3", false}, Row{"token_hit_rate <= 0.3", true}, Row{"token_hit_rate > 0.3", false},
          Row{"token_hit_rate >= 0.3", true}, Row{"token_hit_rate == 0.3", true}, Row{"token_hit_rate != 0.3", false},
          Row{"token_hit_rate<0.31", true}, Row{"  token_hit_rate>0.29 ", true},
          Row{"requests.rejected != 0", false}}) {
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
    for (const char* bad : {"=1", "k=", "k=x", "k=nan", "k=-1", "k=-1%", "k=1%%", "", "k=inf", "k=%"})
        CHECK(has(e(drop, bad), "--max-drop"));
    for (const char* bad : {"k=1%", "k=0.1 0.2"}) CHECK(has(e(least, bad), "expected a number"));
    for (const char* bad : {"k", "k = 1", "k << 1", "k < x", "< 1", "k => 1", "a < b < 1", "k =! 1", "k <> 1"})
        CHECK(has(e(fail, bad), "--fail-if"));
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
    CHECK(
        e("hit_blocks=1") ==
        "--min hit_blocks=1: hit_blocks could be bounds.unlimited.hit_blocks or bounds.optimal.hit_blocks in new.json");
    CHECK(e("token_hit_rte=1") ==
          "--min token_hit_rte=1: there is no token_hit_rte in new.json (did you mean 'token_hit_rate'?)");
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
            CHECK(has(error(now, base, rules({{kind, "token_hit_rate=0.5"}})),
                      "new.json: results.hits.token_hit_rate is " + odd.dump()));
            if (kind == drop || kind == rise)
                CHECK(has(error(base, now, rules({{kind, "token_hit_rate=0.5"}})),
                          "base.json: results.hits.token_hit_rate"));
        }
        CHECK(has(error(now, base, rules({{fail, "token_hit_rate < 0.1"}})), "a rule needs a number"));
        if (odd.is_null()) CHECK(has(error(now, now), "results.hits.token_hit_rate is null"));
    }
    Json gone = base;
    gone["results"]["hits"].erase("token_hit_rate");
    CHECK(has(error(gone, base, rules({{drop, "hits.token_hit_rate=1"}})),
              "there is no hits.token_hit_rate in new.json"));
    CHECK(has(error(base, gone, rules({{drop, "hits.token_hit_rate=1"}})),
              "there is no hits.token_hit_rate in base.json"));
    gone.erase("results");
    CHECK(has(error(gone, base), "new.json: replay: expected results, an object"));
    CHECK(has(error(base, gone), "base.json: replay: expected results"));
    CHECK(has(error([&] { check_reports("n", base, "", nullptr, {}); }), "expected --baseline FILE, or a rule"));
    CHECK(has(error([&] {
                  check_reports("n", base, "", nullptr, rules({{drop, "token_hit_rate=1"}}));
              }),
              "expected --baseline FILE"));
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
    CHECK(all ==
          "results.requests.waited new! results.hits.hit_tokens better! results.evictions.blocks worse! "
          "bounds.optimal.hit_tokens changed! results.observed.requests missing! ");
    CHECK(c.equal == 8);
    // 1 and 1.0 are one number; 2^53 + 1 is not 2^53.
    base["results"]["evictions"]["blocks"] = 7.0;
    CHECK(run(replay(50, 100), base).passed());
    Json wide = replay(50, 100);
    wide["results"]["evictions"]["blocks"] = uint64_t{9007199254740993};
    base["results"]["evictions"]["blocks"] = 9007199254740992.0;
    CHECK_FALSE(run(wide, base).passed());
    // -1 and 2^64 - 1 have the same bits.
    wide["results"]["evictions"]["blocks"] = ~uint64_t{0};
    base["results"]["evictions"]["blocks"] = int64_t{-1};
    CHECK_FALSE(run(wide, base).passed());
    CHECK_FALSE(run(base, wide).passed());
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
    CHECK(has(error(changed("/definitions/hit", "other"), base),
              "definitions.hit is \"other\", in the baseline base.json \"resident\""));
    CHECK(has(error(changed("/definitions/more", "x"), base), "definitions.more"));
    CHECK(has(error(changed("/definitions/approximate", "x"), base), "definitions.approximate"));
    CHECK(run(changed("/definitions/kernels", "x"), changed("/definitions/kernels", "y")).passed());
    Json source = changed("/results/compression", Json::parse(R"({"data_source":{"kind":"kv_data","sha256":"cc"}})")),
         other = source;
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
          "::error title=kvsim check lfu%3Aa=1%2Cb=2 10%25::results.hits.token_hit_rate: was 0.25, is 0.24; allowed: "
          "drop <= 0.005; failed "
          "(-0.01, -4.00 %25)\n");
    Json j = Json::parse(check_json(c));
    CHECK(j["passed"] == false);
    CHECK(check_markdown(j) ==
          "### kvsim check: failed\n\nnew.json against base.json\n\n- config: limit was not given, is 5\n\n"
          "| cell | what | was | is | allowed | verdict |\n|---|---|--:|--:|---|---|\n"
          "| lfu:a=1,b=2 10% | results.hits.token\\_hit\\_rate | 0.25 | 0.24 | drop \\<= 0.005 | **failed** (-0.01, "
          "-4.00 %) |\n"
          "| lru 10% | results.hits.token\\_hit\\_rate | 0.5 | 0.5 | drop \\<= 0.005 | passed |\n\n");
    CHECK(check_junit(j) ==
          "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
          "<testsuites name=\"kvsim check\" tests=\"2\" failures=\"1\" errors=\"0\" time=\"0\">\n"
          "  <testsuite name=\"new.json against base.json\" tests=\"2\" failures=\"1\" errors=\"0\" skipped=\"0\" "
          "time=\"0\">\n"
          "    <testcase name=\"lru 10%: results.hits.token_hit_rate (--max-drop token_hit_rate=0.005)\" "
          "classname=\"kvsim.check.compare\" "
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
