// Synthetic heads: the same bytes for the same seed, and the structure real heads have.
#include <doctest/doctest.h>
#include "support/random_check.h"
#include <kvsim/core/error.h>
#include <kvsim/kvdata/kv_data.h>
#include <kvsim/kvdata/portable_math.h>

#include <algorithm>
#include <cmath>
#include <functional>

namespace kvdata_synthetic_test {

using namespace kvsim;

namespace {

struct Structure {
    double sink = 0, last32 = 0, best5 = 0, best20 = 0;
};

// Mean attention weights over the queries of the second half, every 16th of each head.
Structure structure_of(const KvData& d) {
    Structure sum;
    double rows = 0;
    std::vector<float> w;
    for (uint32_t h = 0; h < d.query_heads; ++h)
        for (uint32_t t = d.tokens / 2 + h; t < d.tokens; t += 16) {
            const float* q = d.q_row(0, 0, t) + h * d.head_dim;
            w.clear();
            float total = 0;
            for (uint32_t j = 0; j <= t; ++j) {
                const float* k = d.k_row(0, 0, j) + h / d.group() * d.head_dim;
                float logit = 0;
                for (uint32_t i = 0; i < d.head_dim; ++i) logit += q[i] * k[i];
                w.push_back(std::exp(logit / std::sqrt(static_cast<float>(d.head_dim))));
                total += w.back();
            }
            auto mass = [&](size_t from, size_t to) {
                double part = 0;
                for (size_t j = from; j < to; ++j) part += w[j];
                return part / total;
            };
            sum.sink += mass(0, 1);
            sum.last32 += mass(w.size() - 32, w.size());
            std::sort(w.begin(), w.end(), std::greater<>());
            sum.best5 += mass(0, w.size() / 20);
            sum.best20 += mass(0, w.size() / 5);
            ++rows;
        }
    return {sum.sink / rows, sum.last32 / rows, sum.best5 / rows, sum.best20 / rows};
}

std::string complaint(const std::string& text) {
    try {
        load_kv_data(text);
    } catch (const Error& e) {
        CHECK(e.kind() == ErrorKind::input);
        return e.what();
    }
    return "";
}

}  // namespace

TEST_CASE("synthetic data: shapes and names") {
    KvData d = load_kv_data("synthetic:tokens=20,layers=3,heads=4,kv_heads=2,head_dim=16,sequences=2");
    CHECK(d.name == "synthetic:tokens=20,layers=3,heads=4,kv_heads=2,head_dim=16,sequences=2");
    CHECK(d.format == "synthetic");
    CHECK(d.dtype == "f32");
    CHECK(std::vector<uint32_t>{d.sequences, d.layers, d.tokens, d.query_heads, d.kv_heads, d.head_dim} ==
          std::vector<uint32_t>{2, 3, 20, 4, 2, 16});
    CHECK(d.q.size() == 2u * 3 * 20 * 4 * 16);
    CHECK(d.k.size() == 2u * 3 * 20 * 2 * 16);
    CHECK(d.v.size() == d.k.size());
    CHECK(d.k_pre.size() == d.k.size());
    for (const auto* values : {&d.q, &d.k, &d.v, &d.k_pre})
        CHECK(std::all_of(values->begin(), values->end(), [](float x) { return std::isfinite(x); }));
}

TEST_CASE("synthetic data: bytes follow from the parameters") {
    const char* small = "synthetic:tokens=64,heads=2,head_dim=32";
    KvData a = load_kv_data(small), b = load_kv_data(std::string(small) + ",seed=0");
    CHECK(a.sha256 == b.sha256);
    CHECK(a.q == b.q);
    // Made from basic operations in a fixed order: the same on every machine.
    CHECK(a.sha256 == "f2e1db3b6210c560d01ccb211b92b90db2b07ba9bc67e5d2c693a586d71a8782");
    for (const char* other : {",seed=1", ",rec=0.6", ",hh=0.7", ",cont=0.4", ",sink=0.5", ",theta=5000"})
        CHECK(load_kv_data(std::string(small) + other).sha256 != a.sha256);
}

TEST_CASE("synthetic data: heads, layers and sequences differ") {
    KvData d = load_kv_data("synthetic:tokens=20,layers=2,heads=2,head_dim=16,sequences=2");
    std::vector<std::vector<float>> rows;
    for (uint32_t s = 0; s < 2; ++s)
        for (uint32_t layer = 0; layer < 2; ++layer)
            for (uint32_t h = 0; h < 2; ++h)
                rows.emplace_back(d.v_row(s, layer, 7) + h * 16, d.v_row(s, layer, 7) + h * 16 + 16);
    std::sort(rows.begin(), rows.end());
    CHECK(std::adjacent_find(rows.begin(), rows.end()) == rows.end());
}

TEST_CASE("synthetic data: keys are k_pre rotated, and token 0 is the sink") {
    KvData d = load_kv_data("synthetic:tokens=50,heads=2");
    for (uint32_t i = 0; i < 128; ++i) CHECK(d.k_row(0, 0, 0)[i] == 0);
    for (uint32_t t : {1u, 49u})
        for (uint32_t i = 0; i < 32; ++i) {
            double angle = t * std::pow(10000, -2.0 * i / 64);
            double a = d.k_pre_row(0, 0, t)[i], b = d.k_pre_row(0, 0, t)[i + 32];
            CHECK(d.k_row(0, 0, t)[i] == doctest::Approx(a * std::cos(angle) - b * std::sin(angle)).epsilon(1e-5));
            CHECK(d.k_row(0, 0, t)[i + 32] == doctest::Approx(a * std::sin(angle) + b * std::cos(angle)).epsilon(1e-5));
        }
    // Pairs 0 and 1 are unused, pair 31 holds the sink alone: s sqrt(G) on queries, -s sqrt(G) on all keys but one.
    CHECK(d.k_pre_row(0, 0, 9)[0] == 0);
    CHECK(d.k_pre_row(0, 0, 9)[33] == 0);
    CHECK(d.k_pre_row(0, 0, 9)[31] < 0);
    CHECK(d.k_pre_row(0, 0, 9)[31] == d.k_pre_row(0, 0, 10)[31]);
    CHECK(d.q_row(0, 0, 0)[31] == -d.k_pre_row(0, 0, 10)[31]);
    CHECK(d.q_row(0, 0, 0)[30] == doctest::Approx(std::sqrt(8)));
    // Values of token 0 are a tenth as large.
    double first = 0, second = 0;
    for (uint32_t i = 0; i < 128; ++i) {
        first += std::abs(d.v_row(0, 0, 0)[i]);
        second += std::abs(d.v_row(0, 0, 1)[i]);
    }
    CHECK(first < second / 4);
}

// 0.547, 0.197, 0.846 and 0.932 were measured elsewhere with another seed. Over 41 seeds of ours: 0.548 (0.543 to
// 0.561), 0.188 (0.120 to 0.212), 0.859 (0.835 to 0.906), 0.939 (0.927 to 0.976).
TEST_CASE("synthetic data: attention mass on the sink, the recent and the best keys") {
    if (kvsim_test::kSanitized) return;  // numbers, not addresses: 6 x 1,024 tokens take long there
    Structure mean;
    const uint32_t seeds = 6;
    for (uint32_t seed = 0; seed < seeds; ++seed) {
        Structure one = structure_of(load_kv_data("synthetic:seed=" + std::to_string(seed)));
        CHECK(one.sink == doctest::Approx(0.547).epsilon(0.04));
        CHECK(std::abs(one.last32 - 0.197) < 0.08);
        CHECK(std::abs(one.best5 - 0.846) < 0.065);
        CHECK(std::abs(one.best20 - 0.932) < 0.045);
        mean.sink += one.sink / seeds;
        mean.last32 += one.last32 / seeds;
        mean.best5 += one.best5 / seeds;
        mean.best20 += one.best20 / seeds;
    }
    CHECK(std::abs(mean.sink - 0.547) < 0.012);
    CHECK(std::abs(mean.last32 - 0.197) < 0.025);
    CHECK(std::abs(mean.best5 - 0.846) < 0.03);
    CHECK(std::abs(mean.best20 - 0.932) < 0.018);
}

TEST_CASE("synthetic data: each parameter does what it is for") {
    auto of = [](const std::string& more) {
        return structure_of(load_kv_data("synthetic:tokens=512,heads=2" + more));
    };
    Structure plain = of("");
    CHECK(of(",sink=0.2").sink == doctest::Approx(0.2).epsilon(0.1));
    CHECK(of(",sink=0").sink < 0.01);
    CHECK(of(",rec=0").last32 < plain.last32 / 2);
    CHECK(of(",hh=0").best5 < plain.best5 - 0.02);
    CHECK(of(",kv_heads=1").sink == doctest::Approx(0.55).epsilon(0.1));
}

TEST_CASE("synthetic data: bad parameters") {
    CHECK(complaint("synthetic:tokns=4").find("did you mean 'tokens'?") != std::string::npos);
    CHECK(complaint("synthetic:tokens=0") == "synthetic: parameter tokens=0: expected a whole number from 1 to 16777216");
    CHECK(complaint("synthetic:head_dim=9") == "synthetic:head_dim=9: head_dim=9: expected an even number");
    CHECK(complaint("synthetic:heads=8,kv_heads=3") ==
          "synthetic:heads=8,kv_heads=3: kv_heads=3: expected a divisor of heads=8");
    CHECK(complaint("synthetic:kv_heads=16").find("expected a divisor of heads=8") != std::string::npos);
    CHECK(complaint("synthetic:sink=1").find("expected a number from 0") != std::string::npos);
    CHECK(complaint("synthetic:rec=nan").find("expected a number") != std::string::npos);
    CHECK(complaint("synthetic:tokens=16777216,layers=1024,heads=1024,head_dim=1024,sequences=1048576")
              .find("at most 2^30 values") != std::string::npos);
    CHECK(complaint("synthetic:") != "");
    for (const char* tiny : {"synthetic:tokens=1", "synthetic:tokens=2", "synthetic:tokens=3,head_dim=8,sink=0.001"})
        CHECK(complaint(tiny) == "");
}

TEST_CASE("portable mathematics agrees with the C library") {
    for (double x = 1e-9; x < 2e8; x *= 1.37) {
        CHECK(portable::log(x) == doctest::Approx(std::log(x)).epsilon(1e-14));
        CHECK(std::abs(portable::sin_cos(x).sin - std::sin(x)) < 2e-15);
        CHECK(std::abs(portable::sin_cos(x).cos - std::cos(x)) < 2e-15);
    }
    for (double x = -60; x < 60; x += 0.37) CHECK(portable::exp(x) == doctest::Approx(std::exp(x)).epsilon(1e-14));
}

}  // namespace kvdata_synthetic_test
