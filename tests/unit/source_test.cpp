#include <kvsim/trace/line_source.h>
#include <malloc.h>
#include <zlib.h>
#include <zstd.h>

#include "unit/load_text.h"

namespace source_test {

using namespace kvsim;
using namespace kvsim_test;

namespace {

std::string gz(const std::string& text) {
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
std::string zst(const std::string& text, bool checksum = false) {
    ZSTD_CCtx* c = ZSTD_createCCtx();
    ZSTD_CCtx_setParameter(c, ZSTD_c_checksumFlag, checksum);
    std::string out(ZSTD_compressBound(text.size()), 0);
    out.resize(ZSTD_compress2(c, out.data(), out.size(), text.data(), text.size()));
    ZSTD_freeCCtx(c);
    return out;
}

std::vector<std::string> lines_of(const std::string& bytes) {
    TempDir dir;
    LineSource source(dir.write("f", bytes), false);
    std::vector<std::string> lines;
    while (source.next()) {
        lines.emplace_back(source.line());
        REQUIRE(source.number() == lines.size());
        REQUIRE(source.capacity() >= source.line().size() + LineSource::kPadding);
    }
    return lines;
}
std::string trouble(const std::string& bytes, ErrorKind kind = ErrorKind::input) {
    try {
        lines_of(bytes);
    } catch (const Error& e) {
        CHECK(e.kind() == kind);
        return e.what();
    }
    return "fine";
}
using Lines = std::vector<std::string>;

/// Lines of all lengths, some longer than any buffer.
std::string long_text(size_t longest) {
    std::string text;
    for (size_t n = 0; n < 300; ++n) text += std::string(n, static_cast<char>('a' + n % 26)) + "\n";
    text += std::string(longest, 'x') + "\n";
    uint64_t noise = 1;
    for (size_t n = 0; n < 60000; ++n) {
        noise = noise * 6364136223846793005ull + 1442695040888963407ull;
        text += static_cast<char>('A' + (noise >> 59));
        if (n % 977 == 0) text += "\n";
    }
    return text + "\nlast";
}

}  // namespace

TEST_CASE("lines: LF, CRLF, blank lines, no final newline") {
    CHECK(lines_of("a\nb\r\n\r\n\nc\rd\n") == Lines{"a", "b", "", "", "c\rd"});
    CHECK(lines_of("a\nb") == Lines{"a", "b"});
    CHECK(lines_of("").empty());
    CHECK(lines_of("\n") == Lines{""});
    CHECK(lines_of("x") == Lines{"x"});
    CHECK(lines_of(std::string("\0\n", 2)) == Lines{std::string(1, '\0')});
    TempDir dir;
    LineSource source(dir.write("f", "a\nb"), false);
    source.next();
    CHECK(source.terminated());
    source.unread();
    CHECK(source.next());
    CHECK(source.number() == 1);
    source.next();
    CHECK(source.line() == "b");
    CHECK_FALSE(source.terminated());
    CHECK_FALSE(source.next());
}

TEST_CASE("lines: plain, gzip and zstd give the same lines and the same digest") {
    std::string text = long_text(700000);
    Lines expected = lines_of(text);
    CHECK(expected.size() > 300);
    TempDir dir;
    LineSource plain(dir.write("f", text), true);
    std::string digest = plain.sha256();
    CHECK(digest.size() == 64);
    size_t half = text.size() / 2;
    for (const std::string& bytes :
         {gz(text), zst(text), zst(text, true), gz(text.substr(0, half)) + gz(text.substr(half)),
          zst(text.substr(0, half)) + zst(text.substr(half), true)}) {
        CHECK(lines_of(bytes) == expected);
        LineSource packed(dir.write("g", bytes), true);
        packed.next();
        CHECK(packed.sha256() == digest);
        CHECK(packed.bytes() == text.size());
    }
    LineSource abc(dir.write("h", "abc"), true);
    CHECK(abc.sha256() == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

TEST_CASE("lines: beyond 4 MiB, larger reads and a digest in a second thread") {
    std::string text;
    while (text.size() < (10u << 20)) text += "{\"some\":\"line of a trace that is long enough\"}\n";
    text += long_text(5u << 20);
    TempDir dir;
    LineSource source(dir.write("f", text), true);
    size_t bytes = 0;
    while (source.next()) bytes += source.line().size() + source.terminated();
    CHECK(bytes == text.size());
    LineSource whole(dir.path("f"), true);
    whole.next();
    whole.next();
    CHECK(whole.whole().size() == text.size() - text.find('\n') - 1);
    CHECK_FALSE(whole.next());
    CHECK(whole.sha256() == source.sha256());
}

TEST_CASE("lines: an error while the second thread is at work") {
    std::string good = "{\"timestamp\": 1, \"input_length\": 512, \"output_length\": 5, \"hash_ids\": [0]}\n",
                text;
    while (text.size() < (4u << 20) + 280000) text += good;
    text += "{\"timestamp\": x}\n";
    while (text.size() < (9u << 20)) text += good;
    TempDir dir;
    LoadOptions options;
    options.path = dir.write("f", text);
    options.digest = true;
    mallopt(M_MMAP_THRESHOLD,
            1 << 16);  // so that memory given back is gone, and whoever reads it still is told
    for (int i = 0; i < 3; ++i) CHECK_THROWS_AS(load_trace(options), Error);
}

TEST_CASE("lines: broken files are told in one line") {
    std::string text = long_text(1000);
    std::string g = gz(text), z = zst(text), c = zst(text, true);
    for (const std::string& packed : {g, z, c}) {
        for (size_t cut : {size_t{1}, size_t{4}, packed.size() / 2}) {
            std::string said = trouble(packed.substr(0, packed.size() - cut));
            CHECK(said.find(": truncated: the ") != std::string::npos);
            CHECK(said.find('\n') == std::string::npos);
        }
    }
    std::string bad = g;
    bad[g.size() / 2] = static_cast<char>(bad[g.size() / 2] ^ 0x55);
    CHECK(trouble(bad).find("gzip") != std::string::npos);
    bad = c;
    bad[c.size() / 2] = static_cast<char>(bad[c.size() / 2] ^ 0x55);
    CHECK(trouble(bad).find("zstd") != std::string::npos);
    CHECK(trouble(g + "garbage").find("gzip") != std::string::npos);
    CHECK_THROWS_AS(LineSource("/nonexistent/file", false), Error);
    for (const char* path : {"/nonexistent/file", "/tmp"}) {
        try {
            LineSource source(path, false);
            FAIL("opened");
        } catch (const Error& e) {
            CHECK(e.kind() == ErrorKind::io);
            CHECK(begins(e.what(), path));
        }
    }
}

}  // namespace source_test
