// Reports as Markdown: the tables of hand-made reports, charts, and names that try to be markup.
#include <kvsim/report/escape.h>
#include <kvsim/report/exports.h>
#include <kvsim/report/mermaid.h>

#include <doctest/doctest.h>

#include <string>
#include <vector>

namespace export_markdown_test {

using kvsim::markdown_code;
using kvsim::markdown_text;
using kvsim::mermaid_text;

std::string markdown_of(const std::string& kind, const std::string& rest) {
    return kvsim::export_texts({"markdown"}, {{"r.json", "{\"schema_version\":\"1.0\",\"kind\":\"" + kind + "\"" + rest + "}"}}).front();
}

void check_has(const std::string& text, const std::string& part) {
    INFO(text);
    INFO("expected: " << part);
    CHECK(text.find(part) != std::string::npos);
}

TEST_CASE("text is never markup, HTML, a link or a mention") {
    CHECK(markdown_text("s3_fifo hits 21.2 %") == "s3_fifo hits 21.2 %");
    CHECK(markdown_text("_a_ *b* `c` [d](e) <f> | g") == "\\_a\\_ \\*b\\* \\`c\\` \\[d\\](e) \\<f\\> \\| g");
    CHECK(markdown_text("a\nb\r\nc\x01") == "a b  c\xEF\xBF\xBD");
    CHECK(markdown_text("- item") == "\\- item");
    CHECK(markdown_text("see @team & #12") == "see @<!-- -->team \\& \\#12");
    CHECK(markdown_text("\xC3\xA4 a-b") == "\xC3\xA4 a-b");
}

TEST_CASE("names are code, whatever is in them") {
    CHECK(markdown_code("s3_fifo:small=0.1") == "`s3_fifo:small=0.1`");
    CHECK(markdown_code("<b>*x*") == "`<b>*x*`");
    CHECK(markdown_code("a\nb") == "`a b`");
    CHECK(markdown_code("a|b") == "<code>a&#124;b</code>");
    CHECK(markdown_code("`</code><img src=x>") == "<code>&#96;&#60;&#47;code&#62;&#60;img src&#61;x&#62;</code>");
    CHECK(markdown_code("a\\|b") == "<code>a&#92;&#124;b</code>");
    CHECK(markdown_code("") == "<code></code>");
    CHECK(markdown_code(" x") == "<code> x</code>");
}

TEST_CASE("labels of charts cannot end their quotes, the line or the block, nor begin an entity or a comment") {
    CHECK(mermaid_text("10%") == "\"10%\"");
    CHECK(mermaid_text("a\"b]\n```c") == "\"a_b__\x5F__c\"");
    CHECK(mermaid_text("#quot; %%{init}%% <x>") == "\"_quot_ %__init_%_ _x_\"");
    CHECK(mermaid_text("(optimal)") == "\"(optimal)\"");
}

TEST_CASE("a chart: lines, colours and their legend; nothing to draw is no chart") {
    kvsim::MermaidChart chart{"T", "x", "y", {"1", "2"}, {{"lru", {12.345, 50}, false}, {"(optimal)", {20, 61}, true}}};
    CHECK(kvsim::mermaid_chart(chart) ==
          "```mermaid\n---\nconfig:\n    xyChart:\n        width: 900\n    themeVariables:\n        xyChart:\n"
          "            plotColorPalette: \"#0072B2, #888888\"\n---\nxychart-beta\n    title \"T\"\n    x-axis \"x\" [\"1\", \"2\"]\n"
          "    y-axis \"y\" 10 --> 70\n    line \"lru\" [12.35, 50.00]\n    line \"(optimal)\" [20.00, 61.00]\n```\n\n"
          "blue: `lru` \xC2\xB7 grey: `(optimal)`\n\n");
    chart.lines[0].values = chart.lines[1].values = {0, 0};
    check_has(kvsim::mermaid_chart(chart), "0 --> 10\n");
    for (size_t i = 0; i < 9; ++i) chart.lines.push_back({"more", {1, 2}, false});
    std::string text = kvsim::mermaid_chart(chart);
    size_t lines = 0;
    for (size_t at = text.find("    line "); at != std::string::npos; at = text.find("    line ", at + 1)) ++lines;
    CHECK(lines == kvsim::kMostChartLines + 1);
    chart.labels = {"1"};
    CHECK(kvsim::mermaid_chart(chart).empty());
    CHECK(kvsim::mermaid_chart({"T", "x", "y", {"1", "2"}, {}}).empty());
}

TEST_CASE("labels are short, and in full where two would be one") {
    using Labels = std::vector<std::string>;
    CHECK(kvsim::short_labels({1, 999, 1000, 1249, 9949, 9999, 15000, 999499, 999500, 3400000}) ==
          Labels{"1", "999", "1.0k", "1.2k", "9.9k", "10k", "15k", "999k", "1.0M", "3.4M"});
    CHECK(kvsim::short_labels({1000, 1001, 2000}) == Labels{"1000", "1001", "2000"});
}

// 100 looked-up tokens and 10 blocks; lru hits 3 of the bound's 4 blocks at 1 %, 5 of 5 at 10 %.
const char* const kCells =
    ",\"traces\":[{\"name\":\"a|b\",\"block_size\":10,\"requests\":9,\"counted_requests\":8,\"unique_blocks\":6}],\"config\":{\"versus\":\"lru\"},"
    "\"cells\":["
    "{\"table\":0,\"axes\":{\"block_size\":10,\"layout\":\"prefix\",\"accounting\":\"pinned\",\"eviction\":\"lru\",\"capacity\":\"1%\"},\"status\":\"ok\","
    "\"capacity\":{\"blocks\":2,\"tokens\":20,\"bytes\":2048},\"results\":{\"hits\":{\"lookup_tokens\":100,\"hit_tokens\":30,\"token_hit_rate\":0.3,"
    "\"lookup_blocks\":10,\"hit_blocks\":3},\"misses\":{\"compulsory\":6,\"stranded\":0,\"capacity\":0,\"regret\":1}},"
    "\"bounds\":{\"unlimited\":{\"hit_tokens\":55},\"optimal_admit\":{\"hit_blocks\":4,\"hit_tokens\":40}}},"
    "{\"table\":0,\"axes\":{\"block_size\":10,\"layout\":\"prefix\",\"accounting\":\"pinned\",\"eviction\":\"lru\",\"capacity\":\"10%\"},\"status\":\"ok\","
    "\"capacity\":{\"blocks\":20,\"tokens\":200,\"bytes\":20480},\"results\":{\"hits\":{\"lookup_tokens\":100,\"hit_tokens\":50,\"token_hit_rate\":0.5,"
    "\"lookup_blocks\":10,\"hit_blocks\":5}},\"bounds\":{\"optimal_admit\":{\"hit_blocks\":5,\"hit_tokens\":50}}},"
    "{\"table\":0,\"axes\":{\"block_size\":10,\"layout\":\"prefix\",\"accounting\":\"pinned\",\"eviction\":\"belady\",\"capacity\":\"1%\"},\"status\":\"ok\","
    "\"knows_future\":true,\"capacity\":{\"blocks\":2},\"results\":{\"hits\":{\"lookup_tokens\":100,\"hit_tokens\":40,\"token_hit_rate\":0.4,"
    "\"lookup_blocks\":10,\"hit_blocks\":4}},\"difference\":{\"verdict\":\"better\"}},"
    "{\"table\":0,\"axes\":{\"block_size\":10,\"layout\":\"prefix\",\"accounting\":\"pinned\",\"eviction\":\"belady\",\"capacity\":\"10%\"},\"status\":\"interrupted\"},"
    "{\"table\":0,\"axes\":{\"block_size\":10,\"engine\":\"vllm\",\"capacity\":\"1%\"},\"status\":\"skipped\",\"reason\":\"no | room\"}]";

TEST_CASE("compare: strategies by capacities, the best in bold, shares of the bound, verdicts, causes, reasons") {
    std::string text = markdown_of("compare", kCells);
    check_has(text, "## kvsim compare: <code>a&#124;b</code>\n\n");
    check_has(text, "### a\\|b, blocks of 10 tokens\n\n9 requests, the first 1 not counted, 6 unique blocks, 10 lookups; ceiling 55.00 %\n\n");
    check_has(text,
              "| capacity        |               1% |               10% |\n"
              "|-----------------|-----------------:|------------------:|\n"
              "| blocks          |                2 |                20 |\n"
              "| tokens          |               20 |               200 |\n"
              "| KV bytes        |          2.0 KiB |          20.0 KiB |\n"
              "| `lru`           | **30.00** \xC2\xB7 75.0 | **50.00** \xC2\xB7 100.0 |\n"
              "| `belady`        |        40.00 \xC2\xB7 + |           not run |\n"
              "| (optimal_admit) |            40.00 |             50.00 |\n\n");
    check_has(text, "the best of a column in bold (but for `belady`, which knows the future)");
    check_has(text, "    line \"lru\" [30.00, 50.00]\n    line \"(optimal_admit)\" [40.00, 50.00]\n```");
    check_has(text, "| 1%       | `lru`    |  30.00 |        60.00 |       0.00 |       0.00 |    10.00 |\n");
    check_has(text, "- skipped `vllm`: no \\| room\n");
    // Nothing to say: no table, no chart.
    std::string empty = markdown_of("compare", ",\"cells\":[]");
    CHECK(empty == "## kvsim compare\n\n<sub>kvsim </sub>\n");
}

TEST_CASE("compare: layouts without lookups, and cells measured on keys and values") {
    check_has(markdown_of("compare", ",\"cells\":[{\"axes\":{\"layout\":\"paged\",\"eviction\":\"lru\",\"capacity\":\"5\"},\"status\":\"ok\",\"capacity\":{\"blocks\":5},"
                                     "\"results\":{\"requests\":{\"rejected\":1,\"recomputed_tokens\":1200}}}]"),
              "| `lru`    | 1 / 1,200 |\n");
    check_has(markdown_of("compare", ",\"cells\":[{\"axes\":{\"layout\":\"quantized\",\"eviction\":\"none\",\"capacity\":\"5\"},\"status\":\"ok\",\"pareto\":true,"
                                     "\"results\":{\"compression\":{\"bits_per_value\":4.5,\"data_bytes\":90,\"metadata_bytes\":10,\"padding_bytes\":0,\"key_nmse\":0.01,"
                                     "\"value_nmse\":0.02,\"output_nmse\":0.005,\"held_values\":100,\"appended_values\":200,\"keys\":{\"dtype\":\"int4\"},"
                                     "\"values\":{\"dtype\":\"int8\"}}}}]"),
              "| `int4` | `int8` | `none`   | 5        | 4.500 |  50.00 |    25.00 |     0.01 |       0.02 |   **0.005** |          - |\n");
}

TEST_CASE("replay, size, curve and bench") {
    std::string run = ",\"trace\":{\"name\":\"t\"},\"config\":{\"accounting\":\"pinned\",\"eviction\":\"@x\"},\"capacity\":{\"blocks\":20,\"bytes\":2048},"
                      "\"results\":{\"hits\":{\"lookup_tokens\":100,\"hit_tokens\":30,\"lookup_blocks\":10,\"hit_blocks\":3},"
                      "\"utilization\":{\"mean_free_fraction\":0.25},\"compression\":{\"key_nmse\":\"not measured\"}},"
                      "\"bounds\":{\"unlimited\":{\"hit_tokens\":55},\"optimal_admit\":{\"hit_blocks\":4}},\"definitions\":{\"hit\":\"a <b> | c\"}";
    std::string replay = markdown_of("replay", run);
    check_has(replay, "| of the optimum       | 4 hit blocks of a cache that knows the future and stores every request | 75.00 % |\n");
    check_has(replay, "| `results.utilization.mean_free_fraction` |      25.00 % |\n");
    check_has(replay, "| `results.compression.key_nmse`           | not measured |\n");
    check_has(replay, "- **eviction**: `@x`\n");
    check_has(replay, "<summary>What the numbers mean</summary>\n\n- **hit**: a \\<b\\> \\| c\n");
    check_has(markdown_of("size", run + ",\"bytes\":[{\"model\":\"m\",\"kv_dtype\":\"int8\",\"bytes\":1024}]"), "- 1.0 KiB of `m` in `int8`\n");

    std::string curve = markdown_of("curve", ",\"config\":{\"eviction\":\"lru\"},\"lookup_tokens\":100,\"lookup_blocks\":10,"
                                             "\"curve\":{\"blocks\":[2,100],\"hit_blocks\":[1,5],\"hit_tokens\":[10,50]},\"bounds\":{\"unlimited\":{\"hit_tokens\":55}},"
                                             "\"points\":[{\"blocks\":2,\"tokens\":20,\"hit_blocks\":1,\"hit_tokens\":10,\"bounds\":{\"optimal\":{\"hit_tokens\":20}}}],"
                                             "\"knees\":[{\"share\":0.9,\"blocks\":100,\"tokens\":1000}]");
    check_has(curve, "x-axis \"blocks\" [\"2\", \"3\", \"4\", \"5\", \"6\", \"7\", \"8\", \"10\", \"13\", \"16\", \"19\", \"24\", \"29\", \"36\", \"44\", \"54\", \"66\", \"81\", \"100\"]");
    check_has(curve, "line \"lru\" [10.00, 10.00,");
    check_has(curve, "10.00, 50.00]\n    line \"ceiling\" [55.00,");
    check_has(curve, "| of the ceiling's hit tokens % | blocks | tokens | KV bytes |");
    check_has(curve, "|      2 |     20 |        10.00 |        10.00 |        18.18 |     20.00 |\n");

    std::string bench = markdown_of("bench", ",\"backends\":[{\"id\":\"cuda\",\"status\":\"not measured\",\"reason\":\"no GPU\"}],\"kernels\":[{\"name\":\"gather\","
                                             "\"backend\":\"cuda\",\"status\":\"not measured\",\"shape\":{\"kv_dtype\":\"bf16\",\"batch\":1},\"median_us\":\"not measured\"}]");
    check_has(bench, "- `cuda`: not measured: no GPU\n");
    check_has(bench, "| `gather` | `cuda`  | kv_dtype=bf16 batch=1 | not measured |     - | not measured |      - |     - |    - |         - |\n");
}

TEST_CASE("several reports stand one after the other") {
    std::string one = "{\"schema_version\":\"1.0\",\"kind\":\"replay\",\"trace\":{\"name\":\"t\"}}";
    std::string once = kvsim::export_texts({"markdown"}, {{"a", one}}).front();
    CHECK(kvsim::export_texts({"markdown"}, {{"a", one}, {"b", one}}).front() == once + "\n" + once);
}

}  // namespace export_markdown_test
