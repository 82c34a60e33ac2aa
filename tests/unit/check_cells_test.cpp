// The gate over reports of several cells: compare, curve, size, bench.
#include "check_reports.h"

namespace check_cells_test {

using namespace check_reports_for_tests;

TEST_CASE("check: cells of compare are matched by axes, whatever the trace's file is called") {
    Json base = compare({cell("lru", "10%", 0.3), cell("fifo", "10%", 0.2), cell("arc", "10%", 0.4, "skipped")});
    CHECK(run(compare({cell("arc", "10%", 0.4, "skipped"), cell("fifo", "10%", 0.2), cell("lru", "10%", 0.3)}, "t.zst"),
              base)
              .passed());
    Json now = compare({cell("lru", "10%", 0.29), cell("sieve", "10%", 0.5), cell("arc", "10%", 0.4)});
    Check c = run(now, base);
    std::string all;
    for (const CheckFinding& f : c.findings)
        all += f.cell + "|" + f.what + "|" + verdict_id(f.verdict) + (f.failed ? "! " : " ");
    CHECK(all == "lru 10%|results.hits.token_hit_rate|worse! sieve 10%||new! arc 10%||new! fifo 10%||missing! ");
    c = run(now, base, rules({{drop, "token_hit_rate=0.01"}}));
    all.clear();
    for (const CheckFinding& f : c.findings) all += f.cell + "|" + verdict_id(f.verdict) + (f.failed ? "! " : " ");
    CHECK(all == "lru 10%|passed sieve 10%|new! arc 10%|new! fifo 10%|missing! ");
    CHECK(check_reports("n", now, "", nullptr, rules({{least, "token_hit_rate=0.29"}})).passed());
    CHECK_FALSE(check_reports("n", now, "", nullptr, rules({{least, "token_hit_rate=0.291"}})).passed());

    Json cut =
        compare({cell("lru", "10%", 0.3), cell("fifo", "10%", 0, "interrupted"), cell("arc", "10%", 0.4, "skipped")});
    for (const CheckOptions& o :
         {CheckOptions{}, rules({{drop, "token_hit_rate=1"}}), rules({{least, "token_hit_rate=0"}})}) {
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

    for (Json* j : {&base, &now})
        (*j)["cells"][1]["difference"] = {{"versus", "lru"}, {"token_hit_rate", -0.1}, {"low", -0.12}, {"high", -0.09}};
    now = base;
    CheckOptions o = rules({{drop, "token_hit_rate=0.005"}});
    now["cells"][1]["results"]["hits"]["token_hit_rate"] = 0.19;  // 0.01 = the nearer end
    CHECK_FALSE(run(now, base, o).passed());
    o.ignore_noise = true;
    CHECK(run(now, base, o).passed());
    CHECK(run(now, base, o).findings[1].verdict == CheckVerdict::noise);
    now["cells"][1]["results"]["hits"]["token_hit_rate"] = 0.18999;
    CHECK_FALSE(run(now, base, o).passed());
    for (Json* wide : {&now, &base}) {  // one wide interval is not enough
        Json other = *wide;
        (*wide)["cells"][1]["difference"]["low"] = -0.5;
        (*wide)["cells"][1]["difference"]["high"] = 0.5;
        CHECK_FALSE(run(now, base, o).passed());
        *wide = other;
    }
    now["cells"][0]["results"]["hits"]["token_hit_rate"] = 0.29;  // has no interval
    CHECK(run(now, base, o).failures() == 2);
    CheckOptions in_vain = rules({{drop, "rejected=0"}});
    in_vain.ignore_noise = true;
    CHECK(has(error(now, base, in_vain), "--within-noise ignore has no effect"));
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

TEST_CASE("check: a comparison is not held against another kind") {
    Json cells = compare({cell("lru", "10%", 0.5)});
    CHECK(has(error(cells, curve({1, 2}, {1, 2})), "kind is compare"));
    CHECK(has(error(curve({1, 2}, {1, 2}), cells), "kind is curve"));
    CHECK(has(error(cells, bench({kernel("append", 1, 2, 3)})), "kind is compare"));
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
    Json off = {{"name", "append"},
                {"backend", "cuda"},
                {"status", "not measured"},
                {"reason", "no GPU"},
                {"median_us", "not measured"}};
    Check c = run(bench({kernel("gather", 1, 1, 1), off}), base);
    REQUIRE(c.findings.size() == 2);
    CHECK((c.findings[0].verdict == CheckVerdict::added && !c.findings[0].failed &&
           c.findings[0].cell == "gather cpu batch=4 kv_dtype=bf16"));
    CHECK((c.findings[1].verdict == CheckVerdict::missing && c.findings[1].failed));
    CHECK(has(error(bench({off}), base), "new.json: nothing was measured"));
    CHECK(has(error(bench({kernel("decode", 1, 1, 1, 20, "other")}), base),
              "device is other, in the baseline base.json cpu"));
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
    CHECK(run(bench({kernel("decode", 500, 500, 500, 5)}), base, rules({{rise, "median_us=1"}})).findings[0].verdict ==
          CheckVerdict::unsure);
    CheckOptions both = rules({{rise, "median_us=1"}});
    both.tolerance = Exact();
    CHECK(has(error(slow, base, both), "--tolerance has no effect with rules"));
    CheckOptions t;
    t.tolerance = Exact();
    CHECK(has(error(replay(1, 2), replay(1, 2), t), "--tolerance has no effect on a report of kind \"replay\""));
}

}  // namespace check_cells_test
