#include <kvsim/backend/kv_cache.h>
#include <kvsim/backend/prefix_kv.h>
#include <kvsim/backend/row_format.h>
#include <kvsim/backend/token_kv.h>
#include <kvsim/core/digest.h>
#include <kvsim/core/spec.h>
#include <kvsim/layout/sequence_layouts.h>
#include <kvsim/quant/dtype.h>
#include <kvsim/sim/bench_stats.h>
#include <kvsim/sim/data_replay.h>

#include <algorithm>
#include <bit>
#include <cmath>

namespace kvsim {

namespace {

/// What was read of a sequence against what was written.
class ReadBack {
  public:
    explicit ReadBack(const DataRunOptions& o)
        : sides_{{row_format(o.k_dtype, o.head_dim), make_codec(o.k_dtype, {1, o.head_dim})},
                 {row_format(o.v_dtype, o.head_dim), make_codec(o.v_dtype, {1, o.head_dim})}} {}

    void check(const CacheHandle& handle, const KvMemory::Source& original) {
        uint64_t tokens = handle.num_tokens();
        ++sequences_;
        tokens_ += tokens;
        std::vector<float> read[2], written[2];
        for (uint32_t layer = 0; layer < handle.num_layers(); ++layer) {
            handle.kv_cache(layer, read[0], read[1]);
            for (auto& w : written) w.resize(read[0].size());
            if (tokens > 0) original(layer, 0, static_cast<uint32_t>(tokens), written[0].data(), written[1].data());
            for (int side = 0; side < 2; ++side) {
                compare(handle, layer, side, read[side], written[side]);
                digest_.update(reinterpret_cast<const char*>(read[side].data()), read[side].size() * sizeof(float));
            }
        }
    }
    void report(DataOutcome& out) {
        out.read_sequences = sequences_;
        out.read_tokens = tokens_;
        out.digest = digest_.finish();
    }

  private:
    struct Side {
        kv::RowFormat format;
        std::unique_ptr<Codec> codec;
    };
    void compare(const CacheHandle& handle, uint32_t layer, int side, const std::vector<float>& read, const std::vector<float>& written) {
        const Side& s = sides_[side];
        const uint32_t dim = s.format.dim;
        std::vector<uint8_t> bytes(s.format.bytes());
        std::vector<float> bound(dim, 0);
        for (size_t row = 0; row < read.size(); row += dim) {
            const float* x = &written[row];
            if (kv::is_affine(s.format.type)) {
                s.codec->encode(x, 1, bytes.data());
                s.codec->error_bounds(bytes.data(), 1, bound.data());
            }
            for (uint32_t i = 0; i < dim; ++i) {
                float want = x[i];
                if (!kv::is_affine(s.format.type)) {
                    kv::put_plain_value(s.format.type, bytes.data(), i, want);
                    want = kv::plain_value(s.format.type, bytes.data(), i);
                }
                bool same = kv::is_affine(s.format.type) ? std::fabs(read[row + i] - want) <= bound[i]
                                                         : std::bit_cast<uint32_t>(read[row + i]) == std::bit_cast<uint32_t>(want);
                if (same) continue;
                size_t heads = row / dim;
                throw_failed("--verify: sequence " + std::to_string(handle.sequence()) + ", layer " + std::to_string(layer) + ", " +
                             (side == 0 ? "key" : "value") + " of resident token " + std::to_string(heads / handle.kv_heads()) +
                             ", head " + std::to_string(heads % handle.kv_heads()) + ", place " + std::to_string(i) + ": read " +
                             std::to_string(read[row + i]) + ", written " + std::to_string(x[i]));
            }
        }
    }

    Side sides_[2];
    Sha256 digest_;
    uint64_t sequences_ = 0, tokens_ = 0;
};

template <class Store>
std::unique_ptr<Cache> cache_with_data(const typename Store::Config& config, KvCacheData& data, const CacheConfig& cache,
                                       const Trace& trace, const RunOptions& run) {
    typename KvCache<Store>::Config c{config, &data};
    return sequence_replay(SequenceCache<KvCache<Store>>(c, victim_strategy(cache)), cache, trace, run);
}
std::unique_ptr<Cache> cache_with_data(KvCacheData& data, const CacheConfig& cache, const Trace& trace, const RunOptions& run) {
    if (cache.layout == "paged") return cache_with_data<PagedStore>(paged_config(trace, run), data, cache, trace, run);
    return cache_with_data<ContiguousStore>(contiguous_config(cache, trace, run), data, cache, trace, run);
}

// The speed of a copy on the same backend: the fastest of a few, of a piece beyond the caches where there is room.
void measure_copy(Backend& backend, DataOutcome& out) {
    out.copy_bytes = std::min<uint64_t>(uint64_t{64} << 20, backend.free_bytes() / 8);
    Buffer<uint8_t> from(backend, out.copy_bytes), to(backend, out.copy_bytes);
    backend.fill(from.data(), 1, out.copy_bytes);
    double best = 0;
    for (int i = 0; i < 5; ++i) {
        double us = backend.time_us([&] { backend.copy(to.data(), from.data(), out.copy_bytes); });
        best = std::max(best, 2 * static_cast<double>(out.copy_bytes) / us / 1e3);
    }
    out.copy_gb_per_s = best;
}

void summarize(const KernelLog& log, DataOutcome& out) {
    for (const auto& [name, calls] : log.calls()) {
        KernelSummary k;
        k.name = name;
        k.calls = calls.us.size();
        k.bytes = calls.bytes;
        TimeStats t = time_stats({calls.us.begin(), calls.us.end()});
        k.total_us = t.total_us;
        k.min_us = t.min_us;
        k.median_us = t.median_us;
        k.p95_us = t.p95_us;
        k.gb_per_s = k.total_us > 0 ? static_cast<double>(k.bytes) / k.total_us / 1e3 : 0;
        k.fraction_of_copy = out.copy_gb_per_s > 0 ? k.gb_per_s / out.copy_gb_per_s : 0;
        out.kernels.push_back(k);
    }
}

/// What a replay with data counted.
struct Played {
    RunResult result;
    uint64_t pool_blocks = 0, pool_bytes = 0;
};
using MakeMemory = std::function<KvMemory(uint64_t blocks)>;

// Sequences (paged, contiguous): once to learn how many blocks there ever are, once with data.
Played play_sequences(const Trace& trace, const CacheConfig& cache, const RunOptions& run, const DataRunOptions& o,
                      const TokenValues& values, const MakeMemory& make_memory, ReadBack& read_back) {
    KvCacheData sizing;
    Played counted;
    cache_with_data(sizing, cache, trace, run)->run(trace, run, counted.result);
    KvMemory memory = make_memory(sizing.reach_blocks);
    KvCacheData data;
    data.memory = &memory;
    data.values = &values;
    data.attend = o.attend;
    if (o.verify)
        data.leaving = [&](const CacheHandle& handle, const KvMemory::Source& original) { read_back.check(handle, original); };
    Played played{{}, sizing.reach_blocks, memory.bytes()};
    auto with_data = cache_with_data(data, cache, trace, run);
    with_data->run(trace, run, played.result);
    data.finish();
    with_data->check_invariants();
    if (!(played.result.total == counted.result.total)) throw_failed("--backend: two replays of the same count something else");
    return played;
}

// Prefixes: block by block, the most blocks there ever were being known.
Played play_prefixes(const Trace& trace, const CacheConfig& cache, const RunOptions& run, const DataRunOptions& o,
                     const TokenValues& values, const MakeMemory& make_memory, ReadBack& read_back) {
    if (trace.content) throw_input("--backend: ids of format " + trace.format + " name chunks of varying length, which fill no blocks");
    if (o.kv_data) throw_input("--kv-data has no effect under --layout prefix: recorded sequences share no blocks");
    auto replay = [&](BlockObserver* observer) {
        RunOptions observed = run;
        observed.observer = observer;
        RunResult result;
        cache_row(cache).make(cache, trace, observed, RunPath::blocks)->run(trace, observed, result);
        return result;
    };
    RunOptions all = run;
    all.warmup_requests = 0;
    all.bound_hits = nullptr;
    RunResult sized;
    cache_row(cache).make(cache, trace, all, RunPath::fastest)->run(trace, all, sized);
    KvMemory memory = make_memory(sized.peak_resident_blocks);
    PrefixKv::Leaving check;
    if (o.verify)
        check = [&](const CacheHandle& handle, const KvMemory::Source& original) { read_back.check(handle, original); };
    PrefixKv data(trace, run.decode, memory, values, o.attend, check);
    Played played{replay(&data), sized.peak_resident_blocks, memory.bytes()};
    data.finish();
    return played;
}

// Sequences whose tokens are evicted: one after the other, since they share nothing.
Played play_tokens(const Trace& trace, const CacheConfig& cache, const RunOptions& run, const DataRunOptions& o,
                   const TokenValues& values, const MakeMemory& make_memory, ReadBack& read_back, const RunResult& expected) {
    if (!trace.events.empty())
        throw_input("--backend under --layout quantized: the trace has events; expected one of requests, each a sequence of its own");
    struct Sequence {
        uint32_t request;
        uint64_t prompt, output;
        TokenRule rule;
    };
    std::vector<Sequence> sequences;
    uint64_t blocks = 0;
    for (uint32_t r = 0; r < trace.requests(); ++r) {
        if (expected.is_rejected(r)) continue;
        if (trace.samples.has(r) && trace.samples[r] > 1)
            throw_input("--backend under --layout quantized: request " + std::to_string(r) + " (" + trace.sequence_name(r) +
                        ") has n = " + std::to_string(trace.samples[r]) + " samples; a sequence on a backend is one");
        Sequence s{r, trace.prompt_tokens[r], run.decode ? trace.output_tokens[r] : 0, {}};
        TokenContext context;
        context.layers = o.layers;
        context.kv_heads = o.kv_heads;
        context.head_dim = o.head_dim;
        context.group = o.query_heads / o.kv_heads;
        context.sequence_tokens = s.prompt + s.output;
        if (run.capacity_blocks != kUnlimited) context.capacity_tokens = run.capacity_blocks * trace.block_size;
        s.rule = token_rule(cache.eviction, context);
        blocks = std::max(blocks, TokenKv::blocks(s.rule, s.prompt + s.output, trace.block_size));
        sequences.push_back(s);
    }
    KvMemory memory = make_memory(std::max<uint64_t>(1, blocks));
    TokenKv::Leaving check;
    if (o.verify)
        check = [&](const CacheHandle& handle, const KvMemory::Source& original) { read_back.check(handle, original); };
    TokenKv data(memory, values, check);
    for (const Sequence& s : sequences) data.play(s.request, s.prompt, s.output, s.rule, o.attend);
    if (data.evicted_tokens() != expected.total.evicted_tokens)
        throw_failed("--backend: kernels evicted " + std::to_string(data.evicted_tokens()) + " tokens of a head, the replay without " +
                     std::to_string(expected.total.evicted_tokens));
    return {expected, memory.pool().blocks, memory.bytes()};
}

}  // namespace

DataOutcome replay_data(const Trace& trace, const CacheConfig& cache, const RunOptions& run, const DataRunOptions& o,
                        const RunResult& expected) {
    bool contiguous = cache.layout == "contiguous", prefix = cache.layout == "prefix", tokens = cache.layout == "quantized";
    if (!contiguous && !prefix && !tokens && cache.layout != "paged")
        throw_input("--backend has no effect under --layout " + cache.layout);
    if (prefix && cache.match.rfind("snapshot", 0) == 0)
        throw_input("--backend has no effect under --match snapshot, which stores whole prompts and no blocks");
    Spec spec = Spec::parse(o.backend);
    std::string order = spec.choice("order", "hnd", {"hnd", "nhd"});
    if (contiguous && order != "hnd") throw_input("--backend " + o.backend + ": order=nhd has no effect on contiguous sequences");
    std::unique_ptr<Backend> backend = backends().get(spec.id()).make(spec);
    spec.finish();

    DataOutcome out;
    measure_copy(*backend, out);
    KernelLog log;
    auto make_memory = [&](uint64_t blocks) {
        return KvMemory(*backend,
                        {o.layers, o.kv_heads, o.head_dim, o.query_heads, o.k_dtype, o.v_dtype,
                         order == "nhd" ? kv::Order::nhd : kv::Order::hnd, blocks, trace.block_size},
                        log);
    };
    std::unique_ptr<TokenValues> values =
        o.kv_data ? recorded_values(*o.kv_data) : synthetic_values(o.kv_heads, o.query_heads, o.head_dim);
    ReadBack read_back(o);
    RunOptions quiet = run;
    quiet.progress = nullptr;
    Played played = prefix   ? play_prefixes(trace, cache, quiet, o, *values, make_memory, read_back)
                    : tokens ? play_tokens(trace, cache, quiet, o, *values, make_memory, read_back, expected)
                             : play_sequences(trace, cache, quiet, o, *values, make_memory, read_back);
    if (!(played.result.total == expected.total) || played.result.hit_blocks != expected.hit_blocks ||
        played.result.peak_active_blocks != expected.peak_active_blocks)
        throw_failed("--backend: the replay with keys and values counts something else than without");
    out.backend = backend->name();
    out.device = backend->device();
    out.order = contiguous ? "contiguous" : order;
    out.layers = o.layers;
    out.kv_heads = o.kv_heads;
    out.query_heads = o.query_heads;
    out.head_dim = o.head_dim;
    out.k_dtype = o.k_dtype;
    out.v_dtype = o.v_dtype;
    out.pool_blocks = played.pool_blocks;
    out.pool_bytes = played.pool_bytes;
    if (o.verify) read_back.report(out);
    summarize(log, out);
    return out;
}

}  // namespace kvsim
