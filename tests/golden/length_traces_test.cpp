// The public traces that have lengths and no names, against totals that other programs computed.
#include <doctest/doctest.h>
#include <kvsim/sim/replay.h>

#include <algorithm>
#include <numeric>

#include "golden/shared_trace.h"

namespace length_traces_test {

using namespace kvsim;
using namespace kvsim_test;

namespace {

struct Known {
    const char* file;
    const char* format;
    uint32_t requests;
    uint64_t in, out;
    double first_s, last_s;
};

uint64_t sum(const std::vector<uint32_t>& v) { return std::accumulate(v.begin(), v.end(), uint64_t{0}); }

}  // namespace

TEST_CASE("golden: totals of the tables of lengths") {
    // Times of day in seconds, for example 18:17:03.97996 = 65,823.97996; the last rows are at 19:14:19.928016 and
    // 19:14:08.4025270.
    const Known known[] = {
        {"azure2023/AzureLLMInferenceTrace_code.csv.zst", "azure", 8819, 18059974, 245896, 65823.97996, 69259.928016},
        {"azure2023/AzureLLMInferenceTrace_conv.csv.zst", "azure", 19366, 22361870, 4088665, 65746.68059, 69248.402527},
        {"mooncake/mooncake_arxiv_lengths.csv.zst", "vidur", 23608, 202791701, 4299817, 0, 3600}};
    for (const Known& k : known) {
        const Trace& t = shared_trace(k.file);
        if (t.requests() == 0) continue;
        CAPTURE(k.file);
        CHECK(t.format == k.format);
        CHECK(t.lengths_only);
        CHECK(t.requests() == k.requests);
        CHECK(sum(t.prompt_tokens) == k.in);
        CHECK(sum(t.output_tokens) == k.out);
        CHECK(t.arrival_s.front() == k.first_s);
        CHECK(t.arrival_s.back() == k.last_s);
        CHECK(std::is_sorted(t.arrival_s.begin(), t.arrival_s.end()));
    }
}

TEST_CASE("golden: lengths of the arXiv trace in blocks of 512") {
    const Trace& t = shared_trace("mooncake/mooncake_arxiv_lengths.csv.zst", 512);
    if (t.requests() == 0) return;
    ReplayOptions options;
    options.run.decode = false;
    options.verify = true;
    // 409,356 = sum of ceil(in / 512): nothing is evicted, so all of them stay.
    CHECK(replay(t, options).run.peak_resident_blocks == 409356);
    options.run.capacity_blocks = 10000;
    CHECK(replay(t, options).run.total.evicted_blocks == 409356 - 10000);
}

TEST_CASE("golden: heads of the tables agree with the tables limited to them") {
    for (const char* name : {"azure2023/AzureLLMInferenceTrace_code", "azure2023/AzureLLMInferenceTrace_conv",
                             "mooncake/mooncake_arxiv_lengths"}) {
        const Trace& a = shared_trace(std::string(name) + ".csv.zst", 0, 2000);
        const Trace& b = shared_trace(std::string(name) + ".head2000.csv");
        if (a.requests() == 0 || b.requests() == 0) return;
        CHECK(b.requests() == 2000);
        CHECK(a.prompt_tokens == b.prompt_tokens);
        CHECK(a.output_tokens == b.output_tokens);
        CHECK(a.arrival_s == b.arrival_s);
    }
}

}  // namespace length_traces_test
