// The gate against an obvious recomputation: numbers are thousandths here, so whole numbers say it all.
#include "support/random_check.h"

#include <kvsim/report/check.h>

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

#include <map>

namespace check_test {

namespace check_property_test {

using namespace kvsim;
using Json = nlohmann::ordered_json;

std::string thousandths(int n) {
    std::string digits = std::to_string(1000 + std::abs(n) % 1000).substr(1);
    return (n < 0 ? "-" : "") + std::to_string(std::abs(n) / 1000) + "." + digits;
}

Json head(const char* kind) {
    return {{"schema_version", "1.0"},
            {"kind", kind},
            {"tool", {{"version", "1"}, {"git", "g"}}},
            {"traces", {{{"name", "t"}, {"sha256", "a"}}}},
            {"config", Json::object()},
            {"definitions", Json::object()}};
}

/// Cells by name: a value in thousandths, or none where it was skipped.
using Cells = std::map<int, int>;
constexpr int kSkipped = -1000000;

Json report(const Cells& cells) {
    Json j = head("compare");
    j["cells"] = Json::array();
    for (const auto& [name, value] : cells) {
        Json c = {{"axes", {{"trace", "t"}, {"eviction", "e" + std::to_string(name)}}},
                  {"status", value == kSkipped ? "skipped" : "ok"}};
        if (value != kSkipped) c["results"]["x"]["rate"] = Json::parse(thousandths(value));
        j["cells"].push_back(c);
    }
    return j;
}

Cells random_cells() {
    Cells cells;
    for (int i = *rc::gen::inRange(1, 5); i > 0; --i)
        cells[*rc::gen::inRange(0, 5)] =
            *rc::gen::inRange(0, 6) == 0 ? kSkipped : *rc::gen::inRange(-1, 2) * 500 + *rc::gen::inRange(-3, 4);
    cells[9] = *rc::gen::inRange(-3, 4) + 500;  // there is always one
    return cells;
}

bool cell_fails(CheckKind kind, int limit, bool relative, const std::string& op, int is, int was) {
    // In thousandths of thousandths where the limit is a share (limit / 1000 %).
    long a = long{is} * 100000, b = long{was} * 100000,
         allowed = relative ? long{limit} * std::abs(was) : long{limit} * 100000;
    switch (kind) {
        case CheckKind::max_drop:
            return b - a > allowed;
        case CheckKind::max_rise:
            return a - b > allowed;
        case CheckKind::min:
            return is < limit;
        case CheckKind::max:
            return is > limit;
        case CheckKind::fail_if:
            break;
    }
    return op == "<"    ? is < limit
           : op == "<=" ? is <= limit
           : op == ">"  ? is > limit
           : op == ">=" ? is >= limit
           : op == "==" ? is == limit
                        : is != limit;
}

TEST_CASE("check: the verdict of random cells under a random rule") {
    CHECK(kvsim_test::random_check("rules", [] {
        Cells now = random_cells(), before = random_cells();
        auto kind = static_cast<CheckKind>(*rc::gen::inRange(0, 5));
        bool two = kind == CheckKind::max_drop || kind == CheckKind::max_rise,
             relative = two && *rc::gen::arbitrary<bool>();
        int limit = two ? *rc::gen::inRange(0, 8) * (relative ? 100 : 1)
                        : *rc::gen::inRange(-3, 4) + *rc::gen::inRange(-1, 2) * 500;
        std::string op = *rc::gen::elementOf(std::vector<std::string>{"<", "<=", ">", ">=", "==", "!="});
        std::string text =
            "rate" + (kind == CheckKind::fail_if ? " " + op + " " : "=") + thousandths(limit) + (relative ? "%" : "");
        uint64_t failures = 0;
        for (const auto& [name, is] : now) {
            auto then = before.find(name);
            bool there = then != before.end() && then->second != kSkipped;
            if (is == kSkipped)
                failures += there;
            else if (two && !there)
                ++failures;
            else
                failures += cell_fails(kind, limit, relative, op, is, there ? then->second : 0);
        }
        for (const auto& [name, was] : before) failures += now.count(name) == 0 && was != kSkipped;
        CheckOptions o;
        o.rules.push_back(CheckRule::parse(kind, text));
        Json a = report(now), b = report(before);
        RC_ASSERT(check_reports("a", a, "b", &b, o).failures() == failures);

        uint64_t differ = 0;
        for (const auto& [name, is] : now) differ += before.count(name) == 0 || before[name] != is;
        for (const auto& [name, was] : before) differ += now.count(name) == 0;
        RC_ASSERT(check_reports("a", a, "b", &b, {}).failures() == differ);
    }));
}

TEST_CASE("check: rates are the ratios of their counts") {
    CHECK(kvsim_test::random_check("ratios", [] {
        auto counts = [] {
            uint64_t whole = *rc::gen::inRange<uint64_t>(1, 40) * *rc::gen::element<uint64_t>(1, 3, 7, 1000, 999999937);
            return std::pair<uint64_t, uint64_t>{*rc::gen::inRange<uint64_t>(0, whole + 1), whole};
        };
        auto replay = [](uint64_t part, uint64_t whole) {
            Json j = head("replay");
            j.erase("traces");
            j["trace"]["sha256"] = "a";
            j["results"]["hits"] = {{"hit_tokens", part},
                                    {"lookup_tokens", whole},
                                    {"token_hit_rate", static_cast<double>(part) / static_cast<double>(whole)}};
            return j;
        };
        auto [p, w] = counts();
        auto [q, v] = counts();
        if (*rc::gen::arbitrary<bool>()) q = p * v / w;  // near the limit
        int limit = *rc::gen::inRange(0, 4);
        CheckOptions o;
        o.rules.push_back(CheckRule::parse(CheckKind::max_drop, "token_hit_rate=" + thousandths(limit)));
        Json a = replay(q, v), b = replay(p, w);
        // p / w - q / v > limit / 1000
        auto left = static_cast<__int128>(p) * v * 1000 - static_cast<__int128>(q) * w * 1000,
             right = static_cast<__int128>(limit) * w * v;
        RC_ASSERT(check_reports("a", a, "b", &b, o).passed() == (left <= right));
    }));
}

}  // namespace check_property_test

}  // namespace check_test
