// Pages by command: --export-html, and back with `kvsim report`.
#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

#include "cli.h"

namespace page_test {

using namespace kvsim_test;

TEST_CASE("the report of a page is the report that was written beside it") {
    TempDir dir;
    std::string chat = source_file("traces/chat.jsonl");
    const std::vector<Args> commands = {
        {"replay", chat, "--blocks", "100", "--model", "llama-3.1-8b"},
        {"compare", chat, "--blocks", "50,500", "--eviction", "lru,sieve,belady"},
        {"curve", chat, "--by", "session"},
        {"size", chat, "--goal", "ceiling=0.9"},
    };
    for (const Args& command : commands) {
        CAPTURE(command[0]);
        std::string json = dir.path("a.json"), html = dir.path("a.html"), again = dir.path("b.json"), later = dir.path("b.html");
        ProcessResult r = kvsim(command + Args{"--quiet", "--report", json, "--export-html", html});
        REQUIRE_MESSAGE(r.exit_code == 0, r.err);
        REQUIRE(kvsim({"report", html, "--report", again, "--export-html", later}).exit_code == 0);
        CHECK(Json::parse(read_file(again)) == Json::parse(read_file(json)));
        CHECK(read_file(later) == read_file(html));
        CHECK(read_file(html).find("<p class=\"headline\" id=\"headline\">") != std::string::npos);
    }
}

}  // namespace page_test
