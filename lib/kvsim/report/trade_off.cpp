// What a compressed cache costs: every measured cell, its bytes against the error of the attention output.
#include <kvsim/core/units.h>
#include <kvsim/report/text_table.h>

namespace kvsim {

namespace {

double size_of(const CompareCell& c) {
    const CompressionOutcome& o = *c.result.outcome.compression;
    return static_cast<double>(o.bytes().total()) / (2 * static_cast<double>(o.appended_values));
}
double error_of(const CompareCell& c) { return c.result.outcome.compression->total.output_nmse(); }
bool measured(const CompareCell& c) {
    return c.result.status == CellStatus::ok && c.result.outcome.compression &&
           c.result.outcome.compression->total.measured_queries > 0;
}

}  // namespace

void mark_pareto(CompareReport& report) {
    for (CompareCell& c : report.cells) {
        if (!measured(c)) continue;
        c.pareto = std::none_of(report.cells.begin(), report.cells.end(), [&](const CompareCell& other) {
            return measured(other) && other.spec.trace->name == c.spec.trace->name && size_of(other) <= size_of(c) &&
                   error_of(other) <= error_of(c) && (size_of(other) < size_of(c) || error_of(other) < error_of(c));
        });
    }
}

std::string trade_off_table(const CompareReport& report) {
    TextTable text(4);
    text.add({"keys", "values", "eviction", "capacity", "bits", "kept %", "of f16 %", "key NMSE", "value NMSE", "output NMSE",
              "retained %"});
    const KvData* data = nullptr;
    std::string skipped;
    for (const CompareCell& c : report.cells) {
        if (!c.spec.options.kv_data) continue;
        const ReplayOptions& o = c.spec.options;
        data = o.kv_data;
        auto dtype = [&](const std::string& given) { return given.empty() ? data->dtype : given; };
        if (!c.result.outcome.compression) {
            std::string line = "  skipped " + dtype(o.k_dtype) + ", " + dtype(o.v_dtype) + ", " + o.cache.eviction + ": " + c.result.reason + "\n";
            if (c.result.status == CellStatus::skipped && skipped.find(line) == std::string::npos) skipped += line;
            continue;
        }
        const CompressionOutcome& m = *c.result.outcome.compression;
        bool known = m.total.measured_queries > 0;
        text.add({dtype(o.k_dtype), dtype(o.v_dtype), o.cache.eviction, c.capacity, fmt::format("{:.3f}", m.bits_per_value()),
                  fmt::format("{:.2f}", 100 * static_cast<double>(m.held_values) / static_cast<double>(m.appended_values)),
                  fmt::format("{:.2f}", 100 * size_of(c)), fmt::format("{:.3g}", m.total.keys.nmse()),
                  fmt::format("{:.3g}", m.total.values.nmse()),
                  known ? fmt::format("{:.3g}{}", m.total.output_nmse(), c.pareto ? "*" : " ") : "-",
                  known ? fmt::format("{:.2f}", 100 * m.total.mean_mass()) : "-"});
    }
    if (!data) return {};
    return fmt::format("{}: {} sequences of {} tokens, {} layers, {} query heads on {} KV heads of {}\n\n", printable(data->name),
                       data->sequences, format_count(data->tokens), data->layers, data->query_heads, data->kv_heads,
                       data->head_dim) +
           text.str() +
           "\n  bits: stored, per value, metadata included; kept: tokens at the end; of f16: bytes stored / all values in f16\n"
           "  output NMSE: error of the attention output against full attention; * no other cell is smaller and nearer to it\n" +
           skipped + "\n";
}

}  // namespace kvsim
