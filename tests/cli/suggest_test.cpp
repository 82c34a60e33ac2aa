// "Did you mean": one near miss for everything that is chosen from a set of words.
#include "cli.h"

#include <set>

using namespace kvsim_test;

namespace suggest_test {

struct NearMiss {
    Args args;
    const char* meant;
};

const std::string kTrace = "TRACE";  ///< replaced by a trace that is there

const std::vector<NearMiss> kNearMisses = {
    // commands
    {{"replya"}, "replay"},
    {{"trace", "inof"}, "info"},
    {{"--versoin"}, "--version"},
    {{"replay", kTrace, "--blokcs", "5"}, "--blocks"},
    {{"list", "modls"}, "models"},
    {{"completion", "zhs"}, "zsh"},
    // options shared by the commands that replay
    {{"replay", kTrace, "--format", "mooncke"}, "mooncake"},
    {{"replay", kTrace, "--format", "mooncake:tokens_per_di=4"}, "tokens_per_id"},
    {{"replay", kTrace, "--format", "mooncake:tail=nane"}, "none"},
    {{"replay", kTrace, "--blocks", "unlimted"}, "unlimited"},
    {{"compare", kTrace, "--blocks", "5,unlimted"}, "unlimited"},
    {{"replay", kTrace, "--memory", "40gb", "--model", "llama-3.1-8b"}, "40GB"},
    {{"replay", kTrace, "--memory", "40Gib", "--model", "llama-3.1-8b"}, "40GiB"},
    {{"replay", kTrace, "--layout", "prefx"}, "prefix"},
    {{"replay", kTrace, "--eviction", "lruu"}, "lru"},
    {{"replay", kTrace, "--eviction", "block/lruu"}, "lru"},
    {{"replay", kTrace, "--eviction", "s3_fifo:smal=0.1"}, "small"},
    {{"replay", kTrace, "--eviction", "s3_fifo:variant=v2"}, "v0"},
    {{"replay", kTrace, "--layout", "paged", "--eviction", "lfuu"}, "lfu"},
    {{"replay", kTrace, "--layout", "paged", "--eviction", "streaming_llm:snk=4"}, "sink"},
    {{"replay", kTrace, "--layout", "quantized", "--eviction", "h20"}, "h2o"},
    {{"replay", kTrace, "--layout", "quantized", "--eviction", "h2o:budgt=0.2"}, "budget"},
    {{"replay", kTrace, "--accounting", "tre"}, "tree"},
    {{"replay", kTrace, "--accounting", "tree:protct=hits"}, "protect"},
    {{"replay", kTrace, "--accounting", "tree:protect=hit"}, "hits"},
    {{"replay", kTrace, "--match", "tokn"}, "token"},
    {{"replay", kTrace, "--match", "snapshot:max_entres=3"}, "max_entries"},
    {{"replay", kTrace, "--layout", "paged", "--on-full", "evit"}, "evict"},
    {{"replay", kTrace, "--layout", "paged", "--on-full", "preempt", "--preempt", "latst"}, "latest"},
    {{"replay", kTrace, "--layout", "contiguous", "--reserve", "mx"}, "max"},
    {{"replay", kTrace, "--engine", "vlm"}, "vllm"},
    {{"replay", kTrace, "--engine", "vllm:cachng=on"}, "caching"},
    {{"replay", kTrace, "--engine", "vllm:policy=fcf"}, "fcfs"},
    {{"replay", kTrace, "--engine", "vllm:groups=ful"}, "full"},
    {{"replay", kTrace, "--engine", "vllm", "--arrivals", "tim"}, "time"},
    {{"replay", kTrace, "--engine", "vllm", "--explain", "first-diference"}, "first-difference"},
    {{"replay", kTrace, "--model", "llama-3.1-8"}, "llama-3.1-8b"},
    {{"replay", kTrace, "--model", "llama-3.1-8b", "--kv-dtype", "bf1"}, "bf16"},
    {{"replay", kTrace, "--model", "llama-3.1-8b", "--k-dtype", "int4:scale=f1"}, "f16"},
    {{"replay", kTrace, "--model", "llama-3.1-8b", "--v-dtype", "int4:grop=32"}, "group"},
    {{"replay", kTrace, "--model", "llama-3.1-8b", "--gpu", "h10"}, "h100-sxm"},
    {{"replay", kTrace, "--decode", "lnked"}, "linked"},
    {{"replay", kTrace, "--concurrency", "trac"}, "trace"},
    {{"replay", kTrace, "--backend", "cp"}, "cpu"},
    {{"replay", kTrace, "--backend", "cpu:thrads=2"}, "threads"},
    {{"replay", kTrace, "--backend", "cpu:order=hn"}, "hnd"},
    {{"replay", kTrace, "--kv-data", "syntetic:tokens=64", "--layout", "quantized"}, "synthetic"},
    {{"replay", kTrace, "--kv-data", "synthetic:tokns=64", "--layout", "quantized"}, "tokens"},
    {{"replay", kTrace, "--bounds", "al"}, "all"},
    {{"replay", kTrace, "--by", "sesion"}, "session"},
    {{"replay", kTrace, "--timeline", "nne"}, "none"},
    {{"replay", kTrace, "--color", "alway"}, "always"},
    // the same where they are lists, or belong to one command
    {{"compare", kTrace, "--layout", "prefx"}, "prefix"},
    {{"compare", kTrace, "--eviction", "lru,fif"}, "fifo"},
    {{"compare", kTrace, "--accounting", "pinned,tre"}, "tree"},
    {{"compare", kTrace, "--engine", "vllm,sglng"}, "sglang"},
    {{"compare", kTrace, "--model", "llama-3.1-8"}, "llama-3.1-8b"},
    {{"compare", kTrace, "--model", "llama-3.1-8b", "--kv-dtype", "bf16,int44"}, "int4"},
    {{"compare", kTrace, "--model", "llama-3.1-8b", "--k-dtype", "bf1"}, "bf16"},
    {{"compare", kTrace, "--model", "llama-3.1-8b", "--v-dtype", "bf1"}, "bf16"},
    {{"compare", kTrace, "--versus", "lr"}, "lru"},
    {{"compare", kTrace, "--engine", "vllm", "--versus", "vlm"}, "vllm"},
    {{"compare", kTrace, "--bounds", "al"}, "all"},
    {{"curve", kTrace, "--by", "sesion"}, "session"},
    {{"curve", kTrace, "--bounds", "al"}, "all"},
    {{"size", kTrace, "--goal", "ceilng=0.9"}, "ceiling"},
    {{"bench", "decod"}, "decode"},
    {{"bench", "--backend", "cp"}, "cpu"},
    {{"bench", "--order", "hn"}, "hnd"},
    {{"bench", "--kv-dtype", "int8:grop=3"}, "group"},
    {{"bench", "--model", "llama-3.1-8"}, "llama-3.1-8b"},
    {{"trace", "convert", kTrace, "--to", "kvsm", "--output", "-"}, "kvsim"},
    {{"trace", "generate", "cht", "--output", "-"}, "chat"},
    {{"trace", "generate", "chat:sesions=4", "--output", "-"}, "sessions"},
    {{"trace", "generate", "chat", "--to", "mooncak", "--output", "-"}, "mooncake"},
};

TEST_CASE("suggest: a near miss names what was meant") {
    TempDir dir;
    std::string trace = dir.write("t.jsonl", kDemo);
    for (const NearMiss& miss : kNearMisses) {
        Args args = miss.args;
        for (std::string& word : args)
            if (word == kTrace) word = trace;
        fails(args, {std::string("did you mean '") + miss.meant + "'?"});
    }
}

TEST_CASE("suggest: keys of a configuration") {
    TempDir dir;
    std::string config = dir.write("c.json", "{\n  \"evicton\": \"lru\"\n}\n");
    fails({"replay", "t.jsonl", "--config", config}, {config + ":2:3: unknown key 'evicton' (did you mean 'eviction'?) for kvsim replay"});
}

// An option that takes words from a set has a near miss above; those of other commands are the same code.
TEST_CASE("suggest: no option with ids is forgotten") {
    std::set<std::string> tried;
    for (const NearMiss& miss : kNearMisses)
        for (const std::string& word : miss.args)
            if (word.rfind("--", 0) == 0) tried.insert(word);
    for (const Args& command : {Args{"replay"}, {"compare"}, {"curve"}, {"size"}, {"bench"}, {"trace", "convert"}, {"trace", "generate"}}) {
        for (const std::string& line : lines_of(kvsim(command + Args{"--help"}).out)) {
            std::string text = line.substr(std::min(line.size(), line.find_first_not_of(' ')));
            if (text.rfind("--", 0) != 0) continue;
            std::string name = text.substr(0, text.find(' '));
            std::string type = name.size() + 1 < text.size() ? text.substr(name.size() + 1) : "";
            type = type.substr(0, type.find_first_of(" ="));
            bool words = type.rfind("ID", 0) == 0 || type.find('|') != std::string::npos;
            if (!words || name == "--warmup") continue;  // N|P% are no words
            INFO(shown(command) << " " << name);
            CHECK(tried.count(name) == 1);
        }
    }
}

// Strategies of all scopes share one option: what stands under the wrong layout is no unknown word.
TEST_CASE("suggest: a strategy of another scope names its layout") {
    TempDir dir;
    std::string trace = dir.write("t.jsonl", kDemo);
    fails({"replay", trace, "--eviction", "h2o"}, {"--eviction h2o is a token strategy; expected a block strategy, or --layout quantized"});
    fails({"replay", trace, "--eviction", "sequence/lru"}, {"is a sequence strategy", "--layout paged, contiguous"});
    fails({"replay", trace, "--layout", "paged", "--eviction", "s3_fifo"}, {"is a block strategy; expected a sequence strategy, or --layout prefix"});
    fails({"replay", trace, "--layout", "quantized", "--eviction", "lru"}, {"is a block strategy; expected a token strategy"});
}

}  // namespace suggest_test
