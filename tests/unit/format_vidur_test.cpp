#include "unit/load_text.h"

namespace format_vidur_test {

using namespace kvsim;
using namespace kvsim_test;
using Counts = std::vector<uint32_t>;

static const std::string kHead = "arrived_at,num_prefill_tokens,num_decode_tokens\n";

TEST_CASE("vidur: good and strange") {
    Trace t = load_text(kHead + "0.0,6755,500\n0.0,7319,490\n3.25,1,0\n");
    CHECK(t.format == "vidur");
    CHECK(t.lengths_only);
    CHECK(t.arrival_s == std::vector<double>{0, 0, 3.25});
    CHECK(t.prompt_tokens == Counts{6755, 7319, 1});
    CHECK(t.output_tokens == Counts{500, 490, 0});
    t = load_text("\xEF\xBB\xBF" "num_decode_tokens,request_id,num_prefill_tokens,arrived_at\r\n"
                  "1,\"x\"\"y\",10,2e0\r\n2,z,20,\"0.5\"\r\n");
    CHECK(t.arrival_s == std::vector<double>{0.5, 2});
    CHECK(t.prompt_tokens == Counts{20, 10});
    CHECK(t.output_tokens == Counts{2, 1});
}

TEST_CASE("vidur: broken files") {
    for (const char* wrong : {"x", "NaN", "inf", "", "2023-11-16"})
        CHECK_COMPLAINT(kHead + wrong + ",1,1\n", ":2:1: arrived_at: expected a number, found ");
    for (const char* wrong : {"-1", "1e13"}) CHECK_COMPLAINT(kHead + wrong + ",1,1\n", ":2:1: arrived_at: out of range: ");
    CHECK_COMPLAINT(kHead + "1,1.5,1\n", ":2:3: num_prefill_tokens: expected a whole number");
    CHECK_COMPLAINT(kHead + "1,1,-1\n", ":2:5: num_decode_tokens: expected a whole number");
    CHECK_COMPLAINT(kHead + "1,1\n", ":2:1: found 2 fields");
    CHECK(begins(complaint("arrived_at,num_prefill_tokens\n1,1\n", "vidur"), ":1:1: expected a header with the column"));
    CHECK(begins(complaint(kHead), ": has no requests"));
}

}  // namespace format_vidur_test
