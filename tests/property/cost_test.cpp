// Prefill FLOPs in closed form against a sum over tokens and layers in whole numbers.
#include <doctest/doctest.h>
#include <kvsim/model/cost.h>
#include "support/random_check.h"

#include <algorithm>
#include <cmath>

namespace cost_test {

using namespace kvsim;

namespace {

ModelShape random_shape() {
    auto small = [] { return *rc::gen::inRange<uint64_t>(1, 9); };
    ModelShape shape;
    shape.id = "random";
    shape.query_heads = small();
    shape.active_params = *rc::gen::inRange<uint64_t>(0, 1000);
    uint64_t groups = *rc::gen::inRange<uint64_t>(1, 5);
    for (uint64_t i = 0; i < groups; ++i) {
        LayerGroup group = full_layers(small(), small(), small());
        uint64_t kind = *rc::gen::inRange<uint64_t>(0, 4);
        if (kind == 1) group = window_layers(small(), *rc::gen::inRange<uint64_t>(1, 60), small(), small());
        if (kind == 2) group = mla_layers(small(), small(), small());
        if (kind == 3) group = state_layers(small(), small());
        if (kind != 3 && *rc::gen::arbitrary<bool>()) group.value_head_dim = small();
        shape.groups.push_back(group);
    }
    return shape;
}

/// Every layer of every token looks at each token before it, one by one.
uint64_t naive(const ModelShape& shape, uint64_t begin, uint64_t end) {
    uint64_t flops = 0;
    for (uint64_t p = begin; p < end; ++p) {
        flops += 2 * *shape.active_params;
        for (const LayerGroup& group : shape.groups)
            for (uint64_t before = 0; before < p && group.kind != LayerKind::state; ++before) {
                if (group.kind == LayerKind::window && p - before > group.window_tokens) continue;
                uint64_t values = group.value_head_dim == 0 ? group.head_dim : group.value_head_dim;
                flops += 2 * group.count * *shape.query_heads * (group.head_dim + values);
            }
    }
    return flops;
}

void closed_form() {
    ModelShape shape = random_shape();
    PrefillFlops flops(shape);
    auto begin = *rc::gen::inRange<uint64_t>(0, 120), end = *rc::gen::inRange<uint64_t>(0, 120);
    // Whole numbers below 2^53: exact.
    RC_ASSERT(flops.range(begin, end) == static_cast<double>(naive(shape, begin, end)));
    RC_ASSERT(flops.at(begin) == static_cast<double>(naive(shape, begin, begin + 1)));
    uint64_t middle = std::clamp((begin + end) / 2, std::min(begin, end), std::max(begin, end));
    if (begin <= end) RC_ASSERT(flops.range(begin, middle) + flops.range(middle, end) == flops.range(begin, end));
}

/// Where hits are prefixes, weighting by FLOPs never raises the rate of one request above the plain one.
void weighted_is_at_most_plain() {
    ModelShape shape = random_shape();
    shape.active_params = *shape.active_params + 1;
    PrefillFlops flops(shape);
    std::vector<uint64_t> lookup = {*rc::gen::inRange<uint64_t>(1, 100000)};
    std::vector<uint64_t> hit = {*rc::gen::inRange<uint64_t>(0, lookup[0] + 1)};
    double plain = static_cast<double>(hit[0]) / static_cast<double>(lookup[0]);
    RC_ASSERT(flop_hit_rate(flops, lookup, hit) <= plain * (1 + 1e-12));
    RC_ASSERT(flop_hit_rate(flops, lookup, lookup) == 1);
}

}  // namespace

TEST_CASE("prefill FLOPs: closed form equals a sum over tokens") {
    for (int i = 0; i < 5; ++i) CHECK(kvsim_test::random_check("closed form", closed_form));
}

TEST_CASE("prefill FLOPs: prefixes are worth at most their share of tokens") {
    for (int i = 0; i < 3; ++i) CHECK(kvsim_test::random_check("at most plain", weighted_is_at_most_plain));
}

}  // namespace cost_test
