#include <kvsim/core/units.h>
#include <kvsim/sim/bench.h>

#include <algorithm>
#include <cmath>
#include <map>

namespace kvsim {

namespace {

constexpr uint64_t kFewestSamples = 10, kMostSamples = 1000;
constexpr double kSpread = 0.02;   ///< half the interval of the median over the median: known well enough
constexpr double kPatience = 4;    ///< times min_time: it will not get better
constexpr double kSampleUs = 200;  ///< a sample of short launches
constexpr uint64_t kMostLaunches = 8192;
constexpr uint64_t kMostTokens = uint64_t{1} << 31;

bool has_axis(const BenchKernelRow& row, const char* axis) {
    return std::find(row.axes.begin(), row.axes.end(), axis) != row.axes.end();
}

template <class T>
std::vector<BenchCell> crossed(const std::vector<BenchCell>& cells, const char* axis, const std::vector<T>& values,
                               T BenchShape::*field) {
    std::vector<BenchCell> out;
    for (const BenchCell& cell : cells)
        for (const T& value : values) {
            out.push_back(cell);
            out.back().shape.*field = value;
            if (!has_axis(*cell.kernel, axis)) break;
        }
    return out;
}

/// Host memory and its processor: no other memory to fill up, and work is not recorded and replayed.
bool on_host(const Backend& backend) { return backend.name() == "cpu"; }

/// Why a shape cannot be; empty: it can.
std::string too_large(const BenchArena& arena, const BenchCell& cell) {
    const BenchShape& s = cell.shape;
    if (!has_axis(*cell.kernel, "context")) return {};
    if (s.tokens() >= kMostTokens) return format_count(s.tokens()) + " tokens; kernels count to 2^31";
    uint64_t least = s.tokens() * s.kv_heads * 4, have = arena.backend().free_bytes() + arena.held(false);
    if (least <= have) return {};
    return "more than " + format_bytes(least) + " of memory wanted, " + format_bytes(have) + " free";
}

/// Sets of buffers that there is room for, up to what a cold measurement needs. 0: not even one.
uint64_t copies_for(const BenchArena& arena, const BenchCase& one, uint64_t most_bytes, std::string& reason) {
    const Backend& backend = arena.backend();
    auto need = [&](uint64_t copies) {
        return one.device_bytes(copies) + (on_host(backend) ? one.host_bytes(copies) : 0);
    };
    auto whole = [&](uint64_t copies) { return one.device_bytes(copies) + one.host_bytes(copies); };
    uint64_t held = arena.held(false) + (on_host(backend) ? arena.held(true) : 0);
    uint64_t have = backend.free_bytes() + held, wanted = rotation_count(one.bytes(), backend.cache_bytes());
    if (need(1) > have) {
        reason = format_bytes(need(1)) + " of memory wanted, " + format_bytes(have) + " free";
        return 0;
    }
    uint64_t low = 1, high = wanted + 1;  // low fits, high does not or is not wanted
    while (high - low > 1) {
        uint64_t middle = low + (high - low) / 2;
        (whole(middle) <= most_bytes && need(middle) <= have / 2 ? low : high) = middle;
    }
    return low;
}

void measure_one(BenchArena& arena, const std::function<std::unique_ptr<BenchCase>()>& make,
                 const BenchOptions& options, BenchResult& r) {
    if (options.stop && options.stop->load()) {
        r.status = BenchStatus::interrupted;
        return;
    }
    Backend& backend = arena.backend();
    uint64_t copies = 0;
    std::unique_ptr<BenchCase> one;
    try {
        one = make();
        r.bytes = one->bytes();
        copies = copies_for(arena, *one, options.memory_bytes, r.reason);
        if (copies > 0) one->allocate(arena, copies);
        if (copies > 0) bench_measure(backend, *one, copies, options, r);
    } catch (const Error& e) {
        if (e.kind() != ErrorKind::input) throw;
        r.reason = e.what();
        copies = 0;
    }
    r.status = copies == 0 ? BenchStatus::skipped : r.time.samples == 0 ? BenchStatus::interrupted : BenchStatus::ok;
    if (r.status != BenchStatus::ok) return;
    try {
        one->check(backend, (r.calls - 1) % copies);
    } catch (const Error& e) {
        throw_failed("kernel " + r.name + (r.cell.kernel ? " (" + bench_words(r.cell) + ")" : "") + " on " +
                     backend.name() + ": wrong result: " + e.what());
    }
}

/// The calibration of that name whose size is nearest, by ratio.
const BenchResult* ceiling_of(const std::vector<BenchResult>& calibration, const std::string& name, uint64_t bytes) {
    const BenchResult* best = nullptr;
    auto distance = [&](const BenchResult& r) {
        return std::fabs(std::log(static_cast<double>(r.bytes) / static_cast<double>(bytes)));
    };
    for (const BenchResult& r : calibration)
        if (r.name == name && r.status == BenchStatus::ok && r.bytes > 0 && (!best || distance(r) < distance(*best)))
            best = &r;
    return best;
}

void hold_against(const std::vector<BenchResult>& calibration, BenchResult& r) {
    const BenchResult* ceiling = ceiling_of(calibration, r.cell.kernel->ceiling, r.bytes);
    if (!ceiling) return;
    r.fraction = r.gb_per_s() / ceiling->gb_per_s();
    for (const BenchResult& c : calibration)
        if (c.name == "empty" && c.status == BenchStatus::ok)
            r.roofline_us = c.time.median_us + static_cast<double>(r.bytes) / ceiling->gb_per_s() / 1e3;
}

std::vector<BenchFit> fits_of(const std::vector<BenchResult>& kernels) {
    std::vector<std::pair<std::string, std::string>> keys;
    std::map<std::pair<std::string, std::string>, std::vector<std::pair<uint64_t, double>>> points;
    for (const BenchResult& r : kernels) {
        if (r.status != BenchStatus::ok) continue;
        std::pair<std::string, std::string> key(r.name,
                                                has_axis(*r.cell.kernel, "kv_dtype") ? r.cell.shape.kv_dtype : "");
        if (points[key].empty()) keys.push_back(key);
        points[key].emplace_back(r.bytes, r.time.median_us);
    }
    std::vector<BenchFit> fits;
    for (const auto& key : keys)
        if (std::optional<LineFit> line = fit_line(points[key])) fits.push_back({key.first, key.second, *line});
    return fits;
}

}  // namespace

const char* bench_status_id(BenchStatus status) {
    switch (status) {
        case BenchStatus::ok:
            return "ok";
        case BenchStatus::skipped:
            return "skipped";
        case BenchStatus::interrupted:
            return "interrupted";
        case BenchStatus::not_measured:
            return "not measured";
    }
    return "";
}

std::vector<BenchCell> bench_cells(const std::vector<std::string>& kernels, const BenchAxes& a) {
    std::vector<BenchCell> cells;
    for (const std::string& id : kernels.empty() ? bench_kernels().ids() : kernels)
        cells.push_back({&bench_kernels().get(id), {}});
    cells = crossed(cells, "kv_dtype", a.kv_dtype, &BenchShape::kv_dtype);
    cells = crossed(cells, "kv_heads", a.kv_heads, &BenchShape::kv_heads);
    cells = crossed(cells, "q_heads", a.q_heads, &BenchShape::q_heads);
    cells = crossed(cells, "head_dim", a.head_dim, &BenchShape::head_dim);
    cells = crossed(cells, "block_size", a.block_size, &BenchShape::block_size);
    cells = crossed(cells, "order", a.order, &BenchShape::order);
    cells = crossed(cells, "batch", a.batch, &BenchShape::batch);
    return crossed(cells, "context", a.context, &BenchShape::context);
}

std::string bench_words(const BenchCell& cell) {
    const BenchShape& s = cell.shape;
    std::string out;
    auto add = [&](const char* axis, const std::string& words) {
        if (has_axis(*cell.kernel, axis)) out += (out.empty() ? "" : ", ") + words;
    };
    add("kv_dtype", s.kv_dtype);
    add("batch", "batch " + std::to_string(s.batch));
    add("context", "context " + std::to_string(s.context));
    add("kv_heads", std::to_string(s.kv_heads) + " KV heads");
    add("q_heads", std::to_string(s.q_heads) + " query heads");
    add("head_dim", "head dimension " + std::to_string(s.head_dim));
    add("block_size", "blocks of " + std::to_string(s.block_size));
    add("order", s.order == kv::Order::hnd ? "hnd" : "nhd");
    return out;
}

bool bench_enough(const std::vector<double>& us, uint64_t launches, const BenchOptions& o) {
    if (o.samples > 0) return us.size() >= o.samples;
    double total = 0;
    for (double t : us) total += t * static_cast<double>(launches);
    if (us.size() >= kMostSamples) return true;
    if (us.size() < kFewestSamples) return us.size() >= 3 && total >= 2 * kPatience * o.min_time_us;
    if (total < o.min_time_us) return false;
    return total >= kPatience * o.min_time_us || time_stats(us).spread() <= kSpread;
}

void bench_measure(Backend& backend, BenchCase& one, uint64_t copies, const BenchOptions& options, BenchResult& r) {
    uint64_t next = 0;
    auto time_each = [&](uint64_t launches) {
        uint64_t first = next;
        next += launches;
        return backend.time_each_us(static_cast<uint32_t>(launches),
                                    [&](uint32_t i) { one.launch(backend, (first + i) % copies); });
    };
    for (uint64_t i = 0; i < std::max(copies, options.warmup); ++i) one.launch(backend, i % copies);
    backend.finish();
    double once = time_each(std::min<uint64_t>(copies, 4));
    uint64_t launches = once >= kSampleUs ? 1 : static_cast<uint64_t>(std::ceil(kSampleUs / std::max(once, 1e-3)));
    // What is recorded and replayed must itself go round all buffers.
    if (!on_host(backend)) launches = std::max(launches, copies);
    launches = std::min(launches, kMostLaunches);
    next = 0;
    std::vector<double> us;
    while (us.empty() || !bench_enough(us, launches, options)) {
        if (options.stop && options.stop->load()) return;
        us.push_back(time_each(launches));
    }
    r.time = time_stats(us);
    r.calls = us.size() * launches;
    r.total_us = r.time.total_us * static_cast<double>(launches);
    r.cold = is_cold(r.bytes, on_host(backend) ? copies : std::min(copies, launches), backend.cache_bytes());
}

BenchRun bench_on(Backend& backend, const std::string& id, const std::vector<BenchCell>& cells,
                  const BenchOptions& options) {
    BenchRun run;
    run.id = id;
    run.device = backend.device();
    run.facts = backend.facts();
    run.cache_bytes = backend.cache_bytes();
    RandomRowStore store;
    BenchArena arena(backend);
    auto step = [&] {
        if (options.done) options.done->fetch_add(1);
    };
    for (const CalibrationRow& row : calibrations()) {
        for (uint64_t bytes : row.id == "empty" ? std::vector<uint64_t>{0} : options.calibration_bytes) {
            BenchResult& r = run.calibration.emplace_back();
            r.name = row.id;
            r.bytes = bytes;
            r.status = BenchStatus::skipped;
            r.reason = bytes > options.memory_bytes / 2 ? "larger than half of the memory for buffers" : "";
            if (r.reason.empty())
                measure_one(
                    arena, [&] { return row.make(bytes, store); }, options, r);
            step();
        }
    }
    for (const BenchCell& cell : cells) {
        BenchResult& r = run.kernels.emplace_back();
        r.name = cell.kernel->id;
        r.cell = cell;
        r.cell.shape.slots = backend.slots();
        r.reason = too_large(arena, cell);
        r.status = BenchStatus::skipped;
        if (r.reason.empty())
            measure_one(
                arena, [&] { return cell.kernel->make(r.cell.shape, store); }, options, r);
        if (r.status == BenchStatus::ok) hold_against(run.calibration, r);
        step();
    }
    run.fits = fits_of(run.kernels);
    return run;
}

BenchRun bench_unavailable(const std::string& id, const std::string& reason, const std::vector<BenchCell>& cells) {
    BenchRun run;
    run.id = id;
    run.unavailable = reason;
    for (const BenchCell& cell : cells) {
        BenchResult& r = run.kernels.emplace_back();
        r.name = cell.kernel->id;
        r.cell = cell;
    }
    return run;
}

}  // namespace kvsim
