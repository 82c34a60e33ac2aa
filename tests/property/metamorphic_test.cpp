// Changes to a trace that must not change a count: other names, another clock, other files, other wrapping.
#include <doctest/doctest.h>
#include <kvsim/layout/prefix.h>
#include <kvsim/sim/replay.h>
#include <kvsim/trace/format.h>
#include "support/random_check.h"
#include <sys/wait.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

#include <filesystem>
#include <fstream>

#include "property/naive_cache.h"
#include "support/process.h"

namespace metamorphic_test {

using namespace kvsim;
using namespace kvsim_test;

namespace {

Trace load(const std::string& path) {
    LoadOptions options;
    options.path = path;
    options.digest = true;
    return load_trace(options);
}

/// Everything a run counts, as one text.
std::string counts(const Trace& trace) {
    std::string text = std::to_string(trace.requests()) + " " + std::to_string(trace.unique_blocks());
    for (const char* accounting : {"pinned", "flat", "tree"}) {
        for (uint64_t capacity : {3u, 9u, 1000u}) {
            ReplayOptions options;
            options.cache.accounting = accounting;
            options.run.capacity_blocks = capacity;
            options.verify = true;
            ReplayOutcome out = replay(trace, options);
            for (uint32_t hit : out.run.hit_blocks) text += " " + std::to_string(hit);
            const Tally& t = out.run.total;
            for (uint64_t n : {t.evicted_blocks, t.active_blocks, t.resident_blocks, static_cast<uint64_t>(t.resident_tokens),
                               out.unlimited->hit_blocks, out.unlimited->hit_tokens,
                               out.metrics.hits.any_hit_tokens, out.run.stranded_blocks})
                text += " " + std::to_string(n);
            text += "\n";
        }
    }
    return text;
}

Story random_story(uint64_t seed, uint32_t requests) {
    StoryWishes wishes;
    wishes.named_output = seed % 2 == 0;
    wishes.floor_tails = seed % 3 == 0;
    return StoryTeller(seed, wishes).tell(requests);
}

std::string packed_gz(const std::string& text) {
    z_stream z{};
    deflateInit2(&z, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY);
    std::string out(deflateBound(&z, text.size()) + 64, 0);
    z.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
    z.avail_in = static_cast<uInt>(text.size());
    z.next_out = reinterpret_cast<Bytef*>(out.data());
    z.avail_out = static_cast<uInt>(out.size());
    deflate(&z, Z_FINISH);
    out.resize(z.total_out);
    deflateEnd(&z);
    return out;
}
std::string packed_zst(const std::string& text) {
    std::string out(ZSTD_compressBound(text.size()), 0);
    out.resize(ZSTD_compress(out.data(), out.size(), text.data(), text.size(), 3));
    return out;
}

/// Loads "-" with the file as standard input.
Trace load_stdin(const std::string& path) {
    int before = dup(0);
    FILE* file = std::fopen(path.c_str(), "rb");
    dup2(fileno(file), 0);
    std::fclose(file);
    Trace trace = load("-");
    dup2(before, 0);
    close(before);
    return trace;
}

}  // namespace

TEST_CASE("metamorphic: a written file is the story; names and clock do not matter") {
    CHECK(kvsim_test::random_check("names and clock", [] {
        auto seed = *rc::gen::inRange<uint64_t>(0, 1u << 30);
        auto requests = *rc::gen::inRange<uint32_t>(1, 20);
        Story story = random_story(seed, requests);
        for (Told& t : story.requests)  // in a request line output is named whole or not at all
            if (t.output.size() != (t.in + t.out) / story.block_size - t.in / story.block_size)
                t.output.clear();
        TempDir dir;
        story.salt = 0;
        std::string expected = counts(make_trace(story));
        RC_ASSERT(counts(load(dir.write("a", to_kvsim_lines(story)))) == expected);
        RC_ASSERT(counts(load(dir.write("b", to_kvsim_lines(story, 0.25, 1000)))) == expected);
        RC_ASSERT(counts(load(dir.write("c", to_kvsim_lines(story, 0)))) ==
                  expected);  // ties keep line order
        story.salt = 0x9E3779B97F4A7C15ull;
        RC_ASSERT(counts(load(dir.write("d", to_kvsim_lines(story)))) == expected);
        RC_ASSERT(counts(make_trace(story)) == expected);
    }));
}

TEST_CASE("metamorphic: shards of a directory, line order, and limits") {
    CHECK(kvsim_test::random_check("shards", [] {
        auto seed = *rc::gen::inRange<uint64_t>(0, 1u << 30);
        auto requests = *rc::gen::inRange<uint32_t>(2, 20);
        std::string text = to_kvsim_lines(random_story(seed, requests));
        std::vector<std::string> lines;
        std::istringstream stream(text);
        for (std::string line; std::getline(stream, line);) lines.push_back(line + "\n");
        TempDir dir;
        std::string expected = counts(load(dir.write("whole", text)));
        std::filesystem::create_directory(dir.path("shards"));
        std::string shard[3] = {lines[0], lines[0], lines[0]}, backwards = lines[0];
        for (size_t i = 1; i < lines.size(); ++i) shard[(seed >> i) % 3] += lines[i];
        for (size_t i = lines.size(); i-- > 1;) backwards += lines[i];
        for (int i = 0; i < 3; ++i) dir.write("shards/" + std::to_string(i), shard[i]);
        dir.write("shards/.hidden", "not a trace");
        RC_ASSERT(counts(load(dir.path("shards"))) == expected);
        RC_ASSERT(counts(load(dir.write("backwards", backwards))) == expected);
        LoadOptions options;
        options.path = dir.path("whole");
        options.limit = 1 + seed % requests;
        std::string head;
        for (size_t i = 0; i <= options.limit; ++i) head += lines[i];
        RC_ASSERT(counts(load_trace(options)) == counts(load(dir.write("head", head))));
    }));
}

TEST_CASE("metamorphic: plain, gzip, zstd and standard input") {
    for (uint64_t seed = 1; seed <= 6; ++seed) {
        std::string text = to_kvsim_lines(random_story(seed, 30));
        TempDir dir;
        Trace plain = load(dir.write("plain", text));
        CHECK(plain.sha256.size() == 64);
        std::string crlf;
        for (char c : text) crlf += c == '\n' ? std::string("\r\n\r\n") : std::string(1, c);
        CHECK(counts(load(dir.write("crlf", crlf))) == counts(plain));
        for (const std::string& bytes : {packed_gz(text), packed_zst(text)}) {
            Trace other = load(dir.write("packed", bytes));
            CHECK(other.sha256 == plain.sha256);
            CHECK(counts(other) == counts(plain));
            CHECK(counts(load_stdin(dir.path("packed"))) == counts(plain));
        }
        Trace in = load_stdin(dir.path("plain"));
        CHECK(in.sha256 == plain.sha256);
        CHECK(counts(in) == counts(plain));
    }
}

}  // namespace metamorphic_test
