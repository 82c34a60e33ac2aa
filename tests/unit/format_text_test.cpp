#include "unit/load_text.h"

#include <kvsim/layout/prefix.h>
#include "support/random_check.h"

namespace format_text_test {

using namespace kvsim;
using namespace kvsim_test;
using Counts = std::vector<uint32_t>;

namespace {

std::string prompt(const std::string& text, const std::string& more = "") {
    return "{\"prompt\":\"" + text + "\"" + more + "}\n";
}
std::string message(const std::string& role, const std::string& content) {
    return "{\"role\":\"" + role + "\",\"content\":" + content + "}";
}
std::string messages(const std::string& list, const std::string& more = "") {
    return "{\"messages\":[" + list + "]" + more + "}\n";
}

/// Leading tokens that request r has in common with the request before it.
uint32_t shared(const std::string& text, const std::string& format = "text") {
    Trace t = load_text(text, format, 1);
    REQUIRE(t.requests() == 2);
    return t.chains.common_prefix(0, 1);
}

}  // namespace

TEST_CASE("text: bytes stand for tokens") {
    // 9 bytes are 3 tokens of 4, the last one short; 8 bytes are 2; "\u00e9" is 2 bytes.
    Trace t = load_text(prompt("abcdefghi", ",\"response\":\"12345\"") + prompt("abcdefgh") + prompt("abcdefg\\u00e9"));
    CHECK(t.format == "text");
    CHECK(t.approximation == "4 bytes of text stand for a token");
    CHECK(t.notes == std::vector<std::string>{"tokens are approximate: 4 bytes of text stand for a token"});
    CHECK_FALSE(t.lengths_only);
    CHECK(t.block_size == 16);
    CHECK(t.prompt_tokens == Counts{3, 2, 3});
    CHECK(t.output_tokens == Counts{2, 0, 0});
    CHECK(t.unique_blocks() == 3);  // one partial block each
    Trace one = load_text(prompt("abcdefghi") + prompt("abcdefgh") + prompt("abcdefg\\u00e9"), "text", 1);
    CHECK(lookup_ids(one, 0) == Counts{0, 1, 2});
    CHECK(lookup_ids(one, 1) == Counts{0, 1});
    CHECK(lookup_ids(one, 2) == Counts{0, 3, 4});
    for (uint32_t bytes = 1; bytes <= 8; ++bytes) {
        Trace b = load_text(prompt("abcdefghi"), "text:bytes_per_token=" + std::to_string(bytes), 1);
        CHECK(b.prompt_tokens[0] == (9 + bytes - 1) / bytes);
        CHECK(b.lookup_blocks(0) == b.prompt_tokens[0]);
    }
    CHECK(load_text(prompt("ab"), "text:bytes_per_token=1").approximation == "1 byte of text stands for a token");
    CHECK(begins(complaint(prompt("a"), "text:bytes_per_token=9"), "text: parameter bytes_per_token=9: expected a whole"));
    CHECK(begins(complaint(prompt("a"), "text:bytes_per_token=0"), "text: parameter bytes_per_token=0: expected a whole"));
    CHECK(begins(complaint(prompt("a"), "text:bytes=2"), "'text' has no parameter 'bytes'"));
}

TEST_CASE("text: a short last token differs from every full one") {
    for (int bytes = 2; bytes <= 8; ++bytes) {
        std::string format = "text:bytes_per_token=" + std::to_string(bytes);
        std::string zeros;
        for (int n = 1; n < bytes; ++n) zeros += "\\u0000";
        CHECK(shared(prompt("x") + prompt("x" + zeros), format) == 0);
        CHECK(shared(prompt("x") + prompt("x"), format) == 1);
        CHECK(shared(prompt("\\u0000") + prompt("\\u0000" + zeros), format) == 0);
    }
}

TEST_CASE("text: common tokens are common bytes") {
    CHECK(kvsim_test::random_check([](uint64_t seed) {
        // Texts of a small alphabet, with a zero and letters of two and three bytes.
        static const std::pair<const char*, std::string> kLetters[] = {
            {"a", "a"}, {"\\u0000", std::string(1, '\0')}, {"\\u00e9", "\xC3\xA9"}, {"\xE2\x82\xAC", "\xE2\x82\xAC"}};
        uint64_t bytes = 1 + seed % 8;
        std::string written[2], plain[2];
        for (int i = 0; i < 2; ++i) {
            uint64_t state = seed ^ (i == 0 ? 0 : seed >> 40 << 40);
            for (uint64_t n = 1 + (seed >> (8 + 4 * i)) % 13; n > 0; --n, state /= 4) {
                written[i] += kLetters[state % 4].first;
                plain[i] += kLetters[state % 4].second;
            }
        }
        uint32_t expected = 0;
        while (expected * bytes < std::max(plain[0].size(), plain[1].size()) &&
               plain[0].substr(std::min(expected * bytes, plain[0].size()), bytes) ==
                   plain[1].substr(std::min(expected * bytes, plain[1].size()), bytes))
            ++expected;
        RC_ASSERT(shared(prompt(written[0]) + prompt(written[1]), "text:bytes_per_token=" + std::to_string(bytes)) ==
                  expected);
    }));
}

TEST_CASE("text: messages are joined with role markers") {
    std::string system = message("system", "\"Be kind.\""), user = message("user", "\"Hi\"");
    const char* joined = "<|system|>\\nBe kind.\\n<|user|>\\nHi\\n";  // 11 + 9 + 9 + 3 = 32 bytes
    Trace t = load_text(messages(system + "," + user) + prompt(joined), "text", 1);
    CHECK(t.prompt_tokens == Counts{8, 8});
    CHECK(t.chains.common_prefix(0, 1) == 8);
    // A conversation that goes on begins with the text of the request before it.
    std::string next = system + "," + user + "," + message("assistant", "null") + "," + message("user", "\"More\"");
    CHECK(shared(messages(system + "," + user) + messages(next), "text:bytes_per_token=1") == 32);
    // Parts are put together; what is no text takes no tokens. Keys come in any order.
    std::string parts = "{\"name\":\"n\",\"content\":[{\"type\":\"text\",\"text\":\"H\"},{\"type\":\"image_url\",\"image_url\":"
                        "{\"url\":\"u\"}},{\"text\":\"i\",\"type\":\"text\"}],\"role\":\"user\"}";
    Trace p = load_text(messages(parts) + messages(user), "text", 1);
    CHECK(p.chains.common_prefix(0, 1) == p.prompt_tokens[0]);
    CHECK(p.notes.back() == "parts of messages that are no text take no tokens: 1");
}

TEST_CASE("text: several prompts in a line are as many requests") {
    Trace t = load_text("{\"prompt\":[\"abcdabcd\",\"abcd\"],\"completion\":[\"x\",\"12345\"],\"t\":3,\"session_id\":7}\n");
    CHECK(t.prompt_tokens == Counts{2, 1});
    CHECK(t.output_tokens == Counts{1, 2});
    CHECK(t.arrival_s == std::vector<double>{3, 3});
    CHECK(t.session[1] == "7");
    t = load_text("{\"prompt\":[\"a\",\"b\"],\"choices\":[{\"text\":\"12345\"},{\"text\":\"1\"}]}\n");
    CHECK(t.output_tokens == Counts{2, 1});
    CHECK_COMPLAINT("{\"prompt\":[\"a\",\"b\"],\"output\":\"x\"}\n", ":1:1: found 1 outputs for 2 prompts");
    CHECK_COMPLAINT("{\"prompt\":[]}\n", ":1:1: prompt: expected at least one text");
}

TEST_CASE("text: outputs, times, sessions, models") {
    std::string choices = ",\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":\"12345\"}},"
                          "{\"message\":{\"content\":\"x\"}}]";
    Trace t = load_text(prompt("a", choices + ",\"created\":1700000009,\"timestamp\":\"2023-11-14T22:13:21.5Z\"") +
                        prompt("b", ",\"created\":1700000000,\"user\":\"u\",\"session_id\":null,\"response\":null") +
                        prompt("c", ",\"t\":1700000000.5,\"timestamp\":9,\"session_id\":\"s\",\"user\":\"u\""));
    // 1,700,000,000 is 2023-11-14 22:13:20
    CHECK(t.arrival_s == std::vector<double>{1700000000, 1700000000.5, 1700000001.5});
    CHECK(t.output_tokens == Counts{0, 0, 2});
    CHECK(t.session[0] == "u");
    CHECK(t.session[1] == "s");
    CHECK(shared(prompt("abcd", ",\"model\":\"m\"") + prompt("abcd", ",\"model\":\"m\"")) == 1);
    CHECK(shared(prompt("abcd", ",\"model\":\"m\"") + prompt("abcd", ",\"model\":\"n\"")) == 0);
    CHECK(shared(prompt("abcd", ",\"model\":\"m\"") + prompt("abcd")) == 0);
    CHECK(load_text(prompt("abcd", ",\"model\":\"m\"")).lora[0] == "m");
}

TEST_CASE("text: strange files") {
    Trace t = load_text("\xEF\xBB\xBF" + prompt("a", ",\"x\":{\"prompt\":1},\"y\":[1,{}]") + "\r\n\n" + prompt("b"));
    CHECK(t.requests() == 2);
    CHECK(load_text("{\"id\":1,\"model\":\"m\",\"messages\":[" + message("user", "\"x\"") + "]}").requests() == 1);
}

TEST_CASE("text: broken lines") {
    std::string good = prompt("a");
    CHECK_COMPLAINT(good + "{}\n", ":2:1: expected the key prompt or messages");
    CHECK_COMPLAINT(good + prompt(""), ":2:11: prompt: expected at least one byte of text");
    CHECK_COMPLAINT(good + "{\"prompt\":5}\n", ":2:11: prompt: expected a text, or a list of texts");
    CHECK_COMPLAINT(good + "{\"prompt\":[5,6]}\n", ":2:12: prompt: expected a text, or a list of texts");
    CHECK_COMPLAINT(good + prompt("a", ",\"prompt\":\"b\""), ":2:24: prompt: the key is given twice");
    CHECK_COMPLAINT(good + prompt("a", ",\"messages\":[]"), ":2:26: messages: expected prompt or messages, not both");
    CHECK_COMPLAINT(good + messages(""), ":2:1: messages: expected at least one");
    CHECK_COMPLAINT(good + messages("{\"content\":\"x\"}"), ":2:1: messages: expected a role in each");
    CHECK_COMPLAINT(good + messages(message("user", "7")), ":2:39: content: expected a string");
    CHECK_COMPLAINT(good + messages("\"x\""), ":2:14: ");
    CHECK_COMPLAINT(good + prompt("a", ",\"response\":7"), ":2:26: response: expected a string");
    CHECK_COMPLAINT(good + prompt("a", ",\"response\":\"x\",\"output\":\"y\""), ":2:39: output: the output is given twice");
    CHECK_COMPLAINT(good + prompt("a", ",\"t\":1"), ":2:1: t, timestamp or created: either every line has one or none");
    CHECK_COMPLAINT(prompt("a", ",\"t\":-1"), ":1:19: t: out of range");
    CHECK_COMPLAINT(prompt("a", ",\"t\":NaN"), ":1:19: t: ");
    CHECK_COMPLAINT(prompt("a", ",\"timestamp\":\"soon\""), ":1:27: timestamp: expected seconds, or a date and time");
    CHECK_COMPLAINT(good + "{\"prompt\":\"a", ":2:1: truncated or broken JSON");
    CHECK_COMPLAINT(good + "{\"prompt\":\"\\ud800\"}\n", ":2:11: prompt: expected a ");
    CHECK_COMPLAINT(good + prompt("\xFF"), ":2:1: not valid UTF-8");
    CHECK(begins(complaint("", "text"), ": has no requests"));
}

}  // namespace format_text_test
