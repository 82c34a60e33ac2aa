#include <kvsim/core/units.h>
#include <kvsim/core/version.h>
#include <kvsim/report/bench_report.h>
#include <kvsim/report/results_json.h>
#include <kvsim/report/text_table.h>

#include <fmt/format.h>

#include <cmath>

namespace kvsim {

namespace {

constexpr const char* kNotMeasured = "not measured";

const char* order_id(kv::Order order) { return order == kv::Order::hnd ? "hnd" : "nhd"; }

bool measured(const BenchResult& r) { return r.status == BenchStatus::ok; }

/// Thousandths of a microsecond, ten-thousandths of a fraction: more would be noise.
double rounded(double x, double parts) { return std::round(x * parts) / parts; }
double us_of(double x) { return rounded(x, 1e3); }
/// Four digits, however small.
double four_digits(double x) {
    if (x == 0) return 0;
    double scale = std::pow(10.0, 3 - std::floor(std::log10(std::fabs(x))));
    return std::round(x * scale) / scale;
}

Json value_of(const BenchShape& s, const std::string& axis) {
    if (axis == "kv_dtype") return s.kv_dtype;
    if (axis == "batch") return s.batch;
    if (axis == "context") return s.context;
    if (axis == "kv_heads") return s.kv_heads;
    if (axis == "q_heads") return s.q_heads;
    if (axis == "head_dim") return s.head_dim;
    if (axis == "block_size") return s.block_size;
    return order_id(s.order);
}

Json shape_json(const BenchCell& cell) {
    Json j = Json::object();
    if (cell.kernel)
        for (const std::string& axis : cell.kernel->axes) j[axis] = value_of(cell.shape, axis);
    return j;
}

void add_times(Json& j, const BenchResult& r) {
    j["calls"] = r.calls;
    j["total_us"] = us_of(r.total_us);
    j["median_us"] = us_of(r.time.median_us);
    j["min_us"] = us_of(r.time.min_us);
    j["p95_us"] = us_of(r.time.p95_us);
    j["ci_low_us"] = us_of(r.time.ci_low_us);
    j["ci_high_us"] = us_of(r.time.ci_high_us);
    j["bytes"] = r.bytes;
    if (r.bytes > 0 && r.time.median_us > 0) j["gb_per_s"] = four_digits(r.gb_per_s());
    if (r.fraction) j["fraction_of_copy"] = rounded(*r.fraction, 1e4);
    j["samples"] = r.time.samples;
    if (r.bytes > 0) j["cache"] = r.cold ? "cold" : "warm";
}

Json result_json(const BenchRun& run, const BenchResult& r) {
    Json j;
    j["name"] = r.name;
    j["backend"] = run.id;
    if (run.unavailable.empty()) j["device"] = run.device;
    if (r.cell.kernel) j["shape"] = shape_json(r.cell);
    j["status"] = bench_status_id(r.status);
    if (!r.reason.empty()) j["reason"] = r.reason;
    if (measured(r)) {
        add_times(j, r);
    } else if (r.status == BenchStatus::not_measured) {
        for (const char* key : {"median_us", "min_us", "p95_us", "ci_low_us", "ci_high_us"}) j[key] = kNotMeasured;
        for (const char* key : {"gb_per_s", "fraction_of_copy"}) j[key] = kNotMeasured;
    }
    if (r.cell.kernel) j["ceiling"] = r.cell.kernel->ceiling;
    if (r.roofline_us) j["roofline_us"] = us_of(*r.roofline_us);
    return j;
}

Json run_json(const BenchRun& run) {
    Json j = {{"id", run.id}, {"status", run.unavailable.empty() ? "ok" : kNotMeasured}};
    if (!run.unavailable.empty()) {
        j["reason"] = run.unavailable;
        return j;
    }
    j["device"] = run.device;
    for (const auto& [name, words] : run.facts) j[name] = words;
    j["cache_bytes"] = run.cache_bytes;
    for (const BenchResult& r : run.calibration) j["calibration"].push_back(result_json(run, r));
    for (const BenchFit& f : run.fits) {
        Json one = {{"name", f.name}};
        if (!f.kv_dtype.empty()) one["kv_dtype"] = f.kv_dtype;
        one["sizes"] = f.line.sizes;
        one["t0_us"] = us_of(f.line.t0_us);
        one["gb_per_s"] = four_digits(1e-3 / f.line.us_per_byte);
        one["largest_miss"] = rounded(f.line.largest_miss, 1e4);
        j["fits"].push_back(std::move(one));
    }
    return j;
}

Json definitions_json(const BenchReport& r) {
    Json j;
    j["kernels"] =
        "times of one launch in microseconds, from samples of calls / samples launches each that go round enough "
        "buffers of "
        "random rows; p95: the smallest sample that 95 % do not exceed; ci_low, ci_high: order statistics that hold "
        "the median "
        "with 95 % confidence, fewer than six samples: the smallest and the largest; after timing, rows of these "
        "buffers "
        "were compared with scalar definitions";
    j["bytes"] = "what the kernel has to move, read and written, each once";
    j["gb_per_s"] = "bytes / median_us, in 1e9 bytes a second";
    j["fraction_of_copy"] =
        "gb_per_s over that of the calibration named ceiling, measured on this device in this run, at the size nearest "
        "to "
        "bytes: copy counts bytes read and written; decode and top_k, which read, are held against read; swaps against "
        "one-way copies to and from host memory";
    j["cache"] =
        "cold: at least five times the largest cache is touched before a buffer is used again; warm: less, or no cache "
        "is known";
    j["roofline_us"] = "an estimate, not a time: an empty launch and bytes at the ceiling's speed";
    std::string calibration;
    for (const CalibrationRow& row : calibrations())
        calibration += (calibration.empty() ? "" : "; ") + row.id + ": " + row.summary;
    j["calibration"] = calibration;
    j["fits"] =
        "median_us = t0_us + bytes / gb_per_s, least squares over the sizes of a kernel and KV dtype (three or more); "
        "largest_miss: of a point from the line, over the point";
    for (const BenchRun& run : r.runs)
        for (const BenchResult& k : run.kernels) j["bytes of " + k.name] = k.cell.kernel->bytes;
    return j;
}

}  // namespace

std::string bench_json(const BenchReport& r) {
    Json j;
    j["schema_version"] = kSchemaVersion;
    j["kind"] = "bench";
    j["tool"] = {{"version", version()}, {"git", git_commit()}};
    Json config = Json::object();
    for (const auto& [key, value] : r.config) std::visit([&, &k = key](const auto& v) { config[k] = v; }, value);
    j["config"] = std::move(config);
    j["definitions"] = definitions_json(r);
    j["backends"] = Json::array();
    j["kernels"] = Json::array();
    for (const BenchRun& run : r.runs) j["backends"].push_back(run_json(run));
    for (const BenchRun& run : r.runs)
        for (const BenchResult& k : run.kernels) j["kernels"].push_back(result_json(run, k));
    j["timing"] = {{"wall_ms", r.wall_ms}};
    return j.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

// ---- the table -----------------------------------------------------------------------------------------------

namespace {

std::string us_text(double us) {
    return us < 10     ? fmt::format("{:.2f}", us)
           : us < 1000 ? fmt::format("{:.1f}", us)
                       : format_count(static_cast<uint64_t>(std::llround(us)));
}
std::string spread_text(const TimeStats& t) { return fmt::format("{:.1f} %", 100 * t.spread()); }

std::vector<std::string> run_cells(const BenchRun& run, const BenchResult& r, bool roofline) {
    if (!measured(r)) {
        std::vector<std::string> cells = {bench_status_id(r.status), "-", "-", "-", "-"};
        if (roofline) cells.emplace_back("-");
        if (!run.unavailable.empty()) cells.resize(1);
        return cells;
    }
    std::vector<std::string> cells = {us_text(r.time.median_us), spread_text(r.time),
                                      fmt::format("{:.2f}", r.gb_per_s()),
                                      r.fraction ? fmt::format("{:.2f}", *r.fraction) : "-", r.cold ? "cold" : "warm"};
    if (roofline) cells.push_back(r.roofline_us ? us_text(*r.roofline_us) : "-");
    return cells;
}

/// The axes that are not the same in all rows; the KV dtype always.
std::vector<std::string> shown_axes(const std::vector<BenchResult>& kernels) {
    std::vector<std::string> shown;
    for (const char* axis :
         {"kv_dtype", "batch", "context", "kv_heads", "q_heads", "head_dim", "block_size", "order"}) {
        bool differs =
            std::string(axis) == "kv_dtype" || std::string(axis) == "batch" || std::string(axis) == "context";
        for (const BenchResult& r : kernels)
            differs = differs || value_of(r.cell.shape, axis) != value_of(kernels.front().cell.shape, axis);
        if (differs) shown.emplace_back(axis);
    }
    return shown;
}

std::string axis_text(const BenchCell& cell, const std::string& axis) {
    const std::vector<std::string>& has = cell.kernel->axes;
    if (std::find(has.begin(), has.end(), axis) == has.end()) return "-";
    Json value = value_of(cell.shape, axis);
    return value.is_string() ? value.get<std::string>() : value.dump();
}

std::string kernel_table(const BenchReport& report) {
    const std::vector<BenchResult>& first = report.runs.front().kernels;
    if (first.empty()) return {};
    std::vector<std::string> axes = shown_axes(first), head = {"kernel"};
    for (std::string axis : axes) {
        std::replace(axis.begin(), axis.end(), '_', ' ');
        head.push_back(axis);
    }
    head.emplace_back("moves");
    for (const BenchRun& run : report.runs) {
        head.push_back(run.id + " us");
        if (!run.unavailable.empty()) continue;
        for (const char* column : {"+-", "GB/s", "of ceiling", "cache", "estimated us"}) head.emplace_back(column);
    }
    TextTable table(2);
    table.add(head);
    for (size_t i = 0; i < first.size(); ++i) {
        std::vector<std::string> row = {first[i].name};
        for (const std::string& axis : axes) row.push_back(axis_text(first[i].cell, axis));
        uint64_t bytes = 0;
        for (const BenchRun& run : report.runs) bytes = std::max(bytes, run.kernels[i].bytes);
        row.push_back(bytes > 0 ? format_bytes(bytes) : "-");
        for (const BenchRun& run : report.runs)
            for (std::string& cell : run_cells(run, run.kernels[i], true)) row.push_back(std::move(cell));
        table.add(std::move(row));
    }
    return table.str();
}

std::string calibration_table(const BenchRun& run) {
    TextTable table;
    table.add({"calibration", "moves", run.id + " us", "+-", "GB/s", "cache"});
    for (const BenchResult& r : run.calibration) {
        if (!measured(r))
            table.add({r.name, r.bytes > 0 ? format_bytes(r.bytes) : "-", bench_status_id(r.status), "-", "-", "-"});
        else if (r.bytes == 0)
            table.add({r.name, "-", us_text(r.time.median_us), spread_text(r.time), "-", "-"});
        else
            table.add({r.name, format_bytes(r.bytes), us_text(r.time.median_us), spread_text(r.time),
                       fmt::format("{:.2f}", r.gb_per_s()), r.cold ? "cold" : "warm"});
    }
    return table.str();
}

std::string fit_table(const BenchRun& run) {
    if (run.fits.empty()) return {};
    TextTable table(2);
    table.add({"fit over sizes", "kv dtype", "t0 us", "GB/s", "largest miss"});
    for (const BenchFit& f : run.fits)
        table.add({f.name, f.kv_dtype.empty() ? "-" : f.kv_dtype, fmt::format("{:.1f}", f.line.t0_us),
                   fmt::format("{:.2f}", 1e-3 / f.line.us_per_byte), format_percent(f.line.largest_miss, 0)});
    return table.str();
}

/// Reasons, each once.
std::string reasons(const BenchReport& report) {
    std::vector<std::string> lines;
    auto add = [&](const std::string& line) {
        if (std::find(lines.begin(), lines.end(), line) == lines.end()) lines.push_back(line);
    };
    for (const BenchRun& run : report.runs) {
        if (!run.unavailable.empty()) add(run.id + " not measured: " + run.unavailable);
        for (const auto* results : {&run.calibration, &run.kernels})
            for (const BenchResult& r : *results)
                if (!r.reason.empty())
                    add(r.name + (r.cell.kernel ? " (" + bench_words(r.cell) + ")" : "") + " on " + run.id + ": " +
                        r.reason);
    }
    std::string out;
    for (const std::string& line : lines) out += "  note: " + line + "\n";
    return out;
}

}  // namespace

std::string bench_table(const BenchReport& report) {
    std::string out;
    for (const BenchRun& run : report.runs) {
        if (!run.unavailable.empty()) continue;
        out += fmt::format("{}: {}{}", run.id, printable(run.device),
                           run.cache_bytes > 0 ? ", " + format_bytes(run.cache_bytes) + " of last-level cache" : "");
        for (const auto& [name, words] : run.facts) out += fmt::format(", {} {}", name, printable(words));
        out += "\n\n";
        out += calibration_table(run) + "\n";
    }
    out += kernel_table(report);
    for (const BenchRun& run : report.runs) {
        std::string fits = fit_table(run);
        if (!fits.empty()) out += "\n" + fits;
    }
    std::string notes = reasons(report);
    return out + (notes.empty() ? "" : "\n" + notes);
}

}  // namespace kvsim
