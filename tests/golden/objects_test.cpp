// Public traces as accesses to single objects: written, read back, and hit as often as simulators of objects say and
// as the trace itself is.
#include <doctest/doctest.h>
#include <kvsim/sim/replay.h>
#include <kvsim/trace/format.h>
#include <kvsim/trace/writer.h>

#include "golden/shared_trace.h"

namespace objects_test {

using namespace kvsim;
using namespace kvsim_test;

namespace {

Trace load(const std::string& path, const std::string& format = "auto") {
    LoadOptions options;
    options.path = path;
    options.format = format;
    return load_trace(options);
}

uint64_t any_hits(const Trace& trace, uint64_t blocks) {
    ReplayOptions options;
    options.cache.accounting = "flat";
    options.run.capacity_blocks = blocks;
    options.run.decode = false;
    return replay(trace, options).metrics.hits.any_hit_blocks;
}

}  // namespace

TEST_CASE("golden: the conversation trace as objects and back") {
    const Trace& trace = shared_trace(kConversation);
    if (trace.requests() == 0) return;
    TempDir dir;
    const std::pair<const char*, std::string> formats[] = {
        {"oracle_general", dir.path("c.oracleGeneral.bin")}, {"object_csv", dir.path("c.csv")}};
    for (const auto& known : formats) {
        const std::string format = known.first, file = known.second;
        CAPTURE(format);
        OutputFile out(file);
        write_trace(trace, format, out);
        out.commit();
        Trace back = load(file, format);
        CHECK(back.requests() == 288500);
        CHECK(back.unique_blocks() == 182790);
        CHECK(any_hits(back, 1000) == 12831);
        CHECK(any_hits(back, 10000) == 60921);
        CHECK(any_hits(back, kUnlimited) == 105710);  // 288,500 - 182,790
    }
    CHECK(read_file(formats[0].second).size() == 24 * 288500);
    CHECK(load(formats[0].second).format == "oracle_general");
}

TEST_CASE("golden: content chunks as objects hit as under flat") {
    const Trace& trace = shared_trace(kRag);
    if (trace.requests() == 0) return;
    TempDir dir;
    OutputFile out(dir.path("r.oracleGeneral"));
    write_trace(trace, "oracle_general", out);
    out.commit();
    Trace back = load(dir.path("r.oracleGeneral"));
    CHECK(back.unique_blocks() == trace.unique_blocks());
    for (uint64_t blocks : {100, 1000, 5000}) CHECK(any_hits(back, blocks) == any_hits(trace, blocks));
}

}  // namespace objects_test
