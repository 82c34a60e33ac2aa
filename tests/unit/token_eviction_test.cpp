// Token strategies on stories small enough to be counted by hand, and the published budgets of PyramidKV.
#include <doctest/doctest.h>
#include <kvsim/core/error.h>

#include <cmath>
#include <numeric>

#include "support/token_story.h"

namespace token_eviction_test {

using namespace kvsim;
using namespace kvsim_test;

namespace {

using Ids = std::vector<uint32_t>;

TokenContext context_of(uint64_t sequence_tokens, uint32_t kv_heads = 1) {
    TokenContext c;
    c.sequence_tokens = sequence_tokens;
    c.kv_heads = kv_heads;
    return c;
}

/// One head, weights by token.
TokenStep weighing(std::vector<float> weights) {
    TokenStep s;
    s.weights = {std::move(weights)};
    return s;
}
/// One head, one coordinate or more.
TokenStep keyed(std::vector<float> key) {
    TokenStep s;
    s.keys = s.values = {std::move(key)};
    return s;
}

Ids after(const std::string& spec, uint32_t tokens, TokenContext context) {
    TokenHolder cache(spec, context);
    for (uint32_t t = 0; t < tokens; ++t) cache.step({});
    return cache.held();
}

std::string error_of(const std::string& spec, uint64_t tokens = 100) {
    try {
        make_token_strategy(spec, context_of(tokens));
    } catch (const Error& e) {
        CHECK(e.kind() == ErrorKind::input);
        return e.what();
    }
    return "";
}

bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

std::vector<uint64_t> pyramid(const std::string& rule, uint32_t layers, uint64_t tokens) {
    return token_budgets("pyramid_kv:rule=" + rule, layers, tokens);
}
uint64_t sum(const std::vector<uint64_t>& v) { return std::accumulate(v.begin(), v.end(), uint64_t{0}); }

}  // namespace

// A share rounds down, is at least 1 and never above the capacity; 0.29 of 100 is 29.
TEST_CASE("tokens: budgets") {
    auto budget = [](const std::string& spec, uint64_t tokens, uint64_t capacity = ~uint64_t{0}) {
        TokenContext c = context_of(tokens);
        c.capacity_tokens = capacity;
        return make_token_strategy(spec, c)->budget();
    };
    CHECK(budget("h2o", 512) == 102);
    CHECK(budget("h2o:budget=0.1", 512) == 51);
    CHECK(budget("h2o:budget=0.29", 100) == 29);
    CHECK(budget("h2o:budget=0.001", 512) == 1);
    CHECK(budget("h2o:budget=1", 512) == 1);
    CHECK(budget("h2o:budget=600", 512) == 600);
    CHECK(budget("h2o:budget=600", 512, 100) == 100);
    CHECK(budget("tova:budget=0.5", 512, 100) == 100);
    CHECK(budget("none", 512) == ~uint64_t{0});
    CHECK(budget("streaming_llm:window=60", 512) == 64);
    CHECK(budget("streaming_llm:window=60,budget=50", 512) == 50);
    CHECK(budget("streaming_llm:window=60", 512, 32) == 32);
    CHECK(budget("sliding_window:window=60", 512) == 60);
    CHECK(budget("token/ada_kv:budget=7", 512) == 7);
    CHECK(token_budgets("h2o:budget=0.25", 3, 100) == std::vector<uint64_t>{25, 25, 25});
}

TEST_CASE("tokens: what a spec must not say") {
    CHECK(has(error_of("h2p"), "unknown token strategy (--eviction) 'h2p' (did you mean 'h2o'?)"));
    CHECK(has(error_of("h2o:budget=0"), "h2o: parameter budget=0: expected a share of the sequence above 0 and below"));
    for (const char* bad : {"1.5", "1.0", "-1", "nan", "x", "", "1e9", "4294967297", "18446744073709551616"})
        CHECK(has(error_of("tova:budget=" + std::string(bad)), "tova: parameter budget="));
    CHECK(has(error_of("h2o:budget=4,sinks=4"), "expected fewer than the budget of 4 tokens"));
    CHECK(error_of("h2o:budget=4,sinks=3,recent=9").empty());
    CHECK(has(error_of("h2o:window=3"), "'h2o' has no parameter 'window'"));
    CHECK(has(error_of("none:budget=3"), "'none' takes no parameters"));
    CHECK(has(error_of("h2o:decay=1.1"), "expected a number from 0 to 1"));
    CHECK(has(error_of("h2o:score=mean,decay=0.5"), "score=mean takes none"));
    CHECK(has(error_of("snap_kv:kernel=4"), "expected an odd number"));
    CHECK(has(error_of("sliding_window:window=0"), "window=0"));
    CHECK(has(error_of("pyramid_kv:rule=linear"), "expected one of exact"));
    CHECK(has(error_of("tova:recent=18446744073709551615"), "recent="));
    CHECK_THROWS_AS(token_budgets("h2o:bugdet=3", 2, 10), Error);
    TokenContext outside = context_of(10);
    outside.layer = outside.layers = 4;
    CHECK_THROWS_WITH(make_token_strategy("pyramid_kv", outside), "pyramid_kv: layer 4 of a model of 4");
}

TEST_CASE("tokens: data that a strategy needs") {
    for (const TokenStrategyRow& row : token_strategies().rows()) {
        if (!row.needs_weights && !row.needs_keys_before_rotation) continue;
        TokenHolder cache(row.id, context_of(10));
        CHECK_THROWS_AS(cache.step({}), Error);
    }
    std::vector<HeadTokens> heads(1);
    std::vector<std::vector<float>> weights = {{0.5f, 0.5f}};  // two for one token
    heads[0].ids = {0};
    LayerStep step;
    step.heads = &heads;
    step.weights = &weights;
    auto h2o = make_token_strategy("h2o", context_of(10));
    CHECK_THROWS_WITH(h2o->on_step(step), "h2o: attention weights of token 0, head 0: expected 1, found 2");
}

// Weights so that the sums are 5, 1, 3, 4 once all four are there; a budget of 3 without protection loses token 1.
TEST_CASE("tokens: H2O evicts the smallest sum") {
    TokenHolder cache("h2o:budget=3,recent=0", context_of(4));
    cache.step(weighing({2}));
    cache.step(weighing({1, 1}));
    cache.step(weighing({1, 0, 2}));
    cache.step(weighing({1, 0, 1, 4}));
    CHECK(cache.held() == Ids{0, 2, 3});
}

// Nobody looked at the newest token yet: its sum, 0, is the smallest, but the 8 - floor(8 / 2) newest stay. Of the
// others token 4 has the smallest, 5 x 1/8; those before it were seen more often.
TEST_CASE("tokens: H2O does not drop the newest token") {
    TokenHolder cache("h2o:budget=8", context_of(9));
    for (uint32_t t = 0; t < 9; ++t) {
        std::vector<float> w(t + 1, 0.125f);
        if (t == 8) w[8] = 0;
        cache.step(weighing(w));
    }
    CHECK(cache.held() == Ids{0, 1, 2, 3, 5, 6, 7, 8});
    // Without protection it is what leaves.
    TokenHolder bare("h2o:budget=1,recent=0", context_of(9));
    bare.step(weighing({1}));
    bare.step(weighing({1, 0}));
    CHECK(bare.held() == Ids{0});
}

// Sums 2 + 1 + 1 + 1 = 5, 2 + 1 + 0 = 3 and `second`; seen 4, 3 and 2 times. second = 3: equal sums, the older, 1,
// leaves. second = 2: token 2 by sum; by mean 5/4, 3/3 and 2/2, so the older, 1.
TEST_CASE("tokens: H2O by sum, by mean, with decay") {
    auto held = [](const std::string& spec, float second) {
        TokenHolder cache("h2o:budget=3,recent=1" + spec, context_of(4));
        cache.step(weighing({2}));
        cache.step(weighing({1, 2}));
        cache.step(weighing({1, 1, second}));
        cache.step(weighing({1, 0, 0, 9}));
        return cache.held();
    };
    CHECK(held("", 3) == Ids{0, 2, 3});
    CHECK(held("", 2) == Ids{0, 1, 3});
    CHECK(held(",score=mean", 2) == Ids{0, 2, 3});
    // Half is lost at each step: token 0 has ((2/2 + 1)/2 + 1)/2 + 1 = 2, token 1 (2/2 + 1)/2 = 1, token 2 half of
    // `second`: 1.5 or 0.75.
    CHECK(held(",decay=0.5", 3) == Ids{0, 2, 3});
    CHECK(held(",decay=0.5", 1.5) == Ids{0, 1, 3});
}

TEST_CASE("tokens: sinks and recent tokens are protected, and what goes where all are") {
    // Weights of nothing: the oldest that may go.
    auto held = [](const std::string& spec, uint32_t tokens) {
        TokenHolder cache(spec, context_of(tokens));
        for (uint32_t t = 0; t < tokens; ++t) cache.step(weighing(std::vector<float>(t + 1, 0)));
        return cache.held();
    };
    CHECK(held("h2o:budget=5,sinks=2", 10) == Ids{0, 1, 7, 8, 9});
    CHECK(held("tova:budget=3", 10) == Ids{7, 8, 9});
    CHECK(held("tova:budget=3,sinks=1", 10) == Ids{0, 8, 9});
    // So many that the search takes them in parts: equal scores everywhere, and the oldest in another part each time.
    Ids last(300);
    std::iota(last.begin(), last.end(), 600);
    CHECK(held("tova:budget=300", 900) == last);
    // All are protected: the oldest that is no sink.
    CHECK(held("h2o:budget=3,sinks=2,recent=9", 10) == Ids{0, 1, 9});
    // All are sinks: the highest.
    TokenContext small = context_of(10);
    small.capacity_tokens = 2;
    TokenHolder cache("h2o:budget=8,sinks=5", small);
    for (uint32_t t = 0; t < 4; ++t) cache.step(weighing(std::vector<float>(t + 1, 0)));
    CHECK(cache.held() == Ids{0, 1});
}

TEST_CASE("tokens: a window holds what it says and never more than the budget") {
    CHECK(after("sliding_window:sinks=2,window=3,budget=5", 10, context_of(10)) == Ids{0, 1, 7, 8, 9});
    CHECK(after("sliding_window:budget=3", 10, context_of(10)) == Ids{7, 8, 9});
    CHECK(after("streaming_llm:budget=6", 10, context_of(10)) == Ids{0, 1, 2, 3, 8, 9});
    CHECK(after("streaming_llm:budget=3", 10, context_of(10)) == Ids{0, 1, 2});
    CHECK(after("none", 4, context_of(10)) == Ids{0, 1, 2, 3});
    // A window beyond the budget does not let the cache grow; a smaller one does not make it swing.
    for (const char* spec : {"sliding_window:sinks=4,window=64,budget=8", "sliding_window:sinks=2,window=3,budget=8"}) {
        TokenHolder cache(spec, context_of(100));
        for (size_t t = 0; t < 100; ++t) {
            cache.step({});
            CHECK(cache.held().size() == std::min<size_t>(t + 1, cache.budget()));
        }
    }
}

// Answers 1,840 tokens back are seen with 4 + 2,044 tokens, 2,300 back are not; with 4 + 4,092 both, 4,600 back not.
TEST_CASE("tokens: StreamingLLM's cliff") {
    auto sees = [](const std::string& spec, uint32_t back) {
        Ids held = after(spec, 10000, context_of(10000));
        return std::find(held.begin(), held.end(), 9999 - back) != held.end();
    };
    CHECK(sees("streaming_llm:window=2044", 1840));
    CHECK_FALSE(sees("streaming_llm:window=2044", 2300));
    CHECK(sees("streaming_llm:window=4092", 2300));
    CHECK_FALSE(sees("streaming_llm:window=4092", 4600));
    CHECK_FALSE(sees("streaming_llm:window=8188", 9200));
    // The edge: the newest is 0 back, so 2,043 back is the last.
    CHECK(sees("streaming_llm:window=2044", 2043));
    CHECK_FALSE(sees("streaming_llm:window=2044", 2044));
    CHECK(sees("streaming_llm:window=2044", 9996));  // token 3, a sink
    CHECK_FALSE(sees("streaming_llm:window=2044", 9995));
}

// Two heads; the newest query's weights. Per head: the first loses 1 (0.1), the second 0 (0.2). Per layer the means are
// 0.35, 0.3, 0.35: both lose 1.
TEST_CASE("tokens: TOVA per head and per layer") {
    auto held = [](const std::string& spec) {
        TokenHolder cache(spec, context_of(3, 2));
        TokenStep s;
        s.weights = {{1}, {1}};
        cache.step(s);
        s.weights = {{1, 0}, {1, 0}};
        cache.step(s);
        s.weights = {{0.5f, 0.1f, 0.4f}, {0.2f, 0.5f, 0.3f}};
        cache.step(s);
        return cache.all_held();
    };
    CHECK(held("tova:budget=2") == std::vector<Ids>{{0, 2}, {1, 2}});
    CHECK(held("tova:budget=2,per=layer") == std::vector<Ids>{{0, 2}, {0, 2}});
}

TEST_CASE("tokens: Knorm keeps short keys and the newest") {
    TokenHolder cache("k_norm:budget=2", context_of(4));
    cache.step(keyed({2}));
    cache.step(keyed({-1}));
    cache.step(keyed({3}));  // the longest, but new: 0 leaves
    CHECK(cache.held() == Ids{1, 2});
    cache.step(keyed({3}));  // 2 and 3 are as long: the older
    CHECK(cache.held() == Ids{1, 3});
}

// Keys (1, 0), (0, 1), (1, 0): the mean points to (2, 1) / 3; the first and the third are most like it, the older
// leaves. Then (0, 1), (1, 0), (0, 5): as long as any other once normalised, so 1 and 3 are most like the mean, the
// older leaves.
TEST_CASE("tokens: KeyDiff keeps keys that differ") {
    TokenContext c = context_of(4);
    c.head_dim = 2;
    TokenHolder cache("key_diff:budget=2", c);
    cache.step(keyed({1, 0}));
    cache.step(keyed({0, 1}));
    cache.step(keyed({1, 0}));
    CHECK(cache.held() == Ids{1, 2});
    cache.step(keyed({0, 5}));
    CHECK(cache.held() == Ids{2, 3});
    TokenHolder zeros("key_diff:budget=2", c);  // a key of zeros points nowhere: as (0, 1) across (1, 0)
    for (int i = 0; i < 3; ++i) zeros.step(keyed({0, 0}));
    CHECK(zeros.held() == Ids{1, 2});
}

TEST_CASE("tokens: random is seeded, differs from sequence to sequence, and favours nobody") {
    auto held = [](const std::string& spec, uint64_t sequence, uint64_t seed) {
        TokenContext c = context_of(200);
        c.sequence = sequence;
        c.seed = seed;
        return after(spec, 200, c);
    };
    CHECK(held("random", 0, 0) == held("random", 0, 0));
    CHECK(held("random", 0, 0) != held("random", 1, 0));
    CHECK(held("random", 0, 0) != held("random", 0, 1));
    CHECK(held("random:seed=1", 0, 0) == held("random", 0, 1));
    // One of 11 leaves at each step: a token outlives 10 victims with (10/11)^10 = 0.386. 2,000 sequences: standard
    // deviation 0.011 each.
    std::vector<int> there(20);
    for (uint64_t s = 0; s < 2000; ++s)
        for (uint32_t id : held("random:budget=10", s, 0))
            if (id >= 180) ++there[id - 180];
    // Token 190 was there for the 10 victims of steps 190 to 199.
    CHECK(there[10] / 2000.0 == doctest::Approx(std::pow(10.0 / 11, 10)).epsilon(0.1));
    CHECK(there[19] / 2000.0 == doctest::Approx(10.0 / 11).epsilon(0.03));
}

// Window 1, kernel 3: token 2 got 0.5 and holds its neighbours 1 and 3. Of 0 and 4 (and more), 0 is older. With kernel
// 1 the oldest of those with nothing leaves as well; with budget 4 of 6 two steps evict.
TEST_CASE("tokens: SnapKV keeps neighbours of what is looked at") {
    auto held = [](const std::string& spec) {
        TokenHolder cache("snap_kv:budget=4,window=1," + spec, context_of(6));
        for (uint32_t t = 0; t < 6; ++t) {
            std::vector<float> w(t + 1, 0);
            if (t >= 2) w[2] = 0.5f;
            cache.step(weighing(w));
        }
        return cache.held();
    };
    CHECK(held("kernel=3") == Ids{1, 2, 3, 5});
    CHECK(held("kernel=1") == Ids{2, 3, 4, 5});
    CHECK(held("kernel=3,pool=avg") == Ids{1, 2, 3, 5});
    CHECK(held("kernel=1,sinks=1") == Ids{0, 2, 4, 5});
}

// What is seen leaves the window: with window 2, weights of step 2 no longer count at step 4.
TEST_CASE("tokens: SnapKV forgets queries before its window") {
    TokenHolder cache("snap_kv:budget=4,window=2,kernel=1", context_of(5));
    cache.step(weighing({0}));
    cache.step(weighing({0, 0}));
    cache.step(weighing({1, 0, 0}));
    cache.step(weighing({0, 0.25f, 0.125f, 0}));
    cache.step(weighing({0, 0, 0, 0, 0}));
    CHECK(cache.held() == Ids{1, 2, 3, 4});
}

// Two heads, 2 x 2 tokens. Head 0 looks at its tokens, head 1 at none: with no safeguard head 1 gives both victims and
// keeps the newest alone; with alpha = 1 each head keeps 2.
TEST_CASE("tokens: Ada-KV shares the budget of a layer") {
    auto held = [](const std::string& alpha) {
        TokenHolder cache("ada_kv:budget=2,window=1,kernel=1,alpha=" + alpha, context_of(3, 2));
        TokenStep s;
        s.weights = {{1}, {0}};
        cache.step(s);
        s.weights = {{1, 1}, {0, 0}};
        cache.step(s);
        s.weights = {{1, 1, 1}, {0, 0, 0}};
        cache.step(s);
        return cache.all_held();
    };
    CHECK(held("0") == std::vector<Ids>{{0, 1, 2}, {2}});
    CHECK(held("1") == std::vector<Ids>{{1, 2}, {1, 2}});
    TokenContext small = context_of(3, 2);
    small.capacity_tokens = 2;  // no head may hold 3
    TokenHolder cache("ada_kv:budget=2,window=1,kernel=1,alpha=0", small);
    TokenStep s;
    for (uint32_t t = 0; t < 3; ++t) {
        s.weights = {std::vector<float>(t + 1, 1), std::vector<float>(t + 1, 0)};
        cache.step(s);
    }
    CHECK(cache.all_held() == std::vector<Ids>{{1, 2}, {1, 2}});
}

// One pair, 1 radian a position; queries before rotation are (1, 0). Keys before rotation (1, 0) and (-1, 0), values of
// length 1: what points away from the coming query leaves. With one future position the coming query is the next one.
TEST_CASE("tokens: expected attention turns queries back and forth") {
    TokenContext c = context_of(10);
    c.head_dim = 2;
    auto turned = [](double x, double angle) {
        return std::vector<float>{static_cast<float>(x * std::cos(angle)), static_cast<float>(x * std::sin(angle))};
    };
    TokenHolder cache("expected_attention:budget=3,sinks=1,n_future=1,covariance=off", c);
    for (uint32_t t = 0; t < 4; ++t) {
        TokenStep s;
        double x = t == 2 ? 3 : 1;
        s.keys_before = {{static_cast<float>(x), 0}};
        s.keys = {turned(x, t)};
        s.values = {{1, 0}};
        s.queries = turned(1, t);
        cache.step(s);
    }
    // At step 3 the next query is (cos 4, sin 4); keys 1, 2, 3 lie 3, 2, 1 radians before it: cos 3 = -0.99,
    // 3 cos 2 = -1.25, cos 1 = 0.54. Token 2 leaves.
    CHECK(cache.held() == Ids{0, 1, 3});
    // Keys that were not rotated fit no pairing.
    TokenHolder wrong("expected_attention:budget=3", c);
    TokenStep s;
    s.keys = s.keys_before = s.values = {{1, 0}};
    s.queries = {1, 0};
    wrong.step(s);
    CHECK_THROWS_AS(wrong.step(s), Error);
}

// base = cap - w = 120, least = 120 / 20 = 6, most = 240 - 6 = 234, step = 228 / 31 = 7: 234 + 8 = 242, 235, ...
TEST_CASE("tokens: PyramidKV's budgets, authors' code") {
    auto check = [](const std::string& spec, uint64_t first, uint64_t second, uint64_t last, uint64_t total) {
        std::vector<uint64_t> b = pyramid("kvcache_factory," + spec, 32, 8192);
        CHECK(b.size() == 32);
        CHECK(b[0] == first);
        CHECK(b[1] == second);
        CHECK(b[31] == last);
        CHECK(sum(b) == total);
    };
    check("budget=128,window=8", 242, 235, 25, 4272);
    check("budget=2048,window=8", 3986, 3861, 111, 65552);
    check("budget=2048,window=32", 3964, 3841, 151, 65840);
    check("budget=320,window=64", 564, 549, 99, 10608);
    // T < 2 base: every layer keeps the budget; T < budget: nobody evicts.
    CHECK(pyramid("kvcache_factory,budget=100,window=8", 4, 183) == std::vector<uint64_t>(4, 100));
    CHECK(pyramid("kvcache_factory,budget=100,window=8", 4, 50) == std::vector<uint64_t>(4, 100));
    // T - w = 176 < most = 180: most = 176, least = 184 - 176 = 8, step = 168 / 3 = 56.
    CHECK(pyramid("kvcache_factory,budget=100,window=8", 4, 184) == std::vector<uint64_t>{184, 128, 72, 16});
    CHECK(pyramid("kvcache_factory,budget=8,window=8", 2, 184) == std::vector<uint64_t>{8, 8});
}

// least = 2048 / 20 = 102.4, most = 4096 - 102.4 = 3993.6.
TEST_CASE("tokens: PyramidKV's budgets, kvpress") {
    auto check = [](const std::string& budget, uint64_t tokens, uint64_t first, uint64_t last, uint64_t total) {
        std::vector<uint64_t> b = pyramid("kvpress,window=64,budget=" + budget, 32, tokens);
        CHECK(b[0] == first);
        CHECK(b[31] == last);
        CHECK(sum(b) == total);
    };
    check("0.5", 4096, 3994, 102, 65536);
    check("0.2", 8192, 3195, 82, 52429);
    check("0.1", 32768, 6390, 164, 104859);
    // least = 1.25 < window: every layer has the budget.
    CHECK(pyramid("kvpress,window=64,budget=25", 4, 1000) == std::vector<uint64_t>(4, 25));
}

// ceil(M x 2 (L - l) / (L (L + 1))): 128 x 8 / 20 = 51.2, 38.4, 25.6, 12.8. In doubles 100 x 2 x 21 / 600 = 7 became 8.
TEST_CASE("tokens: PyramidKV's budgets, ceilings and the exact sum") {
    CHECK(pyramid("seed_ceil,budget=128", 4, 1000) == std::vector<uint64_t>{52, 39, 26, 13});
    CHECK(pyramid("seed_ceil,budget=8", 4, 1000) == std::vector<uint64_t>{4, 3, 2, 1});
    CHECK(pyramid("seed_ceil,budget=100", 24, 1000)[3] == 7);
    std::vector<uint64_t> long_one = pyramid("seed_ceil,budget=4096", 32, 1000000);
    CHECK(long_one[0] == 249);
    CHECK(long_one[31] == 8);
    CHECK(sum(long_one) == 4112);
    // 8 tokens in all: 3.2 2.4 1.6 0.8 -> 3 2 1 0 and the two largest remainders.
    CHECK(pyramid("exact,budget=2", 4, 1000) == std::vector<uint64_t>{3, 2, 2, 1});
    CHECK(pyramid("exact,budget=32", 4, 1000) == std::vector<uint64_t>{51, 38, 26, 13});  // 51.2 38.4 25.6 12.8
    CHECK(pyramid("exact,budget=1", 4, 1000) == std::vector<uint64_t>{1, 1, 1, 1});
    for (uint32_t layers : {1u, 2u, 3u, 24u, 80u})
        for (uint64_t budget : {1u, 2u, 5u, 128u, 1001u}) {
            std::vector<uint64_t> b = pyramid("exact,budget=" + std::to_string(budget), layers, 100000);
            CHECK(sum(b) == layers * budget);
            CHECK(std::is_sorted(b.rbegin(), b.rend()));
            CHECK(b.back() >= 1);
        }
    CHECK(pyramid("exact", 2, 100) == token_budgets("pyramid_kv", 2, 100));
}

// len(layer l) = min(tokens, budget(l)).
TEST_CASE("tokens: PyramidKV in effect") {
    for (uint32_t layer = 0; layer < 4; ++layer) {
        TokenContext c = context_of(20);
        c.layers = 4;
        c.layer = layer;
        TokenHolder cache("pyramid_kv:budget=2,window=1", c);
        for (uint32_t t = 0; t < 20; ++t) cache.step(weighing(std::vector<float>(t + 1, 0.5f)));
        CHECK(cache.held().size() == std::vector<size_t>{3, 2, 2, 1}[layer]);
        CHECK(cache.budget() == cache.held().size());
    }
}

}  // namespace token_eviction_test
