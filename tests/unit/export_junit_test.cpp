// Reports as JUnit XML.
#include <kvsim/report/escape.h>
#include <kvsim/report/exports.h>

#include <doctest/doctest.h>

#include <string>

namespace export_junit_test {

using kvsim::xml_text;

std::string junit_of(const std::string& kind, const std::string& rest) {
    return kvsim::export_texts({"junit"}, {{"r.json", "{\"schema_version\":\"1.0\",\"kind\":\"" + kind + "\"" + rest + "}"}}).front();
}

const std::string kHead = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n";

TEST_CASE("text is escaped, and what XML forbids is replaced") {
    CHECK(xml_text("a<b>&\"c'") == "a&lt;b&gt;&amp;&quot;c'");
    CHECK(xml_text("]]>") == "]]&gt;");
    CHECK(xml_text("a\tb\nc\r") == "a&#9;b&#10;c&#13;");
    CHECK(xml_text(std::string("\0\x01\x1f\x7f", 4)) == "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\x7f");
    CHECK(xml_text("\xEF\xBF\xBE\xEF\xBF\xBF\xEF\xBF\xBD") == "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD");
    CHECK(xml_text("\xC3\xA4\xEF\xBF") == "\xC3\xA4\xEF\xBF");
}

TEST_CASE("compare: a suite per table, a case per cell; skipped with its reason, interrupted as an error") {
    CHECK(junit_of("compare",
                   ",\"traces\":[{\"name\":\"a&b\",\"block_size\":1},{\"name\":\"c\",\"block_size\":16}],\"config\":{\"eviction\":[\"lru\"],\"seed\":0},\"cells\":["
                   "{\"table\":0,\"axes\":{\"layout\":\"prefix\",\"accounting\":\"pinned\",\"eviction\":\"lru\",\"capacity\":\"10\"},\"status\":\"ok\","
                   "\"results\":{\"hits\":{\"token_hit_rate\":0.25},\"compression\":{\"output_nmse\":\"not measured\"}},\"timing\":{\"simulate_ms\":1500}},"
                   "{\"table\":0,\"axes\":{\"engine\":\"vllm\",\"capacity\":\"1%\"},\"status\":\"skipped\",\"reason\":\"<no>\"},"
                   "{\"table\":1,\"axes\":{\"layout\":\"prefix\",\"eviction\":\"lru\",\"capacity\":\"1\"},\"status\":\"interrupted\"}]") ==
          kHead +
              "<testsuites name=\"kvsim\" tests=\"3\" failures=\"0\" errors=\"1\" time=\"1.500000\">\n"
              "  <testsuite name=\"a&amp;b, blocks of 1 token\" tests=\"2\" failures=\"0\" errors=\"0\" skipped=\"1\" time=\"1.500000\">\n"
              "    <properties>\n"
              "      <property name=\"schema_version\" value=\"1.0\"/>\n"
              "      <property name=\"kind\" value=\"compare\"/>\n"
              "      <property name=\"trace.name\" value=\"a&amp;b\"/>\n"
              "      <property name=\"trace.block_size\" value=\"1\"/>\n"
              "      <property name=\"config.seed\" value=\"0\"/>\n"
              "    </properties>\n"
              "    <testcase classname=\"a&amp;b, blocks of 1 token\" name=\"prefix pinned lru at 10 blocks\" time=\"1.500000\">\n"
              "      <system-out>results.hits.token_hit_rate = 0.25\nresults.compression.output_nmse = not measured\n</system-out>\n"
              "    </testcase>\n"
              "    <testcase classname=\"a&amp;b, blocks of 1 token\" name=\"vllm at 1%\" time=\"0.000000\">\n"
              "      <skipped message=\"&lt;no&gt;\"/>\n"
              "    </testcase>\n"
              "  </testsuite>\n"
              "  <testsuite name=\"c, blocks of 16 tokens\" tests=\"1\" failures=\"0\" errors=\"1\" skipped=\"0\" time=\"0.000000\">\n"
              "    <properties>\n"
              "      <property name=\"schema_version\" value=\"1.0\"/>\n"
              "      <property name=\"kind\" value=\"compare\"/>\n"
              "      <property name=\"trace.name\" value=\"c\"/>\n"
              "      <property name=\"trace.block_size\" value=\"16\"/>\n"
              "      <property name=\"config.seed\" value=\"0\"/>\n"
              "    </properties>\n"
              "    <testcase classname=\"c, blocks of 16 tokens\" name=\"prefix lru at 1 block\" time=\"0.000000\">\n"
              "      <error type=\"interrupted\" message=\"interrupted\"/>\n"
              "    </testcase>\n"
              "  </testsuite>\n"
              "</testsuites>\n");
    CHECK(junit_of("compare", ",\"cells\":[]") == kHead + "<testsuites name=\"kvsim\" tests=\"0\" failures=\"0\" errors=\"0\" time=\"0.000000\">\n</testsuites>\n");
}

TEST_CASE("a run is one case; a kernel is one, of the suite of its backend") {
    std::string replay = junit_of("replay", ",\"trace\":{\"name\":\"t\"},\"config\":{\"layout\":\"prefix\",\"eviction\":\"lru\"},\"results\":{\"by\":[1]},\"timing\":{\"simulate_ms\":2}");
    CHECK(replay.find("<testsuite name=\"t\" tests=\"1\" failures=\"0\" errors=\"0\" skipped=\"0\" time=\"0.002000\">") != std::string::npos);
    CHECK(replay.find("<testcase classname=\"t\" name=\"replay prefix lru\" time=\"0.002000\"/>") != std::string::npos);
    std::string bench = junit_of("bench", ",\"backends\":[{\"id\":\"cpu\"},{\"id\":\"cuda\",\"reason\":\"no GPU\"}],\"kernels\":["
                                          "{\"name\":\"gather\",\"backend\":\"cpu\",\"status\":\"ok\",\"shape\":{\"batch\":2},\"median_us\":1.5,\"total_us\":3e6},"
                                          "{\"name\":\"gather\",\"backend\":\"cuda\",\"status\":\"not measured\",\"shape\":{\"batch\":2},\"median_us\":\"not measured\"}]");
    CHECK(bench.find("<testcase classname=\"cpu\" name=\"gather batch=2\" time=\"3.000000\">\n      <system-out>median_us = 1.5\n") != std::string::npos);
    CHECK(bench.find("      <skipped message=\"no GPU\"/>\n") != std::string::npos);
    CHECK(bench.find("<testsuites name=\"kvsim\" tests=\"2\" failures=\"0\" errors=\"0\"") != std::string::npos);
}

TEST_CASE("several reports: all suites, each after the file it is from") {
    std::string one = "{\"schema_version\":\"1.0\",\"kind\":\"replay\",\"trace\":{\"name\":\"t\"}}";
    std::string text = kvsim::export_texts({"junit"}, {{"a.json", one}, {"b.json", one}}).front();
    CHECK(text.find("<testsuites name=\"kvsim\" tests=\"2\"") != std::string::npos);
    CHECK(text.find("<testsuite name=\"a.json: t\"") != std::string::npos);
    CHECK(text.find("<testsuite name=\"b.json: t\"") != std::string::npos);
}

}  // namespace export_junit_test
