#include <kvsim/core/error.h>
#include <kvsim/core/parallel.h>
#include <kvsim/sim/compare.h>

#include <algorithm>
#include <map>
#include <memory>
#include <tuple>

namespace kvsim {

namespace {

/// What cells share. Keys name everything that the shared thing depends on.
class Shared {
  public:
    explicit Shared(const std::vector<CellSpec>& cells) {
        for (const CellSpec& cell : cells) {
            if (!cell.skip.empty() || !cache_row(cell.options.cache).prefix_hits) continue;
            if (cell.trace->lengths_only || !cell.options.cache.engine.empty()) continue;
            unlimited_.try_emplace(unlimited_key(cell));
            if (!cell.options.bounds || !has_bounds(*cell.trace, cell.options.cache, cell.options.run)) continue;
            futures_.try_emplace(future_key(cell));
            bounds_.try_emplace(bounds_key(cell));
        }
    }

    void compute(unsigned jobs, const std::atomic<bool>* stop) {
        each(futures_, jobs, stop, [](const FutureKey& k, auto& slot) {
            slot = std::make_unique<OfflineBounds>(*std::get<0>(k), options_of(k));
        });
        each(unlimited_, jobs, stop, [](const UnlimitedKey& k, auto& slot) {
            const auto& [future, accounting] = k;
            Accounting as{static_cast<AccountingKind>(accounting)};
            slot = std::make_unique<UnlimitedHits>(unlimited_hits(*std::get<0>(future), as, options_of(future)));
        });
        each(bounds_, jobs, stop, [&](const BoundsKey& k, auto& slot) {
            const auto& [future, flat_ids, capacity] = k;
            Accounting accounting{flat_ids ? AccountingKind::flat : AccountingKind::pinned};
            const OfflineBounds& bounds = *futures_.at(future);
            slot = std::make_unique<BoundsAt>(bounds_at(bounds, *std::get<0>(future), accounting, capacity));
        });
    }
    const BoundsAt* bounds(const CellSpec& cell) const { return find(bounds_, bounds_key(cell)); }
    const UnlimitedHits* unlimited(const CellSpec& cell) const { return find(unlimited_, unlimited_key(cell)); }

  private:
    using FutureKey = std::tuple<const Trace*, bool, uint64_t, bool>;  ///< trace, decode, warm-up, compute last token
    using UnlimitedKey = std::tuple<FutureKey, int>;                   ///< and accounting
    using BoundsKey = std::tuple<FutureKey, bool, uint64_t>;           ///< and ids of content count, capacity

    static FutureKey future_key(const CellSpec& cell) {
        const RunOptions& run = cell.options.run;
        return {cell.trace, run.decode, run.warmup_requests, matches_tokens(cell.options.cache)};
    }
    static AccountingKind kind_of(const CellSpec& cell) {
        const std::string& text = cell.options.cache.accounting;
        return text.empty() ? AccountingKind::pinned : Accounting::parse(text).kind;
    }
    static UnlimitedKey unlimited_key(const CellSpec& cell) {
        return {future_key(cell), static_cast<int>(kind_of(cell))};
    }
    static BoundsKey bounds_key(const CellSpec& cell) {
        return {future_key(cell), cell.trace->content && kind_of(cell) == AccountingKind::flat,
                cell.options.run.capacity_blocks};
    }
    static RunOptions options_of(const FutureKey& k) {
        RunOptions run;
        run.decode = std::get<1>(k);
        run.warmup_requests = std::get<2>(k);
        run.compute_last_token = std::get<3>(k);
        return run;
    }
    template <class Map, class F>
    static void each(Map& map, unsigned jobs, const std::atomic<bool>* stop, F&& f) {
        std::vector<typename Map::value_type*> slots;
        for (auto& slot : map) slots.push_back(&slot);
        parallel_for(slots.size(), jobs, stop, [&](size_t i) { f(slots[i]->first, slots[i]->second); });
    }
    template <class Map, class Key>
    static auto find(const Map& map, const Key& key) -> decltype(map.begin()->second.get()) {
        auto found = map.find(key);
        return found == map.end() ? nullptr : found->second.get();
    }

    std::map<FutureKey, std::unique_ptr<OfflineBounds>> futures_;
    std::map<UnlimitedKey, std::unique_ptr<UnlimitedHits>> unlimited_;
    std::map<BoundsKey, std::unique_ptr<BoundsAt>> bounds_;
};

double token_hit_rate(const ReplayOutcome& outcome) {
    const HitCounts& h = outcome.metrics.hits;
    return h.lookup_tokens == 0 ? 0 : static_cast<double>(h.hit_tokens) / static_cast<double>(h.lookup_tokens);
}

template <class T>
void drop(std::vector<T>& column) {
    std::vector<T>().swap(column);
}

// Keeps sums, drops columns.
void reduce(const CellSpec& cell, const CompareOptions& options, CellResult& result) {
    ReplayOutcome& out = result.outcome;
    uint64_t warmup = cell.options.run.warmup_requests;
    bool hits = !out.run.hit_blocks.empty() && !cell.trace->lengths_only;
    if (options.columns && hits) result.columns = hit_columns(*cell.trace, out.run, warmup);
    if (options.blame > 0 && out.misses)
        result.blame = blame(*cell.trace, *out.misses, out.run.hit_blocks, warmup, options.blame);
    if (out.misses) drop(out.misses->regret_blocks);
    if (out.unlimited) drop(out.unlimited->per_request);
    if (out.bounds) {
        drop(out.bounds->optimal.hit_blocks);
        drop(out.bounds->optimal.any_hit_blocks);
        if (out.bounds->admit) drop(out.bounds->admit->hit_blocks);
    }
    drop(out.run.samples);
    drop(out.run.hit_blocks);
    drop(out.run.any_hit_blocks);
    drop(out.run.any_hit_tokens);
    drop(out.run.stranded_in_bound);
}

// Whether two cells ask for the same run: then they differ at most in whose FLOPs weigh its hits, and in what a report
// says beside (model, bytes).
bool same_run(const CellSpec& a, const CellSpec& b) {
    auto rest = [](const CellSpec& c) {
        const ReplayOptions& o = c.options;
        return std::tie(c.trace, c.skip, c.by_seed, o.cache, o.run, o.by, o.verify, o.bounds, o.timeline, o.kv_data, o.k_dtype,
                        o.v_dtype, o.seed);
    };
    return rest(a) == rest(b);
}

/// Indices of cells that ask for the same run, in the order of the first of each.
std::vector<std::vector<size_t>> distinct_runs(const std::vector<CellSpec>& cells) {
    std::vector<std::vector<size_t>> runs;
    std::map<std::tuple<const Trace*, uint64_t, std::string>, std::vector<size_t>> alike;  // runs
    for (size_t i = 0; i < cells.size(); ++i) {
        const CellSpec& c = cells[i];
        std::vector<size_t>& near = alike[{c.trace, c.options.run.capacity_blocks, c.options.cache.eviction}];
        auto same = std::find_if(near.begin(), near.end(), [&](size_t k) { return same_run(cells[runs[k][0]], c); });
        if (same == near.end()) {
            near.push_back(runs.size());
            runs.emplace_back();
            same = near.end() - 1;
        }
        runs[*same].push_back(i);
    }
    return runs;
}

void run_cell(const CellSpec& cell, const Shared& shared, CellResult& result) {
    const BoundsAt* bounds = shared.bounds(cell);
    const UnlimitedHits* unlimited = shared.unlimited(cell);
    if (cell.by_seed.empty()) {
        result.outcome = replay(*cell.trace, cell.options, bounds, unlimited);
    } else {
        std::vector<ReplayOutcome> outcomes;
        for (const std::string& eviction : cell.by_seed) {
            ReplayOptions seeded = cell.options;
            seeded.cache.eviction = eviction;
            seeded.timeline = 0;
            outcomes.push_back(replay(*cell.trace, seeded, bounds, unlimited));
            result.by_seed.push_back(token_hit_rate(outcomes.back()));
        }
        size_t median = spread_over_seeds(result.by_seed).median_run;
        result.outcome = std::move(outcomes[median]);
        if (cell.options.timeline != 0) {
            ReplayOptions shown = cell.options;
            shown.cache.eviction = cell.by_seed[median];
            result.outcome.series = replay(*cell.trace, shown, bounds, unlimited).series;
        }
    }
    result.status = CellStatus::ok;
}

// Runs the first of the cells and gives each of them the result, weighed by its own FLOPs.
void run_once(const std::vector<CellSpec>& cells, const std::vector<size_t>& same, const Shared& shared,
              const CompareOptions& options, std::vector<CellResult>& results) {
    CellSpec cell = cells[same[0]];
    cell.options.flops = nullptr;
    CellResult& first = results[same[0]];
    run_cell(cell, shared, first);
    std::vector<std::optional<PrefillValue>> values;
    for (size_t i : same) values.push_back(prefill_value(*cell.trace, cells[i].options, first.outcome.run));
    reduce(cell, options, first);
    for (size_t k = 0; k < same.size(); ++k) {
        if (k > 0) results[same[k]] = first;
        results[same[k]].outcome.value = values[k];
    }
}

}  // namespace

size_t count_runs(const std::vector<CellSpec>& cells) { return distinct_runs(cells).size(); }

std::vector<CellResult> run_cells(const std::vector<CellSpec>& cells, const CompareOptions& options) {
    std::vector<CellResult> results(cells.size());
    Shared shared(cells);
    shared.compute(options.jobs, options.stop);
    std::vector<std::vector<size_t>> runs = distinct_runs(cells);
    parallel_for(runs.size(), options.jobs, options.stop, [&](size_t k) {
        const std::vector<size_t>& same = runs[k];
        try {
            if (!cells[same[0]].skip.empty()) throw_input(cells[same[0]].skip);
            run_once(cells, same, shared, options, results);
        } catch (const Error& e) {
            if (e.kind() != ErrorKind::input) throw;
            for (size_t i : same) {
                results[i] = {};
                results[i].status = CellStatus::skipped;
                results[i].reason = e.what();
            }
        }
        if (options.done) options.done->fetch_add(same.size(), std::memory_order_relaxed);
    });
    return results;
}

}  // namespace kvsim
