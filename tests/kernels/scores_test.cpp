// K7 and K8: what tokens got from a query is added up, and the best stay.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "kernels/rig.h"

namespace scores_test {

using namespace kvsim_test;

namespace {

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

struct TopKCase {
    std::vector<uint32_t> lengths;
    uint32_t heads = 1, keep = 0, sinks = 0, window = 0;
    uint64_t stride = 0;
    std::vector<float> scores;
};

/// By sorting: first those that always stay, then higher scores, then newer tokens.
std::vector<uint32_t> kept_of(const TopKCase& c, const float* scores, uint32_t n) {
    std::vector<uint32_t> order(n);
    for (uint32_t i = 0; i < n; ++i) order[i] = i;
    auto always = [&](uint32_t i) { return i < c.sinks || i + c.window >= n; };
    auto score = [&](uint32_t i) { return std::isnan(scores[i]) ? 0.0f : scores[i]; };
    if (n > c.keep) {
        std::sort(order.begin(), order.end(), [&](uint32_t a, uint32_t b) {
            if (always(a) != always(b)) return always(a);
            if (score(a) != score(b)) return score(a) > score(b);
            return a > b;
        });
        order.resize(c.keep);
        std::sort(order.begin(), order.end());
    }
    order.resize(c.keep, kv::kUnmapped);
    return order;
}

void check(Backend& backend, const TopKCase& c) {
    auto scores = upload(backend, c.scores);
    auto lengths = upload(backend, c.lengths);
    uint32_t sequences = static_cast<uint32_t>(c.lengths.size()), not_a_number = 0;
    auto kept = upload(backend, std::vector<uint32_t>(uint64_t{sequences} * c.heads * c.keep + 1, 77));
    auto counter = upload(backend, std::vector<uint32_t>{5});
    auto kept_scores = upload(backend, std::vector<float>(c.scores.size(), 9));
    kv::TopK op;
    op.scores = scores.data();
    op.lengths = lengths.data();
    op.sequences = sequences;
    op.heads = c.heads;
    op.stride = c.stride;
    op.keep = c.keep;
    op.sinks = c.sinks;
    op.window = c.window;
    op.kept = kept.data();
    op.kept_scores = kept_scores.data();
    op.not_a_number = counter.data();
    backend.run(op);
    backend.finish();
    std::vector<uint32_t> expected;
    std::vector<float> expected_scores(c.scores.size(), 9);
    for (uint32_t s = 0; s < sequences; ++s)
        for (uint32_t h = 0; h < c.heads; ++h) {
            const float* row = c.scores.data() + (uint64_t{s} * c.heads + h) * c.stride;
            std::vector<uint32_t> one = kept_of(c, row, c.lengths[s]);
            expected.insert(expected.end(), one.begin(), one.end());
            for (uint32_t j = 0; j < c.keep && one[j] != kv::kUnmapped; ++j)
                expected_scores[(uint64_t{s} * c.heads + h) * c.stride + j] = row[one[j]];
            for (uint32_t i = 0; i < c.lengths[s]; ++i) not_a_number += std::isnan(row[i]);
        }
    expected.push_back(77);
    CHECK(download(kept) == expected);
    std::vector<float> moved = download(kept_scores);
    CHECK(std::memcmp(moved.data(), expected_scores.data(), moved.size() * sizeof(float)) == 0);
    CHECK(download(counter)[0] == 5 + not_a_number);
}

void check_everywhere(const TopKCase& c) {
    INFO("keep " << c.keep << ", sinks " << c.sinks << ", window " << c.window);
    on_every_backend([&](Backend& backend) { check(backend, c); });
}

/// kind 0: spread; 1: few values, so that many are equal; 2: all kinds of floats; 3: all equal.
TopKCase make_case(Random& random, std::vector<uint32_t> lengths, uint32_t kind) {
    TopKCase c;
    c.lengths = std::move(lengths);
    c.heads = 1 + below(random, 2);
    for (uint32_t n : c.lengths) c.stride = std::max<uint64_t>(c.stride, n);
    c.stride += below(random, 3);
    c.scores.assign(c.stride * c.heads * c.lengths.size(), kNan);
    for (size_t row = 0; row < c.lengths.size() * c.heads; ++row)
        for (uint32_t i = 0; i < c.lengths[row / c.heads]; ++i) {
            float x = std::normal_distribution<float>()(random);
            if (kind == 1) x = static_cast<float>(below(random, 4)) - 1;
            if (kind == 1 && x == 0 && below(random, 2) == 0) x = -x;
            if (kind == 2)
                x = one_of(random, {x, -x, 0.0f, -0.0f, kNan, 1e-42f, -1e-42f, std::numeric_limits<float>::infinity(),
                                    -std::numeric_limits<float>::infinity(), 3e38f});
            c.scores[row * c.stride + i] = kind == 3 ? 0.25f : x;
        }
    return c;
}

}  // namespace

TEST_CASE("top-k: the set that sorting gives, ascending") {
    Random random(40);
    for (uint32_t i = 0; i < 16; ++i) {
        TopKCase c = make_case(random, {below(random, 400), 0, 1, 33, 350}, i % 4);
        c.keep = 1 + below(random, 60);
        c.sinks = below(random, std::min(5u, c.keep + 1));
        c.window = below(random, c.keep - c.sinks + 1);
        check_everywhere(c);
    }
}

TEST_CASE("top-k: nobody competes, everybody stays, or all but one") {
    Random random(41);
    TopKCase c = make_case(random, {100, 12, 11, 13}, 1);
    c.keep = 12;
    c.sinks = 4;
    c.window = 8;
    check_everywhere(c);
    c.sinks = c.window = 0;
    check_everywhere(c);
    c.keep = 99;
    check_everywhere(c);
    c.keep = 0;
    check_everywhere(c);
}

TEST_CASE("top-k: more scores than shared memory holds") {
    Random random(42);
    for (uint32_t kind : {0u, 1u}) {
        TopKCase c = make_case(random, {8192, 8193}, kind);
        c.heads = 1;
        c.keep = 700;
        c.sinks = 4;
        c.window = 64;
        check_everywhere(c);
    }
}

TEST_CASE("accumulate: each query head adds weights that sum to one") {
    Random random(43);
    for (uint32_t queries : {1u, 4u, 3u}) {
        std::vector<uint32_t> lengths = {0, 1, 200, 1500};
        uint32_t heads = 2;
        uint64_t stride = 1503;
        std::vector<float> lse(lengths.size() * heads * queries), logits(lse.size() * stride, kNan);
        std::vector<double> expected(lengths.size() * heads * stride, 0.5);
        for (size_t q = 0; q < lse.size(); ++q) {
            double sum = 0;
            size_t row = q / queries, n = lengths[row / heads];
            for (size_t i = 0; i < n; ++i) {
                logits[q * stride + i] = std::normal_distribution<float>()(random) * 5;
                sum += std::exp(double{logits[q * stride + i]});
            }
            lse[q] = static_cast<float>(std::log(sum));
            for (size_t i = 0; i < n; ++i)
                expected[row * stride + i] += std::exp(double{logits[q * stride + i]} - double{lse[q]});
        }
        on_every_backend([&](Backend& backend) {
            auto in = upload(backend, logits), levels = upload(backend, lse);
            auto counts = upload(backend, lengths);
            auto scores = upload(backend, std::vector<float>(expected.size(), 0.5f));
            kv::Accumulate op;
            op.logits = in.data();
            op.lse = levels.data();
            op.lengths = counts.data();
            op.sequences = static_cast<uint32_t>(lengths.size());
            op.query_heads = heads * queries;
            op.heads = heads;
            op.stride = stride;
            op.scores = scores.data();
            backend.run(op);
            backend.finish();
            std::vector<float> got = download(scores);
            uint32_t wrong = 0;
            for (size_t i = 0; i < got.size(); ++i) wrong += !(std::abs(got[i] - expected[i]) <= 1e-5 * expected[i]);
            CHECK(wrong == 0);
            double added = 0;
            for (size_t i = 0; i < stride; ++i) added += got[6 * stride + i] - 0.5;  // sequence 3, head 0
            CHECK(std::abs(added - queries) <= 1e-4 * queries);
        });
    }
}

}  // namespace scores_test
