// Which registry the ids of an option come from: one row per option. Words that stand in the type of an option (on|off)
// need no row.
#include "complete.h"

#include <kvsim/backend/backend.h>
#include <kvsim/engine/engines.h>
#include <kvsim/eviction/sequence_policy.h>
#include <kvsim/eviction/token_policy.h>
#include <kvsim/layout/prefix.h>
#include <kvsim/model/gpu.h>
#include <kvsim/model/model.h>
#include <kvsim/quant/dtype.h>
#include <kvsim/sim/bench_case.h>
#include <kvsim/trace/format.h>
#include <kvsim/trace/generator.h>
#include <kvsim/trace/writer.h>

#include <algorithm>
#include <sstream>

namespace kvsim::app {

namespace {

namespace value_word_sources {

using Words = std::vector<ValueWord>;

/// "small=0.1 promote=2 (what it is)": the words with a '=' outside parentheses.
std::vector<std::pair<std::string, std::string>> parameters_of(const std::string& text) {
    std::vector<std::pair<std::string, std::string>> out;
    std::istringstream in(text);
    int depth = 0;
    for (std::string word; in >> word;) {
        if (depth == 0 && word.find('=') != std::string::npos && word.find('(') == std::string::npos) out.emplace_back(word, "");
        depth += static_cast<int>(std::count(word.begin(), word.end(), '(')) - static_cast<int>(std::count(word.begin(), word.end(), ')'));
    }
    return out;
}

template <class Rows>
Words of_rows(const Rows& rows) {
    Words words;
    for (const auto& r : rows) words.push_back({r.id, r.summary});
    return words;
}

template <class Rows>
Words of_rows_with_parameters(const Rows& rows) {
    Words words;
    for (const auto& r : rows) words.push_back({r.id, r.summary, parameters_of(r.parameters)});
    return words;
}

Words evictions() {
    Words words;
    for (const BlockStrategyRow& r : block_strategies().rows())
        words.push_back({r.id, r.info.summary, parameters_of(r.info.parameters)});
    auto add = [&](const char* scope, const Words& others) {
        for (ValueWord w : others) {
            bool taken = std::any_of(words.begin(), words.end(), [&](const ValueWord& known) { return known.text == w.text; });
            if (taken) w.text = scope + w.text;
            words.push_back(std::move(w));
        }
    };
    add("sequence/", of_rows_with_parameters(sequence_strategies().rows()));
    add("token/", of_rows_with_parameters(token_strategies().rows()));
    return words;
}

Words engine_words() {
    Words words;
    for (const EngineRow& r : engines().rows()) words.push_back({r.id, r.cache.summary, r.parameters});
    return words;
}

Words versus() {
    Words words = evictions(), more = engine_words();
    words.insert(words.end(), more.begin(), more.end());
    return words;
}

Words accountings() {
    return {{"pinned", "room first, then the request's blocks are stored; what it hit stays"},
            {"flat", "block by block, nothing pinned, as a cache of objects"},
            {"tree", "only leaves go, as in a radix tree", {{"protect=hits|chain", "what the running request's own evictions spare"}}}};
}

Words matches() {
    return {{"block", "whole blocks"},
            {"token", "any leading tokens, all but the last of a prompt"},
            {"snapshot", "whole stored prompts only", {{"max_entries=256", ""}, {"min_prefix_len=4", ""}}}};
}

Words formats() {
    Words words = of_rows_with_parameters(trace_formats().rows());
    words.insert(words.begin(), {"auto", "told by the first line, or by the name"});
    return words;
}

Words writers() { return of_rows(trace_writers().rows()); }
Words dtypes() { return of_rows_with_parameters(kv_dtypes().rows()); }
Words layout_words() { return of_rows(layouts().rows()); }
Words model_words() { return of_rows(models().rows()); }
Words gpu_words() { return of_rows(gpus().rows()); }
Words kernels() { return of_rows(bench_kernels().rows()); }

Words backend_words() {
    Words words;
    for (const BackendRow& r : backends().rows()) {
        words.push_back({r.id, r.summary, parameters_of(r.parameters)});
        words.back().parameters.emplace_back("order=hnd|nhd", "order of a block's rows");
    }
    words.insert(words.begin(), {"none", "bookkeeping alone"});
    return words;
}

Words bench_backends() {
    Words words = of_rows_with_parameters(backends().rows());
    words.insert(words.begin(), {"all", "every backend there is"});
    return words;
}

Words preempted() {
    Words words;
    for (const SequenceStrategyRow& r : sequence_strategies().rows())
        if (r.id != "none" && r.parameters.empty()) words.push_back({r.id, r.summary});
    return words;
}

Words generators() {
    Words words;
    for (const GeneratorRow& r : trace_generators().rows()) {
        words.push_back({r.id, r.summary});
        for (const GeneratorParameter& p : r.parameters) words.back().parameters.emplace_back(p.key + "=" + p.fallback, p.meaning);
    }
    return words;
}

Words kinds() {
    Words words;
    for (const char* kind : {"layouts", "evictions", "engines", "formats", "generators", "models", "gpus", "dtypes", "backends", "kernels"})
        words.push_back({kind, ""});
    return words;
}

Words shells() { return {{"bash", ""}, {"zsh", ""}, {"fish", ""}}; }

Words goals() {
    return {{"token_hit_rate=", "share of looked-up tokens"},
            {"block_hit_rate=", "share of looked-up blocks"},
            {"ceiling=", "share of the most hit tokens any cache could have"}};
}

Words kv_data() { return {{"synthetic", "made instead of recorded", {{"tokens=1024", ""}}}}; }
Words capacities() { return {{"unlimited", "nothing is ever evicted"}}; }

struct Row {
    const char* command;  ///< nullptr: every command
    const char* name;
    Words (*words)();
};
constexpr Row kRows[] = {{"bench", "--backend", bench_backends},
                         {"bench", "kernel", kernels},
                         {"completion", "shell", shells},
                         {"list", "kind", kinds},
                         {"trace generate", "kind", generators},
                         {nullptr, "--accounting", accountings},
                         {nullptr, "--backend", backend_words},
                         {nullptr, "--blocks", capacities},
                         {nullptr, "--engine", engine_words},
                         {nullptr, "--eviction", evictions},
                         {nullptr, "--format", formats},
                         {nullptr, "--goal", goals},
                         {nullptr, "--gpu", gpu_words},
                         {nullptr, "--k-dtype", dtypes},
                         {nullptr, "--kv-data", kv_data},
                         {nullptr, "--kv-dtype", dtypes},
                         {nullptr, "--layout", layout_words},
                         {nullptr, "--match", matches},
                         {nullptr, "--model", model_words},
                         {nullptr, "--preempt", preempted},
                         {nullptr, "--to", writers},
                         {nullptr, "--v-dtype", dtypes},
                         {nullptr, "--versus", versus}};

}  // namespace value_word_sources

}  // namespace

std::vector<ValueWord> value_words(const std::string& command, const std::string& name) {
    for (const value_word_sources::Row& r : value_word_sources::kRows)
        if (name == r.name && (!r.command || command == r.command)) return r.words();
    return {};
}

}  // namespace kvsim::app
