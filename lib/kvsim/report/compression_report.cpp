// What the quantized layout says beside counts: bits, ratios and, where keys and values were given, errors.
#include <kvsim/core/units.h>
#include <kvsim/report/results_json.h>
#include <kvsim/report/rows.h>

#include <cmath>

namespace kvsim {

namespace {

double bits_per_value(const StoredBytes& bytes, uint64_t values) {
    return values == 0 ? 0 : 8 * static_cast<double>(bytes.total()) / static_cast<double>(values);
}

// The most tokens there ever were, in whole units of the dtypes.
StoredBytes bytes_at_peak(const ReplayReport& report) {
    const TokenStorage& s = *report.storage;
    double units = static_cast<double>(report.outcome->run.peak_resident_blocks) *
                   static_cast<double>(report.trace->block_size) / static_cast<double>(s.tokens);
    auto of = [&](uint64_t bytes) { return static_cast<uint64_t>(std::llround(static_cast<double>(bytes) * units)); };
    return {of(s.bytes.data), of(s.bytes.metadata), of(s.bytes.padding)};
}

void put_bytes(Json& j, const StoredBytes& bytes) {
    j["data_bytes"] = bytes.data;
    j["metadata_bytes"] = bytes.metadata;
    j["padding_bytes"] = bytes.padding;
}

Json side_json(const std::string& dtype, const StoredError& error, const StoredBytes& bytes, uint64_t values) {
    Json j = {{"dtype", dtype}, {"bits_per_value", bits_per_value(bytes, values)}};
    put_bytes(j, bytes);
    j["nmse"] = error.nmse();
    j["largest_error"] = error.largest_error;
    if (error.largest_of_bound > 0) j["largest_error_of_bound"] = error.largest_of_bound;
    return j;
}

void put_errors(Json& j, const CompressionSums& s) {
    j["key_nmse"] = s.keys.nmse();
    j["value_nmse"] = s.values.nmse();
    if (s.measured_queries == 0) return;
    j["output_nmse"] = s.output_nmse();
    j["retained_mass"] = s.mean_mass();
}

Json measured_json(const ReplayReport& report) {
    const CompressionOutcome& c = *report.outcome->compression;
    const KvData& data = *report.kv_data();
    Json j;
    j["data_source"] = {{"kind", data.format == "synthetic" ? "synthetic" : "kv_data"}, {"name", data.name}, {"sha256", data.sha256}};
    j["ratio_vs_f32"] = c.ratio(32);
    j["ratio_vs_f16"] = c.ratio(16);
    j["bits_per_value"] = c.bits_per_value();
    put_bytes(j, c.bytes());
    put_errors(j, c.total);
    j["measured_queries"] = c.total.measured_queries;
    j["keys"] = side_json(c.k_dtype, c.total.keys, c.key_bytes, c.key_values);
    j["values"] = side_json(c.v_dtype, c.total.values, c.value_bytes, c.value_values);
    j["stored_values"] = c.stored_values();
    j["held_values"] = c.held_values;
    j["bits_per_held_value"] = bits_per_value(c.bytes(), c.held_values);
    j["allocated_bytes"] = c.allocated_bytes;
    j["appended_values"] = c.appended_values;
    j["evicted_tokens"] = c.evicted_tokens;
    if (!c.budgets.empty()) j["budget_tokens"] = c.budgets;
    for (size_t l = 0; l < c.layers.size(); ++l) {
        Json layer = {{"layer", l}};
        put_errors(layer, c.layers[l]);
        j["layers"].push_back(std::move(layer));
    }
    for (const CompressionOutcome::Visible& v : c.visible)
        j["visible"].push_back({{"tokens_back", v.tokens_back}, {"share", v.share}});
    return j;
}

}  // namespace

// Without keys and values: bytes by formula, attention as far as the trace recorded it.
static Json counted_json(const ReplayReport& report, bool stored) {
    Json j;
    if (report.outcome->scores) {
        j["data_source"] = {{"kind", "trace"}};
        if (!report.trace->sha256.empty()) j["data_source"]["sha256"] = report.trace->sha256;
    }
    if (stored) {
        double bits = bits_per_value(report.storage->bytes, report.storage->values);
        j["ratio_vs_f32"] = 32 / bits;
        j["ratio_vs_f16"] = 16 / bits;
        j["bits_per_value"] = bits;
        put_bytes(j, bytes_at_peak(report));
    }
    for (const char* key : {"key_nmse", "value_nmse", "output_nmse", "retained_mass"}) j[key] = "not measured";
    if (!report.outcome->scores) return j;
    const ScoreOutcome& s = *report.outcome->scores;
    if (s.measured_rows > 0) j["retained_mass"] = s.mean_mass();
    j["measured_queries"] = s.measured_rows;
    j["evicted_tokens"] = s.evicted_tokens;
    return j;
}

Json compression_json(const ReplayReport& report) {
    if (report.outcome->compression) return measured_json(report);
    bool stored = report.storage && report.storage->values > 0;
    if (!stored && !report.outcome->scores) return nullptr;
    return counted_json(report, stored);
}

void define_compression(Definitions& d, const ReplayReport& report) {
    bool measured = report.outcome->compression.has_value();
    if (report.outcome->scores)
        d.emplace_back("compression.retained_mass",
                       "recorded attention weight on the tokens seen, meaned over the recorded rows (of a sequence, layer and head) "
                       "with more tokens than the budget; a row's rest is spread evenly over the tokens it does not list; rows were "
                       "recorded under full attention and are made to sum to 1 over the tokens kept before the strategy sees them; "
                       "each head decides for itself; measured_queries: these rows");
    if (!measured && !report.storage) return;
    d.emplace_back("compression",
                   std::string("bits_per_value: bytes stored x 8 / values in them, codes (data), scales and minima (metadata) and "
                               "padding of rows together; ratios: 32 or 16 bits / that. Free room is fragmentation, not compression; ") +
                       (measured ? "bytes: of what the sequences hold at their ends, tokens in full precision being data; values of "
                                   "dropped tokens that share a unit with others count as stored"
                                 : "bytes: of peak_resident_blocks, all tokens in them"));
    if (!measured) return;
    d.emplace_back("compression.errors",
                   "key_nmse, value_nmse: squared errors of values stored and read back / their squares, each value once, "
                   "summed over sequences, layers and heads; largest_error_of_bound: the largest error / what the dtype allows "
                   "there (half a step, and the rounding of scale and minimum)");
    d.emplace_back("compression.output",
                   "output_nmse: squared differences to full attention over the original values / its squares, one sum over all "
                   "sequences, layers, query heads and measured steps; retained_mass: mean over them of the full-attention weight "
                   "on the tokens seen. Step t: token t is stored, its recorded query attends (it sees the tokens kept and "
                   "itself), is measured if t >= budget, or always without one; the weights it gave, meaned over the query heads "
                   "of a KV head, are the strategy's scores; tokens leave until the budget holds. No error is carried to the next "
                   "layer. Positions are the original ones. Groups along tokens without a residual window are stored as wholes, "
                   "as a prefill does");
    d.emplace_back("compression.visible", "share of (sequence, layer, KV head) that hold the token so many before the last one, at "
                                          "the end; stored_values, held_values, appended_values: of keys and values, those of "
                                          "dropped tokens that share a unit with others being stored but not held; bits_per_held_value: "
                                          "bytes stored x 8 / held_values; allocated_bytes: buffers with their free room; budget_tokens: per "
                                          "layer, of the first sequence");
}

void add_compression(Rows& rows, const ReplayReport& report) {
    if (report.outcome->scores) {
        const ScoreOutcome& s = *report.outcome->scores;
        rows.add("retained attention", s.measured_rows == 0 ? "-" : format_percent(s.mean_mass()),
                 s.measured_rows == 0 ? "no recorded row has more tokens than the budget"
                                      : "of the weight in " + format_count(s.measured_rows) + " recorded rows");
    }
    if (!report.outcome->compression) {
        if (!report.storage || report.storage->values == 0) return;
        double bits = bits_per_value(report.storage->bytes, report.storage->values);
        rows.add("bits per value", fmt::format("{:.3f}", bits), report.dtypes + ", metadata and padding included");
        rows.add("ratio to f16", fmt::format("{:.3f}", 16 / bits), fmt::format("{:.3f} to f32", 32 / bits));
        return;
    }
    const CompressionOutcome& c = *report.outcome->compression;
    StoredBytes b = c.bytes();
    rows.gap();
    rows.add("bits per value", fmt::format("{:.3f}", c.bits_per_value()),
             fmt::format("{}: keys {:.3f}, values {:.3f}", report.dtypes, bits_per_value(c.key_bytes, c.key_values),
                         bits_per_value(c.value_bytes, c.value_values)));
    rows.add("ratio to f16", fmt::format("{:.3f}", c.ratio(16)), fmt::format("{:.3f} to f32", c.ratio(32)));
    rows.add("stored bytes", format_count(b.total()),
             fmt::format("data {}, metadata {}, padding {}", format_count(b.data), format_count(b.metadata),
                         format_count(b.padding)));
    if (c.stored_values() > c.held_values)
        rows.add("of dropped tokens",
                 format_percent(static_cast<double>(c.stored_values() - c.held_values) / static_cast<double>(c.stored_values())),
                 fmt::format("of the values stored, which share scales or bytes with kept ones: {:.3f} bits per value held",
                             bits_per_value(b, c.held_values)));
    rows.add("tokens kept", format_percent(static_cast<double>(c.held_values) / static_cast<double>(c.appended_values)),
             c.budgets.empty() ? "no budget" : "at the end, of those appended");
    rows.add("key NMSE", fmt::format("{:.3g}", c.total.keys.nmse()), "error of the values that were stored");
    rows.add("value NMSE", fmt::format("{:.3g}", c.total.values.nmse()));
    if (c.total.measured_queries == 0) {
        rows.add("attention output NMSE", "-", "no step was measured: no sequence is longer than the budget");
        return;
    }
    rows.add("attention output NMSE", fmt::format("{:.4g}", c.total.output_nmse()),
             fmt::format("against full attention, {} queries", format_count(c.total.measured_queries)));
    rows.add("retained attention", format_percent(c.total.mean_mass()), "weight of full attention on the tokens seen");
}

std::string compression_table(const ReplayReport& report) {
    if (!report.outcome->compression) return {};
    const CompressionOutcome& c = *report.outcome->compression;
    std::string out = fmt::format("\n  {:>5}  {:>10}  {:>10}  {:>11}  {:>9}{}\n", "layer", "key NMSE", "value NMSE", "output NMSE",
                                  "retained", c.budgets.empty() ? "" : "    budget");
    for (size_t l = 0; l < c.layers.size(); ++l) {
        const CompressionSums& s = c.layers[l];
        out += fmt::format("  {:>5}  {:>10.3g}  {:>10.3g}  {:>11.4g}  {:>9}", l, s.keys.nmse(), s.values.nmse(), s.output_nmse(),
                           s.measured_queries == 0 ? "-" : format_percent(s.mean_mass()));
        if (!c.budgets.empty()) out += fmt::format("  {:>8}", format_count(c.budgets[l]));
        out += "\n";
    }
    if (c.evicted_tokens == 0) return out;
    out += "\n  still there at the end, by tokens back: ";
    for (size_t k = 0; k < c.visible.size(); ++k)
        out += fmt::format("{}{} {}", k == 0 ? "" : ", ", c.visible[k].tokens_back, format_percent(c.visible[k].share));
    return out + "\n";
}

}  // namespace kvsim
