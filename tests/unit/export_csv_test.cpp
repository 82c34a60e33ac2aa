// Reports as CSV: quoting, formulas, order of columns, what is absent.
#include <kvsim/core/error.h>
#include <kvsim/report/escape.h>
#include <kvsim/report/exports.h>

#include <doctest/doctest.h>

#include <string>
#include <vector>

namespace export_csv_test {

using kvsim::csv_text;
using kvsim::export_texts;

std::string csv_of(const std::string& json) { return export_texts({"csv"}, {{"r.json", json}}).front(); }
std::string report(const std::string& kind, const std::string& rest) {
    return "{\"schema_version\":\"1.0\",\"kind\":\"" + kind + "\"" + rest + "}";
}

TEST_CASE("a field is quoted where it has to be, and no text is a formula") {
    CHECK(csv_text("lru") == "lru");
    CHECK(csv_text("") == "\"\"");
    CHECK(csv_text("a,b") == "\"a,b\"");
    CHECK(csv_text("say \"hi\"\n") == "\"say \"\"hi\"\"\n\"");
    CHECK(csv_text("=1+1") == "'=1+1");
    CHECK(csv_text("+1") == "'+1");
    CHECK(csv_text("-x,y") == "\"'-x,y\"");
    CHECK(csv_text("@SUM(A1)") == "'@SUM(A1)");
    CHECK(csv_text("\tx") == "'\tx");
    CHECK(csv_text("'tis") == "''tis");
    CHECK(csv_text("a=1") == "a=1");
    CHECK(csv_text(std::string("a\0b", 3)) == "a\xEF\xBF\xBD" "b");
}

TEST_CASE("compare: a row per cell, columns of all rows in the report's order, digits as they are") {
    std::string cells =
        ",\"cells\":[{\"table\":0,\"axes\":{\"trace\":\"=t\",\"layout\":\"prefix\",\"capacity\":\"1%\"},\"status\":\"ok\","
        "\"capacity\":{\"blocks\":18446744073709551615},\"results\":{\"hits\":{\"token_hit_rate\":0.1,\"per_request\":{\"p10\":1e-05}},"
        "\"by\":[{\"label\":\"x\"}]},\"difference\":{\"low\":-0.25}},"
        "{\"table\":0,\"axes\":{\"trace\":\"a\\\"b\",\"engine\":\"vllm\",\"capacity\":\"\"},\"status\":\"interrupted\"},"
        "{\"table\":1,\"axes\":{\"trace\":\"t\"},\"status\":\"skipped\",\"reason\":\"one, two\"},"
        "{\"axes\":{},\"status\":\"ok\",\"results\":{\"hits\":{\"flop_hit_rate\":0.5},\"compression\":{\"output_nmse\":\"not measured\"}},"
        "\"bounds\":{\"optimal\":{\"hit_blocks\":7}},\"pareto\":false}]";
    CHECK(csv_of(report("compare", cells)) ==
          "axes.trace,axes.engine,axes.layout,axes.capacity,table,status,reason,capacity.blocks,results.hits.flop_hit_rate,"
          "results.compression.output_nmse,results.hits.token_hit_rate,results.hits.per_request.p10,bounds.optimal.hit_blocks,pareto,"
          "difference.low\n"
          "'=t,,prefix,1%,0,ok,,18446744073709551615,,,0.1,1e-05,,,-0.25\n"
          "\"a\"\"b\",vllm,,\"\",0,interrupted,,,,,,,,,\n"
          "t,,,,1,skipped,\"one, two\",,,,,,,,\n"
          ",,,,,ok,,,0.5,not measured,,,7,false,\n");
    CHECK(csv_of(report("compare", ",\"cells\":[]")) == "\n");
    CHECK(csv_of(report("compare", "")) == "\n");
}

TEST_CASE("curve: columns, groups, points, tiers and knees tell themselves apart; rates of columns are worked out") {
    // 10 looked-up blocks of 4 tokens: 40 tokens; 2 hit blocks are 0.2, 6 hit tokens 0.15.
    std::string json = report(
        "curve",
        ",\"trace\":{\"name\":\"t\",\"block_size\":4},\"config\":{\"eviction\":\"lru\"},\"lookup_blocks\":10,\"lookup_tokens\":40,"
        "\"curve\":{\"blocks\":[1,3],\"hit_blocks\":[0,2],\"hit_tokens\":[0,6]},"
        "\"by\":[{\"label\":\"\",\"curve\":{\"blocks\":[3],\"hit_blocks\":[2],\"hit_tokens\":[6]}}],"
        "\"points\":[{\"blocks\":2,\"tokens\":8,\"hit_blocks\":0,\"hit_tokens\":0,\"bounds\":{\"optimal\":{\"hit_tokens\":6}}}],"
        "\"tiers\":{\"fast\":{\"blocks\":1}},\"knees\":[{\"share\":0.9,\"blocks\":3,\"tokens\":12}]");
    CHECK(csv_of(json) ==
          "trace.name,config.eviction,list,share,by,blocks,tokens,hit_blocks,hit_tokens,bounds.optimal.hit_tokens,block_hit_rate,token_hit_rate\n"
          "t,lru,curve,,,1,4,0,0,,0.0,0.0\n"
          "t,lru,curve,,,3,12,2,6,,0.2,0.15\n"
          "t,lru,curve,,\"\",3,12,2,6,,,\n"
          "t,lru,points,,,2,8,0,0,6,,\n"
          "t,lru,tiers.fast,,,1,,,,,,\n"
          "t,lru,knees,0.9,,3,12,,,,,\n");
}

TEST_CASE("replay: one row, with groups one more for each; bench: a row per kernel; check: a row per finding") {
    CHECK(csv_of(report("replay", ",\"config\":{\"blocks\":\"10\"},\"results\":{\"requests\":{\"total\":2}},\"definitions\":{\"a\":\"b\"}")) ==
          "kind,config.blocks,results.requests.total\nreplay,10,2\n");
    CHECK(csv_of(report("size", ",\"goal\":{\"value\":0.5},\"results\":{\"requests\":{\"total\":3},\"hits\":{\"hit_blocks\":2},"
                                "\"by\":[{\"label\":\"-a\",\"requests\":1,\"hit_blocks\":1},{\"label\":\"\",\"requests\":2}]}")) ==
          "kind,by,goal.value,results.requests.total,results.hits.hit_blocks\n"
          "size,,0.5,3,2\nsize,'-a,0.5,1,1\nsize,\"\",0.5,2,\n");
    CHECK(csv_of(report("bench", ",\"kernels\":[{\"name\":\"gather\",\"shape\":{\"batch\":1},\"median_us\":\"not measured\"},"
                                 "{\"name\":\"append\",\"shape\":{\"batch\":2},\"median_us\":1.5}]")) ==
          "name,shape.batch,median_us\ngather,1,not measured\nappend,2,1.5\n");
    CHECK(csv_of(report("check", ",\"findings\":[{\"verdict\":\"failed\",\"what\":\"x\"}]")) == "verdict,what\nfailed,x\n");
}

TEST_CASE("several reports: their rows under each other, with a column that names them") {
    std::string a = report("replay", ",\"capacity\":{\"blocks\":1}"), b = report("replay", ",\"capacity\":{\"blocks\":2,\"tokens\":8}");
    CHECK(export_texts({"csv"}, {{"a.json", a}, {"=b.json", b}}).front() ==
          "report,kind,capacity.blocks,capacity.tokens\na.json,replay,1,\n'=b.json,replay,2,8\n");
}

TEST_CASE("what is no report, of no such kind or of another version is refused") {
    auto message = [](const std::vector<std::string>& ids, const std::vector<std::pair<std::string, std::string>>& reports) -> std::string {
        try {
            export_texts(ids, reports);
        } catch (const kvsim::Error& e) {
            CHECK(e.kind() == kvsim::ErrorKind::input);
            return e.what();
        }
        return "";
    };
    CHECK(message({"csv"}, {{"x", report("list", "")}}) ==
          "--export-csv: makes nothing of a report of kind \"list\"; it takes replay, compare, curve, size, bench, check");
    CHECK(message({}, {{"x", "{}"}}) == "x: expected a report of kvsim, with schema_version and kind");
    CHECK(message({}, {{"x", "{\"schema_version\":\"2.0\",\"kind\":\"replay\"}"}}).find("schema_version \"2.0\"") != std::string::npos);
    CHECK(message({"markdown", "html"}, {{"x", report("replay", "")}, {"y", report("replay", "")}}) == "--export-html: takes one report, not 2");
}

// Reports come from files: whatever is in them is a value or is left out.
TEST_CASE("values of other types than expected break nothing") {
    const char* const values[] = {"null", "[]", "{}", "\"x\"", "-1", "1e300", "true", "[[1],{\"a\":[]}]", "[null]", "[\"a\",1]"};
    for (const char* kind : {"replay", "compare", "curve", "size", "bench"})
        for (const char* v : values)
            for (const char* key : {"trace", "traces", "cells", "config", "definitions", "capacity", "results", "bounds", "kernels", "backends", "curve",
                                    "points", "knees", "tiers", "by", "lookup_tokens", "series", "bytes"}) {
                std::string json = report(kind, ",\"" + std::string(key) + "\":" + v);
                for (const std::string& text : export_texts({"csv", "markdown", "junit"}, {{"r.json", json}})) CHECK(!text.empty());
                json = report(kind, ",\"cells\":[{\"axes\":" + std::string(v) + ",\"status\":\"ok\",\"" + key + "\":" + v + ",\"difference\":{\"verdict\":\"worse\"}}]" +
                                        ",\"results\":{\"" + key + "\":" + v + "},\"trace\":{\"name\":" + v + "},\"curve\":{\"blocks\":" + v +
                                        ",\"hit_tokens\":[1,2]},\"lookup_tokens\":10,\"kernels\":[" + v + "],\"traces\":[" + v + "]");
                for (const std::string& text : export_texts({"csv", "markdown", "junit"}, {{"r.json", json}})) CHECK(!text.empty());
            }
}

}  // namespace export_csv_test
