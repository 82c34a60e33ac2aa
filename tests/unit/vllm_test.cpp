// The vLLM engine: parameters, what it refuses, and small cases worked by hand beside the conformance vectors.
#include <doctest/doctest.h>
#include <kvsim/engine/vllm.h>

#include "unit/load_text.h"

namespace vllm_test {

using namespace kvsim;
using kvsim_test::load_text;

namespace {

template <class F>
std::string error_of(F&& f) {
    try {
        f();
    } catch (const Error& e) {
        CHECK(e.kind() == ErrorKind::input);
        return e.what();
    }
    return "no error";
}

std::string resolved(const std::string& engine) {
    CacheConfig c;
    c.engine = engine;
    resolve_cache(c);
    return c.engine;
}

RunResult run(const Trace& trace, const RunOptions& options, const std::string& engine = "vllm") {
    RunResult result;
    CacheConfig c;
    c.engine = engine;
    resolve_cache(c);
    auto cache = cache_row(c).make(c, trace, options, RunPath::fastest);
    cache->run(trace, options, result);
    cache->check_invariants();
    return result;
}

RunOptions with_blocks(uint64_t blocks, Arrivals arrivals = Arrivals::sequential) {
    RunOptions o;
    o.capacity_blocks = blocks;
    o.arrivals = arrivals;
    return o;
}

std::string request(int i, const std::string& tokens, int output, const std::string& more = "") {
    return "{\"op\":\"request\",\"seq\":\"r" + std::to_string(i) + "\",\"t\":" + std::to_string(i) + ",\"tokens\":[" +
           tokens + "],\"output_length\":" + std::to_string(output) + more + "}\n";
}

const std::string kHeader = "{\"kvsim_trace\":1}\n";
const std::string kNine = "1,2,3,4,5,6,7,8,9";

double number(const RunResult& r, const std::string& key) {
    for (const EngineNumber& n : r.engine->numbers)
        if (n.key == key) return std::visit([](auto value) { return static_cast<double>(value); }, n.value);
    return -1;
}

using Hits = std::vector<uint32_t>;
using Steps = std::vector<uint64_t>;

}  // namespace

TEST_CASE("vllm: parameters") {
    CHECK(resolved("vllm") ==
          "vllm:caching=on,watermark=0,reserve_full=on,policy=fcfs,max_num_seqs=128,max_num_batched_tokens=2048,groups="
          "full,"
          "step_ms=25");
    CHECK(resolved("vllm_classic:groups=full+window:64+window:8,watermark=0.01,policy=priority,step_ms=12.5") ==
          "vllm_classic:caching=on,watermark=0.01,reserve_full=on,policy=priority,max_num_seqs=128,"
          "max_num_batched_tokens=2048,groups=full+window:64+window:8,step_ms=12.5");
    CHECK(resolved(resolved("vllm:caching=off")) == resolved("vllm:caching=off"));
    CHECK(VllmOptions::parse(resolved("vllm_classic")).short_text() == "vllm_classic");
    CHECK(VllmOptions::parse("vllm:groups=full+window:8,max_num_seqs=8,watermark=0").short_text() ==
          "vllm:max_num_seqs=8,groups=full+window:8");
    for (const char* wrong :
         {"vllm:watermark=1.5", "vllm:watermark=nan", "vllm:max_num_seqs=0", "vllm:max_num_batched_tokens=-1",
          "vllm:policy=lifo", "vllm:caching=yes", "vllm:groups=", "vllm:groups=window", "vllm:groups=window:0",
          "vllm:groups=window:64+full", "vllm:groups=full+", "vllm:groups=window:99999999999", "vllm:step_ms=0",
          "vllm:page=16", "vllm:policy=fcfs,policy=fcfs"}) {
        CAPTURE(wrong);
        CHECK(error_of([&] { resolved(wrong); }) != "no error");
    }
    CHECK(error_of([] { resolved("vllm:groups=window:0"); }) ==
          "groups=window:0: expected full, window:TOKENS, or several of them joined by +, not window:0");
    CHECK(error_of([] { resolved("vlm"); }).find("did you mean 'vllm'") != std::string::npos);
}

TEST_CASE("vllm: what it cannot serve") {
    Trace trace = load_text(kHeader + request(0, kNine, 1, ",\"step\":3") + request(1, kNine, 1), "kvsim", 4);
    RunResult result;
    CHECK(error_of([&] { run(trace, with_blocks(9, Arrivals::step)); }) ==
          "--arrivals step: request 1 (r1) has no step; expected a trace with \"step\" on every prompt or request, or "
          "--arrivals sequential or time");
    trace.step.set(1, -2);
    CHECK(error_of([&] { run(trace, with_blocks(9, Arrivals::step)); }) ==
          "--arrivals step: request 1 (r1) has step -2; expected 0 or more");
    trace.content = true;
    CHECK(error_of([&] { run(trace, with_blocks(9)); }).find("ids name content") != std::string::npos);
    trace.content = false;
    trace.objects = true;
    CHECK(error_of([&] { run(trace, with_blocks(9)); }).find("--engine vllm") != std::string::npos);
}

// 40 and 41 tokens are 10 and 11 blocks of 4: their room is counted though nothing has a name.
TEST_CASE("vllm: lengths alone") {
    Trace trace = load_text(
        "{\"kvsim_trace\":1}\n{\"op\":\"request\",\"seq\":\"a\",\"t\":0,\"length\":40,\"output_length\":2}\n"
        "{\"op\":\"request\",\"seq\":\"b\",\"t\":1,\"length\":0,\"output_length\":9}\n",
        "kvsim", 4);
    RunResult result = run(trace, with_blocks(11));
    CHECK(result.hit_blocks == Hits{0, 0});
    CHECK(result.total.active_blocks == 10);
    CHECK(result.peak_active_blocks == 11);
    CHECK(run(trace, with_blocks(9)).rejected == std::vector<bool>{true, false});
}

// Nothing is ever evicted: r1 hits (9 - 1) / 4 = 2 blocks. r0 holds 3 blocks, r1 one more.
TEST_CASE("vllm: unlimited") {
    Trace trace = load_text(kHeader + request(0, kNine, 5) + request(1, kNine, 0), "kvsim", 4);
    for (const char* engine : {"vllm", "vllm_classic", "vllm:groups=full+window:8"}) {
        RunResult result = run(trace, with_blocks(kUnlimited), engine);
        CHECK(result.hit_blocks == Hits{0, 2});
        CHECK(result.total.evicted_blocks == 0);
        CHECK(number(result, "num_gpu_blocks") == -1);
    }
}

// Six usable blocks of 4. r0 (9 tokens, 5 made: 13 computed) holds 3 blocks at admission, 4 at its end: blocks 0 to 2
// are published, 1 of them output. r1 hits 2 of 9 tokens' blocks and takes 1: 3 held, 1 published and free. Queries 9 +
// 9, hits 8. Usage at the end of the requests: 4 / 6 and 3 / 6. r1's 4 made tokens end at 12 computed: its third block
// is published too. r2 (other tokens, 20: 5 blocks) finds 4 published blocks and 2 that are not (one never taken): 3
// evictions.
TEST_CASE("vllm: its own numbers") {
    Trace trace = load_text(kHeader + request(0, kNine, 5) + request(1, kNine, 4) +
                                request(2, "51,52,53,54,55,56,57,58,59,60,61,62,63,64,65,66,67,68,69,70", 1),
                            "kvsim", 4);
    RunResult result = run(trace, with_blocks(6));
    CHECK(result.hit_blocks == Hits{0, 2, 0});
    CHECK(number(result, "num_gpu_blocks") == 7);
    CHECK(number(result, "prefix_cache_queries") == 38);
    CHECK(number(result, "prefix_cache_hits") == 8);
    CHECK(number(result, "kv_cache_usage_peak") == doctest::Approx(5.0 / 6));
    CHECK(number(result, "kv_cache_usage_mean") == doctest::Approx((4 + 3 + 5) / 18.0));
    CHECK(number(result, "evictions") == 3);
    CHECK(number(result, "cached_blocks") == 6);
    CHECK(number(result, "steps") == -1);
    CHECK(result.total.active_blocks == 3 + 3 + 5);
    CHECK(result.total.resident_blocks == 3 + 4 + 6);
    CHECK(result.total.resident_tokens == 9 + (12 + 1) + 24);
    CHECK(result.peak_active_blocks == 5);
    CHECK(result.peak_resident_blocks == 6);
    CHECK(result.engine->admit_step.empty());
    RunOptions warm = with_blocks(6);
    warm.warmup_requests = 2;
    result = run(trace, warm);
    CHECK(number(result, "prefix_cache_queries") == 20);
    CHECK(number(result, "evictions") == 3);
    CHECK(result.counted().admissions == 1);
    CHECK(result.warmup.resident_tokens == 9 + 13);
}

// One output token, never stored: 9 tokens are 2 full blocks; the third stays unpublished.
TEST_CASE("vllm: decode off") {
    Trace trace = load_text(kHeader + request(0, kNine, 100), "kvsim", 4);
    RunOptions options = with_blocks(3);
    CHECK(number(run(trace, options), "unfinished") == 1);
    options.decode = false;
    RunResult result = run(trace, options);
    CHECK(number(result, "unfinished") == -1);
    CHECK(number(result, "cached_blocks") == 2);
}

// Steps of 25 ms: 0 s, 0.024 s and 0.026 s are steps 0, 0 and 1; 1 s is step 40, and nothing happens in between.
TEST_CASE("vllm: arrival times") {
    std::string text = kHeader;
    for (const char* t : {"0", "0.024", "0.026", "1"})
        text += std::string("{\"op\":\"request\",\"seq\":\"s") + t + "\",\"t\":" + t +
                ",\"tokens\":[1,2,3],\"output_length\":2}\n";
    RunResult result = run(load_text(text, "kvsim", 4), with_blocks(40, Arrivals::time));
    CHECK(result.engine->admit_step == Steps{0, 0, 1, 40});
    CHECK(result.engine->finish_step == Steps{1, 1, 2, 41});
    CHECK(number(result, "steps") == 5);  // 0, 1, 2, 40, 41
    result = run(load_text(text, "kvsim", 4), with_blocks(40, Arrivals::time), "vllm:step_ms=1000");
    CHECK(result.engine->admit_step == Steps{0, 0, 0, 1});
}

// Two usable blocks of 4. r0 (12 tokens) can never fit: it is rejected as soon as nobody runs, and r1 is served in the
// same step. r2 (8 tokens, 2 made) fits, but its ninth token does not: alone, it preempts itself in step 2. It then has
// 9 tokens, which cannot be admitted: in step 3 it ends unfinished, and r3 takes its place.
TEST_CASE("vllm: nobody waits for ever") {
    Trace trace =
        load_text(kHeader + request(0, kNine + ",10,11,12", 1, ",\"step\":0") + request(1, "1,2", 1, ",\"step\":0") +
                      request(2, "1,2,3,4,5,6,7,8", 2, ",\"step\":1") + request(3, "1", 1, ",\"step\":1"),
                  "kvsim", 4);
    RunResult result = run(trace, with_blocks(2, Arrivals::step));
    constexpr uint64_t kNever = EngineRun::kNever;
    CHECK(result.rejected == std::vector<bool>{true, false, false, false});
    CHECK(result.engine->admit_step == Steps{kNever, 0, 1, 3});
    CHECK(result.engine->finish_step == Steps{kNever, 0, kNever, 3});
    CHECK(result.engine->preemptions == std::vector<uint32_t>{0, 0, 1, 0});
    CHECK(number(result, "unfinished") == 1);
    CHECK(result.total.waited == 1);
}

// A chunk at a time, four blocks are not enough for 20 tokens: with reserve_full=off the request is admitted, preempts
// itself, comes no further the second time, and ends. With it, it is never admitted.
TEST_CASE("vllm: a prompt that never fits is not computed for ever") {
    Trace trace = load_text(
        kHeader + request(0, "1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20", 1, ",\"step\":0"), "kvsim", 4);
    RunResult off = run(trace, with_blocks(4, Arrivals::step), "vllm:max_num_batched_tokens=6,reserve_full=off");
    CHECK(off.rejected.empty());
    CHECK(off.engine->finish_step == Steps{EngineRun::kNever});
    CHECK(number(off, "unfinished") == 1);
    RunResult on = run(trace, with_blocks(4, Arrivals::step), "vllm:max_num_batched_tokens=6");
    CHECK(on.rejected == std::vector<bool>{true});
}

TEST_CASE("vllm: definitions name what matters") {
    Trace trace = load_text(kHeader + request(0, kNine, 1), "kvsim", 4);
    CacheConfig c;
    c.engine = "vllm:groups=window:8";
    resolve_cache(c);
    const EngineRow* engine = engine_of(c);
    REQUIRE(engine);
    CHECK(engine->scheduler);
    CHECK(engine->rules_date == "2026-08-06");
    std::string all;
    for (const auto& line : engine->cache.definitions(c, trace, with_blocks(9, Arrivals::time)))
        all += line.second + "\n";
    for (const char* word :
         {"floor(t / step_ms)", "assumption", "published", "(prompt - 1) / block_size", "rejected"}) {
        CAPTURE(word);
        CHECK(all.find(word) != std::string::npos);
    }
}

}  // namespace vllm_test
