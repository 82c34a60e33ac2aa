// Layouts of whole sequences, beside the feature table: what concurrency means, and contiguous runs.
#include <doctest/doctest.h>
#include <kvsim/core/error.h>
#include <kvsim/engine/engines.h>
#include <kvsim/layout/sequence_layouts.h>

#include "unit/load_text.h"

namespace sequence_layouts_test {

using namespace kvsim;

template <class F>
static std::string error_of(F&& f) {
    try {
        f();
    } catch (const Error& e) {
        CHECK(e.kind() == ErrorKind::input);
        return e.what();
    }
    return "no error";
}

// --concurrency N means nothing where events say who is there; trace needs ends.
TEST_CASE("concurrency of sequence layouts is checked") {
    using kvsim_test::load_text;
    Trace events = load_text(
        "{\"kvsim_trace\":1,\"block_size\":4}\n{\"op\":\"prompt\",\"seq\":\"a\",\"t\":0,\"length\":4,\"blocks\":[1]}"
        "\n");
    Trace requests = load_text(
        "{\"kvsim_trace\":1,\"block_size\":4}\n{\"op\":\"request\",\"seq\":\"a\",\"t\":0,\"length\":4,\"blocks\":[1]}"
        "\n");
    CacheConfig config;
    config.layout = "paged";
    resolve_cache(config);
    RunOptions options;
    options.concurrency = 3;
    CHECK(error_of([&] { sequence_rules(config, events, options); }).find("--concurrency 3 has no effect here") == 0);
    sequence_rules(config, requests, options);
    options.concurrency = kByTrace;
    sequence_rules(config, events, options);
    CHECK(error_of([&] { sequence_rules(config, requests, options); }) ==
          "--concurrency trace: request 0 (a) has no recorded end");
    requests.samples.set(0, 100000001);
    options.concurrency = 1;
    CHECK(error_of([&] { sequence_rules(config, requests, options); }).find("n: more than 100000000") == 0);
}

// max: every sequence gets 5 blocks of 4. grow: 1, 2, 4 blocks.
TEST_CASE("contiguous: reserved room, growth in place and by moving") {
    ContiguousStore max({10, 4, 20});
    CHECK_FALSE(max.allocate(0, 1).has_value());
    CHECK_FALSE(max.allocate(1, 1).has_value());
    CHECK(max.used_blocks() == 10);
    CHECK(max.allocate(2, 1)->have == 0);
    CHECK_FALSE(max.append(0, 19).has_value());
    CHECK(max.stats().copied_tokens == 0);
    ContiguousStore grow({8, 4, 0});
    CHECK_FALSE(grow.allocate(0, 4).has_value());  // [0, 1)
    CHECK_FALSE(grow.append(0, 1).has_value());    // [0, 2), in place
    CHECK_FALSE(grow.allocate(1, 4).has_value());  // [2, 3)
    CHECK_FALSE(grow.append(0, 4).has_value());    // 9 tokens, 4 blocks: moves to [3, 7)
    CHECK(grow.run(0).begin == 3);
    CHECK(grow.stats().copied_tokens == 5);
    CHECK(grow.used_blocks() == 5);
    CHECK(grow.stats().peak_used_blocks == 7);  // both runs while it moves
    // 3 free blocks, in holes of 2 and 1.
    auto failure = grow.allocate(2, 12);
    REQUIRE(failure.has_value());
    CHECK(failure->need == 4);
    CHECK(failure->have == 2);
    grow.check_invariants();
}

// What samples take, and the most while they are stored, against storing them. By hand: B = 4, prompt 6, 3 tokens, 3
// samples: 2 blocks, 2 copies (the last holder writes in place), and 2 of the 3 tokens fill the tail, 1 begins a block
// in each: 2 + 2 + 3 = 7.
TEST_CASE("the room of samples is computed as it comes out") {
    CHECK(PagedStore({kUnlimited, 4}).room_of_samples(6, 3, 3) == 7);
    for (uint32_t size : {1u, 3u, 4u})
        for (uint64_t prompt = 0; prompt <= 9; ++prompt)
            for (uint64_t tokens = 0; tokens <= 9; ++tokens)
                for (uint32_t samples = 1; samples <= 4; ++samples) {
                    PagedStore paged({kUnlimited, size});
                    ContiguousStore grow({kUnlimited, size, 0}), max({kUnlimited, size, 20});
                    auto store = [&](auto& s) {
                        s.allocate(0, prompt);
                        for (uint32_t i = 1; i < samples; ++i) s.fork(0, i);
                        for (uint32_t i = 0; i < samples && tokens > 0; ++i) s.append(i, tokens);
                        uint64_t room = s.room_of_samples(prompt, tokens, samples);
                        bool ok = s.used_blocks() == room;
                        if (s.kRoomIsEnough) ok = ok && s.stats().peak_used_blocks == room;
                        ok = ok && s.stats().peak_used_blocks <= 2 * room;
                        INFO("B " << size << " prompt " << prompt << " tokens " << tokens << " samples " << samples);
                        CHECK(ok);
                    };
                    store(paged);
                    store(grow);
                    store(max);
                }
}

}  // namespace sequence_layouts_test
