#include <doctest/doctest.h>
#include <kvsim/core/error.h>
#include <kvsim/core/spec.h>
#include <kvsim/core/suggest.h>
#include <kvsim/layout/prefix.h>
#include <kvsim/sim/replay.h>

#include <functional>

namespace spec_test {

using namespace kvsim;
using Words = std::vector<std::string>;

namespace {

std::string error_of(const std::function<void()>& call) {
    try {
        call();
    } catch (const Error& e) {
        CHECK(e.kind() == ErrorKind::input);
        return e.what();
    }
    return "no error";
}

}  // namespace

TEST_CASE("spec: id and parameters") {
    Spec s = Spec::parse("gdsf:cost=flops,x=7,share=0.25,flag=on,empty=");
    CHECK(s.id() == "gdsf");
    CHECK(s.has("x"));
    CHECK_FALSE(s.has("y"));
    CHECK(s.text("cost", "none") == "flops");
    CHECK(s.text("other", "none") == "none");
    CHECK(s.text("empty", "none").empty());
    CHECK(s.whole("x", 1, 0, 10) == 7);
    CHECK(s.whole("y", 1, 0, 10) == 1);
    CHECK(s.number("share", 1, 0, 1) == 0.25);
    CHECK(s.on_off("flag", false));
    CHECK(s.on_off("none", true));
    s.finish();
    CHECK(Spec::parse("lru").id() == "lru");
}

TEST_CASE("spec: what it refuses") {
    CHECK(error_of([] { Spec::parse(""); }) == "'': expected id or id:key=value,...");
    CHECK(error_of([] { Spec::parse(":a=1"); }) == "':a=1': expected id or id:key=value,...");
    CHECK(error_of([] { Spec::parse("a:"); }) == "'a:': expected key=value after ':'");
    CHECK(error_of([] { Spec::parse("a:b"); }) == "'a:b': expected key=value, found 'b'");
    CHECK(error_of([] { Spec::parse("a:=1"); }) == "'a:=1': expected key=value, found '=1'");
    CHECK(error_of([] { Spec::parse("a:b=1,,c=2"); }) == "'a:b=1,,c=2': expected key=value, found ''");
    CHECK(error_of([] { Spec::parse("a:b=1,b=2"); }) == "'a:b=1,b=2': parameter 'b' is given twice");
    Spec s = Spec::parse("a:n=11,m=-1,f=nan,c=blue,k=1.5");
    CHECK(error_of([&] { s.whole("n", 0, 1, 10); }) ==
          "a: parameter n=11: expected a whole number from 1 to 10");
    CHECK(error_of([&] { s.whole("m", 0, 0, 10); }).find("expected a whole number") != std::string::npos);
    CHECK(error_of([&] { s.whole("k", 0, 0, 10); }).find("expected a whole number") != std::string::npos);
    CHECK(error_of([&] { s.number("f", 0, 0, 1); }).find("expected a number") != std::string::npos);
    CHECK(error_of([&] {
              s.choice("c", "red", {"red", "green"});
          }) == "a: parameter c=blue: expected one of red, green");
    CHECK(error_of([] { Spec::parse("lru:x=1").finish(); }) == "'lru' takes no parameters, found 'x'");
    Spec t = Spec::parse("a:shar=1");
    t.number("share", 0, 0, 1);
    CHECK(error_of([&] { t.finish(); }) ==
          "'a' has no parameter 'shar' (did you mean 'share'?); known: share");
}

TEST_CASE("spec: a trailing comma is not a parameter") {
    CHECK(error_of([] { Spec::parse("a:b=1,"); }) != "no error");
}

TEST_CASE("spec: lists") {
    CHECK(split_spec_list("lru,gdsf:cost=flops,x=1,fifo") == Words{"lru", "gdsf:cost=flops,x=1", "fifo"});
    CHECK(split_spec_list("lru") == Words{"lru"});
    CHECK(split_spec_list("a:x=1,b:y=2,z=3") == Words{"a:x=1", "b:y=2,z=3"});
    CHECK(split_spec_list("1,5,10%") == Words{"1", "5", "10%"});
    CHECK(split_spec_list("x=1,y") == Words{"x=1", "y"});
    CHECK(split_spec_list("a:b=c:d,e=f") == Words{"a:b=c:d,e=f"});
}

TEST_CASE("whole and decimal numbers are taken whole or not at all") {
    uint64_t w = 0;
    CHECK(parse_whole("0", w));
    CHECK(parse_whole("18446744073709551615", w));
    CHECK(w == ~uint64_t{0});
    for (const char* bad : {"", "18446744073709551616", "-1", "+1", " 1", "1 ", "1.0", "0x1", "a"})
        CHECK_FALSE(parse_whole(bad, w));
    double d = 0;
    CHECK(parse_number("-1.5e3", d));
    CHECK(d == -1500);
    for (const char* bad : {"", "nan", "inf", "-inf", "1e999", "1,5", "+1", " 1", "1x", "0x1p3"})
        CHECK_FALSE(parse_number(bad, d));
}

TEST_CASE("did you mean: insert, delete, replace, swap; first of equals; not too far") {
    CHECK(closest("lru", {"lru", "lfu"}) == "lru");
    CHECK(closest("lrru", {"fifo", "lru"}) == "lru");
    CHECK(closest("lu", {"fifo", "lru"}) == "lru");
    CHECK(closest("lar", {"lru", "bar"}) == "bar");
    CHECK(closest("rlu", {"fifo", "lru"}) == "lru");
    CHECK(closest("lxu", {"lru", "lfu"}) == "lru");
    CHECK(closest("lenght", {"width", "length"}) == "length");
    CHECK(closest("abc", {"xyz"}).empty());
    CHECK(closest("", {"xyz"}).empty());
    // Nothing within a third of its length: what begins so; one character says too little.
    CHECK(closest("llama", {"qwen3-8b", "llama-2-7b", "llama-3.1-8b"}) == "llama-2-7b");
    CHECK(closest("h10", {"a100-80gb-sxm", "h100-sxm"}) == "h100-sxm");
    CHECK(closest("q", {"llama-2-7b", "qwen3-8b"}).empty());
    CHECK(closest("lruu", {"lruu_long_tail", "lru"}) == "lru");
    CHECK(closest(std::string(65, 'a'), {std::string(65, 'a')}).empty());
    CHECK(did_you_mean("fif", {"fifo"}) == " (did you mean 'fifo'?)");
    CHECK(did_you_mean("zzz", {"fifo"}).empty());
    CHECK(join({"a", "b"}) == "a, b");
    CHECK(join({}).empty());
}

TEST_CASE("accounting: words and parameters") {
    CHECK(Accounting::parse("pinned").text() == "pinned");
    CHECK(Accounting::parse("flat").text() == "flat");
    CHECK(Accounting::parse("tree:protect=hits").text() == "tree");
    CHECK(Accounting::parse("tree:protect=chain").text() == "tree:protect=chain");
    CHECK(error_of([] { Accounting::parse("pined"); }) ==
          "unknown accounting 'pined' (did you mean 'pinned'?); known: pinned, flat, tree");
    CHECK(error_of([] { Accounting::parse("flat:protect=chain"); }).find("takes no parameters") !=
          std::string::npos);
    CHECK(error_of([] { Accounting::parse("tree:protect=all"); }).find("expected one of hits, chain") !=
          std::string::npos);
}

TEST_CASE("shares: N or P%, rounded down, exactly") {
    CHECK(parse_share("7", 100, "--blocks") == 7);
    CHECK(parse_share("10%", 30, "--blocks") == 3);
    CHECK(parse_share("100%", 182790, "--blocks") == 182790);
    CHECK(parse_share("0%", 5, "--blocks") == 0);
    CHECK(parse_share("2.5%", 182790, "--blocks") == 4569);
    for (uint64_t whole = 1; whole < 2000; whole += 7)
        for (uint64_t p = 0; p <= 100; ++p)
            CHECK(parse_share(std::to_string(p) + "%", whole, "--warmup") == p * whole / 100);
    for (const char* bad : {"", "%", "-1", "101%", "1.5", "x%", "nan%"})
        CHECK(error_of([&] { parse_share(bad, 10, "--blocks"); }).find("--blocks") == 0);
}

}  // namespace spec_test
