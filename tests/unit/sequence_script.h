// Hand-made traces for the layouts of whole sequences, and their replay.
#pragma once

#include <kvsim/engine/engines.h>

#include <sstream>
#include <string>
#include <vector>

#include "unit/load_text.h"

namespace kvsim_test {

/// A line each: "prompt A 4", "prompt A 4 5" (priority 5), "decode A 1", "fork A B", "free A",
/// "request A 10 3", "request A 10 3 4" (length, output, samples), "request A 10 3 1 0 100" (t, t_end).
inline kvsim::Trace script(uint32_t block_size, const std::vector<std::string>& lines) {
    std::string text = "{\"kvsim_trace\":1,\"name\":\"script\",\"block_size\":" + std::to_string(block_size) + "}\n";
    for (const std::string& line : lines) {
        std::istringstream in(line);
        std::string op, seq, word;
        in >> op >> seq;
        text += "{\"op\":\"" + op + "\",\"seq\":\"" + seq + "\"";
        std::vector<std::string> keys;
        if (op == "prompt") keys = {"length", "priority"};
        if (op == "decode") keys = {"n"};
        if (op == "request") keys = {"length", "output_length", "n", "t", "t_end"};
        if (op == "fork") keys = {"child"};
        for (size_t i = 0; in >> word; ++i)
            text += ",\"" + keys.at(i) + "\":" + (op == "fork" ? "\"" + word + "\"" : word);
        text += "}\n";
    }
    return load_text(text);
}

/// The options' text is "paged --blocks 4 --eviction priority": the layout and pairs of long options.
struct Scripted {
    kvsim::RunResult run;
    kvsim::Tally sum;  ///< of counted requests
    uint64_t rejected = 0;
    kvsim::Definitions definitions;
    std::string title;

    Scripted(const kvsim::Trace& trace, const std::string& text) {
        kvsim::CacheConfig config;
        kvsim::RunOptions options;
        std::istringstream in(text);
        in >> config.layout;
        for (std::string key, value; in >> key >> value;) {
            if (key == "--blocks") options.capacity_blocks = std::stoull(value);
            if (key == "--warmup") options.warmup_requests = std::stoull(value);
            if (key == "--decode") options.decode = value == "on";
            if (key == "--concurrency") options.concurrency = value == "trace" ? kvsim::kByTrace : std::stoull(value);
            for (const kvsim::CacheOption& o : kvsim::cache_options())
                if (key == o.name) config.*o.value = value;
        }
        kvsim::resolve_cache(config);
        const kvsim::LayoutRow& row = kvsim::layouts().get(config.layout);
        auto cache = row.make(config, trace, options, kvsim::RunPath::fastest);
        cache->run(trace, options, run);
        cache->check_invariants();
        sum = run.counted();
        rejected = run.rejected_from(options.warmup_requests);
        definitions = row.definitions(config, trace, options);
        title = row.title(kvsim::effective_cache(config, trace));
    }
    std::string definition(const std::string& key) const {
        for (const auto& [name, text] : definitions)
            if (name == key) return text;
        return "not defined";
    }
};

}  // namespace kvsim_test
