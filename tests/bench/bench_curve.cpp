// Runs of next use, offline bounds, LRU curves. items = prompt block references.
//
// bench_curve           google-benchmark: hot, many iterations
// bench_curve --first   each job once in this fresh process, as a command-line tool does it: milliseconds of CPU time.
//                       A second argument names one job; only then it meets no caches that another one warmed.
#include "bench_trace.h"

#include <benchmark/benchmark.h>
#include <kvsim/sim/bounds.h>
#include <kvsim/sim/curve.h>

#include <ctime>
#include <functional>

using namespace kvsim;

namespace {

struct Job {
    const char* name;
    std::function<uint64_t(const Trace&)> prepare;  ///< not timed; empty: nothing
    std::function<uint64_t(const Trace&)> run;
};

RunOptions prompts_only() {
    RunOptions options;
    options.decode = false;
    return options;
}

/// Made by a job's preparation.
std::optional<OfflineBounds>& bounds() {
    static std::optional<OfflineBounds> one;
    return one;
}
uint64_t make_bounds(const Trace& t) {
    bounds().emplace(t, prompts_only());
    return 1;
}

std::optional<NextUse>& uses() {
    static std::optional<NextUse> one;
    return one;
}
uint64_t find_uses(const Trace& t) {
    uses().emplace(t.chains);
    return 1;
}

LruCurve curve(const Trace& t, const char* accounting, bool decode, bool reuse = false) {
    CurveOptions wanted;
    wanted.accounting = Accounting::parse(accounting);
    if (reuse) wanted.uses = &*uses();
    RunOptions options;
    options.decode = decode;
    return lru_curve(t, options, wanted);
}
uint64_t knots(const LruCurve& c) { return c.all.knots.size(); }

const std::vector<Job>& jobs() {
    static const std::vector<Job> all = {
        {"next_use", {}, [](const Trace& t) { return NextUse(t.chains).next_uses().runs.size(); }},
        {"bounds/prepare", {}, [](const Trace& t) { return make_bounds(t); }},
        {"bounds/optimal/1000", make_bounds, [](const Trace&) { return bounds()->optimal(1000).counted_hit_blocks; }},
        {"bounds/optimal/10000", make_bounds, [](const Trace&) { return bounds()->optimal(10000).counted_hit_blocks; }},
        {"bounds/admit/1000", make_bounds,
         [](const Trace&) { return bounds()->optimal_admit(1000).counted_hit_blocks; }},
        {"bounds/admit/10000", make_bounds,
         [](const Trace&) { return bounds()->optimal_admit(10000).counted_hit_blocks; }},
        {"belady/1000", make_bounds,
         [](const Trace&) { return bounds()->flat_belady(1000, false)->counted_any_hit_blocks; }},
        {"belady/10000", make_bounds,
         [](const Trace&) { return bounds()->flat_belady(10000, false)->counted_any_hit_blocks; }},
        {"belady/bypass/1000", make_bounds,
         [](const Trace&) { return bounds()->flat_belady(1000, true)->counted_any_hit_blocks; }},
        {"bounds/flat/1000", make_bounds,
         [](const Trace&) { return bounds()->flat_optimal(1000).counted_any_hit_blocks; }},
        {"curve/pinned", {}, [](const Trace& t) { return knots(curve(t, "pinned", false)); }},
        {"curve/pinned/decode", {}, [](const Trace& t) { return knots(curve(t, "pinned", true)); }},
        {"curve/pinned/reuse", find_uses, [](const Trace& t) { return knots(curve(t, "pinned", false, true)); }},
        {"curve/pinned/columns",
         {},
         [](const Trace& t) { return curve(t, "pinned", false).all.columns().blocks.size(); }},
        {"curve/flat", {}, [](const Trace& t) { return knots(curve(t, "flat", false)); }},
    };
    return all;
}

uint64_t references(const Trace& trace) {
    uint64_t n = 0;
    for (uint32_t r = 0; r < trace.requests(); ++r) n += trace.lookup_blocks(r);
    return n;
}

double cpu_ms() {
    timespec t{};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return static_cast<double>(t.tv_sec) * 1e3 + static_cast<double>(t.tv_nsec) / 1e6;
}

}  // namespace

int main(int argc, char** argv) {
    Trace trace = kvsim_bench::load_bench_trace(0);
    if (argc >= 2 && std::string(argv[1]) == "--first") {
        for (const Job& job : jobs()) {
            if (argc > 2 && std::string(argv[2]) != job.name) continue;
            if (job.prepare) job.prepare(trace);
            double start = cpu_ms();
            uint64_t result = job.run(trace);
            double ms = cpu_ms() - start;
            std::printf("%-24s %8.3f ms  %8.0f M references/s  %llu\n", job.name, ms,
                        static_cast<double>(references(trace)) / ms / 1e3, static_cast<unsigned long long>(result));
        }
        return 0;
    }
    for (const Job& job : jobs())
        benchmark::RegisterBenchmark(job.name, [&job, &trace](benchmark::State& state) {
            if (job.prepare) job.prepare(trace);
            for (auto _ : state) benchmark::DoNotOptimize(job.run(trace));
            state.SetItemsProcessed(static_cast<int64_t>(state.iterations() * references(trace)));
        });
    benchmark::Initialize(&argc, argv);
    benchmark::RunSpecifiedBenchmarks();
    return 0;
}
