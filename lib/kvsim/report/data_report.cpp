// What data mode says: what was stored where, which kernels ran and how fast.
#include <kvsim/core/units.h>
#include <kvsim/report/results_json.h>
#include <kvsim/report/rows.h>
#include <kvsim/report/text_table.h>

namespace kvsim {

namespace {

std::string shape_of(const DataOutcome& d) {
    std::string dtypes = d.k_dtype == d.v_dtype ? d.k_dtype : "keys " + d.k_dtype + ", values " + d.v_dtype;
    return fmt::format("{} layer{}, {} KV heads x {}, {}, {}", d.layers, d.layers == 1 ? "" : "s", d.kv_heads, d.head_dim, dtypes,
                       d.order);
}

}  // namespace

Json data_json(const ReplayReport& report) {
    const DataOutcome& d = *report.outcome->data;
    Json j = {{"backend", d.backend},         {"order", d.order},
              {"layers", d.layers},           {"kv_heads", d.kv_heads},
              {"query_heads", d.query_heads}, {"head_dim", d.head_dim},
              {"k_dtype", d.k_dtype},         {"v_dtype", d.v_dtype},
              {"pool_blocks", d.pool_blocks}, {"pool_bytes", d.pool_bytes}};
    if (d.digest.empty()) return j;
    j["read_sequences"] = d.read_sequences;
    j["read_tokens"] = d.read_tokens;
    j["digest"] = d.digest;
    return j;
}

Json kernels_json(const ReplayReport& report) {
    const DataOutcome& d = *report.outcome->data;
    Json shape = {{"layers", d.layers}, {"kv_heads", d.kv_heads}, {"q_heads", d.query_heads}, {"head_dim", d.head_dim},
                  {"k_dtype", d.k_dtype}, {"v_dtype", d.v_dtype}, {"order", d.order}};
    Json all = Json::array();
    for (const KernelSummary& k : d.kernels)
        all.push_back({{"name", k.name}, {"backend", d.backend}, {"device", d.device}, {"shape", shape},
                       {"calls", k.calls}, {"total_us", k.total_us}, {"median_us", k.median_us}, {"min_us", k.min_us},
                       {"p95_us", k.p95_us}, {"bytes", k.bytes}, {"gb_per_s", k.gb_per_s},
                       {"fraction_of_copy", k.fraction_of_copy}, {"samples", k.calls}});
    return all;
}

void define_data(Definitions& d, const ReplayReport& report) {
    if (!report.outcome->data) return;
    const DataOutcome& o = *report.outcome->data;
    d.emplace_back("data",
                   "every event was also done to keys and values on the backend: blocks of " + shape_of(o) +
                       (report.options->kv_data ? "; values: the recorded ones" : "; values: made from sequence, position, layer and place") +
                       (report.options->cache.layout == "quantized"
                            ? "; pool_blocks: of the longest sequence, twice what it keeps where tokens leave, since they move to the "
                              "other half; sequences follow one another"
                            : "; pool_blocks: as many as were ever in use") +
                       (o.order == "contiguous" ? ", holes included" : "") + "; pool_bytes: of keys, values and their scales");
    if (!o.digest.empty())
        d.emplace_back("data.verify",
                       "each sequence was read back when it gave its blocks up, or at the end, and each value compared with what was "
                       "written: equal after one rounding to the dtype, for int8 and int4 within half a step of its group (and "
                       "the rounding of scale and minimum); digest: SHA-256 of all that was read, f32, keys then values of each "
                       "layer, so two layouts that keep the same tokens have the same");
    d.emplace_back("kernels",
                   "one row per operation, all calls of the run: bytes that it has to move, read and written, each once; gb_per_s: "
                   "bytes / total_us, in 10^9; fraction_of_copy: of the fastest of 5 copies of " + format_bytes(o.copy_bytes) +
                       " on the same backend in the same run, read and written. Small calls are mostly overhead");
}

std::string kernels_table(const ReplayReport& report) {
    if (!report.outcome->data) return {};
    const DataOutcome& d = *report.outcome->data;
    std::string out = fmt::format("\n  keys and values on {} ({})\n  {}, {} blocks, {}\n", d.backend, d.device, shape_of(d),
                                  format_count(d.pool_blocks), format_bytes(d.pool_bytes));
    if (!d.digest.empty())
        out += fmt::format("  read back and equal: {} sequences, {} tokens, digest {}\n", format_count(d.read_sequences),
                           format_count(d.read_tokens), d.digest.substr(0, 16));
    out += "\n";
    TextTable t;
    t.add({"kernel", "calls", "median us", "p95 us", "total ms", "bytes", "GB/s", "of copy"});
    for (const KernelSummary& k : d.kernels)
        t.add({k.name, format_count(k.calls), fmt::format("{:.1f}", k.median_us), fmt::format("{:.1f}", k.p95_us),
               fmt::format("{:.2f}", k.total_us / 1e3), format_bytes(k.bytes), fmt::format("{:.2f}", k.gb_per_s),
               fmt::format("{:.0f} %", 100 * k.fraction_of_copy)});
    return out + t.str() + fmt::format("  copy: {:.2f} GB/s, read and written, in this run\n", d.copy_gb_per_s);
}

}  // namespace kvsim
