// The page as text: well formed, everything escaped, nothing loaded, the report within it. What it shows is checked in a
// browser (tests/long/page.py).
#include <kvsim/core/error.h>
#include <kvsim/report/export_html.h>
#include <kvsim/report/exports.h>

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <string>
#include <vector>

namespace export_html_test {

using Json = nlohmann::ordered_json;
using namespace kvsim;

const char* const kHostile[] = {
    "</script><img src=x onerror=alert(1)>", "<!--<script>", "]]>", "\"'&<>", "@css@", "\\u003c/script>", "</SCRIPT ><svg/onload=1>",
    "<\\/script>", "caf\xC3\xA9 \xF0\x9F\x98\x80", "\x01\x7F", "<script type=\"application/json\" id=\"kvsim-report\">{}</script>",
};

Json report_with(const std::string& name) {
    return {{"schema_version", "1.0"},
            {"kind", "replay"},
            {"tool", {{"version", name}}},
            {"trace", {{"name", name}, {name, 0.1}}},
            {"config", {{"layout", "prefix"}, {"eviction", name}}},
            {"definitions", {{name, name}}},
            {"capacity", {{"blocks", 3}}},
            {"results", {{"hits", {{"lookup_tokens", 3}, {"hit_tokens", 1}, {"token_hit_rate", 1.0 / 3}, {"most", ~uint64_t{0}}}},
                         {"by", {{{"label", name}}}}}}};
}

size_t times(const std::string& text, const std::string& what) {
    size_t n = 0;
    for (size_t at = text.find(what); at != std::string::npos; at = text.find(what, at + 1)) ++n;
    return n;
}

// Opens and closes every element in order; what stands in scripts and styles is theirs. The first thing wrong, or "".
std::string structure(const std::string& html) {
    std::vector<std::string> open;
    size_t at = 0;
    while ((at = html.find('<', at)) != std::string::npos) {
        size_t end = html.find('>', at);
        if (end == std::string::npos) return "a tag without end";
        std::string tag = html.substr(at + 1, end - at - 1);
        at = end + 1;
        if (tag.rfind("!DOCTYPE", 0) == 0) continue;
        bool closes = tag[0] == '/';
        std::string name = tag.substr(closes, tag.find_first_of(" \n", closes) - closes);
        if (name.find_first_not_of("abcdefghijklmnopqrstuvwxyz123456") != std::string::npos) return "an element <" + tag + ">";
        if (name == "meta") continue;
        if (closes) {
            if (open.empty() || open.back() != name) return "</" + name + "> closes nothing";
            open.pop_back();
            continue;
        }
        open.push_back(name);
        if (name == "script" || name == "style") at = html.find("</" + name + ">", at);
    }
    return open.empty() ? "" : "<" + open.back() + "> is not closed";
}

// Without scripts, styles and the JSON.
std::string visible(std::string html) {
    for (const char* name : {"script", "style"}) {
        std::string begin = std::string("<") + name, end = std::string("</") + name + ">";
        for (size_t at = html.find(begin); at != std::string::npos; at = html.find(begin)) html.erase(at, html.find(end, at) + end.size() - at);
    }
    return html;
}

TEST_CASE("a page is well formed and gives its report back, whatever names a trace has") {
    for (const char* name : kHostile) {
        CAPTURE(name);
        Json report = report_with(name);
        std::string html = export_html(report);
        CHECK(structure(html) == "");
        CHECK(times(html, "<script") == 3);
        CHECK(times(html, "</script") == 3);
        CHECK(read_report("page.html", html) == report);
        CHECK(Json::parse(report_text(html)).dump() == report.dump());
        std::string seen = visible(html);
        CHECK(times(seen, "<img") + times(seen, "<svg") + times(seen, "onerror=alert(1)>") == 0);
    }
    CHECK(visible(export_html(report_with("a<b>&\"c'"))).find("Replay: a&lt;b&gt;&amp;&quot;c&#39;</h1>") != std::string::npos);
}

TEST_CASE("a report that was no page stays as it was written") {
    std::string text = "  {\"schema_version\":\"1.0\",  \"kind\":\"replay\"}\n";
    CHECK(report_text(text) == text);
    CHECK_THROWS_AS(read_report("r.json", "<html></html>"), Error);
    CHECK_THROWS_AS(read_report("r.json", "{"), Error);
}

TEST_CASE("the page loads nothing, and its policy lets its own two scripts run alone") {
    std::string html = export_html(report_with("t"));
    std::string seen = visible(html);
    for (const char* loads : {" src=", "<link", "<iframe", "<object", "<embed", "<form", "@import", "url(", "href=\"http", " style=\"", " onclick="})
        CHECK_MESSAGE(times(seen, loads) == 0, loads);
    size_t style = html.find("<style>"), end = html.find("</style>");
    std::string css = html.substr(style, end - style);
    for (const char* loads : {"@import", "url(", "http"}) CHECK_MESSAGE(times(css, loads) == 0, loads);
    size_t at = html.find("http-equiv=\"Content-Security-Policy\" content=\"");
    REQUIRE(at != std::string::npos);
    std::string policy = html.substr(at, html.find("\">", at) - at);
    CHECK(policy.find("default-src 'none'; script-src 'sha256-") != std::string::npos);
    CHECK(times(policy, "'sha256-") == 3);
    CHECK(policy.find("unsafe") == std::string::npos);
    CHECK(html.find("Chart.js") != std::string::npos);
    CHECK(html.find("Permission is hereby granted, free of charge") != std::string::npos);
}

TEST_CASE("kinds") {
    for (const char* kind : {"replay", "compare", "curve", "size", "bench", "check"}) {
        CHECK(html_takes(kind));
        std::string html = export_html({{"schema_version", "1.0"}, {"kind", kind}});  // nothing else in it
        CHECK(structure(html) == "");
    }
    CHECK_FALSE(html_takes("list"));
    CHECK_FALSE(html_takes(""));
}

}  // namespace export_html_test
