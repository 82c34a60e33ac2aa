// Every number of a report is defined in it: each key of results and bounds stands in a definition as a whole word.
#include "cli.h"

namespace definitions_test {

using namespace kvsim_test;

namespace {

bool is_word_char(char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_'; }

bool has_word(const std::string& text, const std::string& word) {
    for (size_t at = text.find(word); at != std::string::npos; at = text.find(word, at + 1)) {
        size_t end = at + word.size();
        if ((at == 0 || !is_word_char(text[at - 1])) && (end == text.size() || !is_word_char(text[end]))) return true;
    }
    return false;
}

/// Keys of numbers, with those of the sections they stand in: a definition of a section's name may define them.
void check_keys(const Json& section, const std::string& name, const std::string& text) {
    for (const auto& item : section.items()) {
        const Json& value = item.value();
        INFO(name << "." << item.key());
        if (value.is_object()) {
            check_keys(value, item.key(), text);
        } else if (value.is_array()) {
            check_keys(value.at(0), item.key(), text);
        } else {
            CHECK(has_word(text, item.key()));
        }
    }
}

void check_report(const Args& args) {
    Json r = replay_report(args);
    std::string text;
    for (const auto& item : r["definitions"].items()) text += item.key() + ": " + item.value().get<std::string>() + "\n";
    INFO(shown(args) << "\n" << text);
    check_keys(r["results"], "results", text);
    if (r.contains("bounds")) check_keys(r["bounds"], "bounds", text);
}

}  // namespace

TEST_CASE("definitions: every key of a report has one") {
    TempDir dir;
    std::string demo = dir.write("demo.jsonl", kDemo);
    std::string lengths = dir.write("lengths.jsonl", "{\"kvsim_trace\":1,\"block_size\":4}\n"
                                                     "{\"op\":\"request\",\"seq\":\"a\",\"length\":9,\"output_length\":3}\n");
    Args memory = {"--memory", "1GiB", "--model", "llama-3.1-8b"};
    check_report({demo, "--blocks", "3", "--by", "category"});
    check_report({demo, "--concurrency", "2"});
    check_report(Args{demo, "--accounting", "flat"} + memory);
    check_report({demo, "--accounting", "tree", "--match", "token"});
    check_report(Args{demo, "--match", "snapshot"} + memory);
    check_report({demo, "--match", "snapshot", "--blocks", "3"});
    check_report({lengths, "--blocks", "4"});
    for (const char* layout : {"paged", "contiguous"}) {
        Args base = {"--layout", layout};
        check_report(Args{demo, "--blocks", "6"} + base);
        check_report(Args{demo} + base + memory);
        check_report(Args{demo, "--blocks", "6", "--on-full", "preempt"} + base);
        check_report(Args{source_file("traces/beam.jsonl"), "--blocks", "14"} + base);
        check_report(Args{source_file("traces/beam.jsonl"), "--blocks", "14", "--on-full", "wait"} + base);
    }
    check_report({source_file("traces/beam.jsonl"), "--layout", "paged", "--blocks", "6", "--eviction",
                  "streaming_llm:sink=2,window=4"});
    check_report({source_file("traces/beam.jsonl"), "--layout", "contiguous", "--reserve", "grow"});
}

// Events tell a fork's child apart, requests count their samples as one.
TEST_CASE("definitions: sequences and requests are counted differently") {
    TempDir dir;
    std::string demo = dir.write("demo.jsonl", kDemo);
    Json requests = replay_report({demo, "--layout", "paged"})["definitions"];
    Json events = replay_report({source_file("traces/beam.jsonl"), "--layout", "paged"})["definitions"];
    CHECK(contains(requests["requests"], "with all their samples (n) one each"));
    CHECK(contains(events["requests"], "sequences, a fork's child being one of its own"));
    CHECK(contains(requests["preempted"], "not applicable") == false);
    CHECK(contains(requests["preempted"], "a request with all its samples once"));
    CHECK(contains(requests["utilization"], "sampled once per request"));
    CHECK(contains(events["utilization"], "sampled after each prompt and fork"));
    CHECK(contains(replay_report({demo})["definitions"]["evictions"], "stranded_blocks"));
    CHECK(contains(replay_report({demo, "--match", "snapshot"})["definitions"]["evictions"], "stranded_blocks"));
}

}  // namespace definitions_test
