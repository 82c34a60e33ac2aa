// The essay is in the header. Columns are taken eight at a time, interleaved, so that an end of a drawn block is one
// cache line for all eight; every group draws the same places again from the seed, which costs less than keeping them.
#include <kvsim/core/error.h>
#include <kvsim/core/random.h>
#include <kvsim/sim/confidence.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>
#include <string>

namespace kvsim {

namespace {

constexpr uint64_t kLeastBlocks = 10;  // all on one side would be 2 / 2^10 in a sign test
constexpr size_t kGroup = 8;
// Decimal levels are not exact in binary: 0.05 * 1000 must not become 49.
constexpr double kRounding = 1e-9;

using Column = std::span<const uint64_t>;

/// k of the interval's ends; 0 if there are too few draws for the level.
uint64_t order_statistic(uint32_t draws, double level) {
    return static_cast<uint64_t>(std::floor((1 - level) / 2 * (static_cast<double>(draws) + 1) + kRounding));
}

void check_options(const BootstrapOptions& o) {
    if (o.block_requests == 0) throw_input("bootstrap blocks of 0 requests: expected at least 1");
    if (!(o.level > 0 && o.level < 1))
        throw_input("confidence level " + std::to_string(o.level) + ": expected between 0 and 1");
    if (order_statistic(o.draws, o.level) == 0)
        throw_input(std::to_string(o.draws) + " bootstrap draws: too few for a level of " + std::to_string(o.level));
}

void check_column(Column column, size_t requests) {
    if (column.size() != requests) throw_failed("bootstrap: columns of different requests");
    uint64_t largest = column.empty() ? 0 : *std::max_element(column.begin(), column.end());
    if (largest != 0 && requests > UINT64_MAX / largest)
        throw_input("bootstrap: " + std::to_string(requests) + " requests of up to " + std::to_string(largest) +
                    " tokens do not fit 64 bits");
}

void check_cells(const std::vector<BootstrapCell>& cells) {
    for (const BootstrapCell& cell : cells) {
        if (cell.baseline >= cells.size()) throw_failed("bootstrap: a baseline that is no cell");
        check_column(cell.lookups, cells.front().lookups.size());
        check_column(cell.hits, cells.front().lookups.size());
    }
}

/// The columns without repetitions: strategies share their lookups.
class Columns {
  public:
    size_t add(Column column) {
        for (size_t i = 0; i < all_.size(); ++i)
            if (all_[i].data() == column.data()) return i;
        all_.push_back(column);
        return all_.size() - 1;
    }
    const std::vector<Column>& all() const { return all_; }

  private:
    std::vector<Column> all_;
};

using Sums = std::array<uint64_t, kGroup>;

/// Sums of up to eight columns over drawn blocks.
class Group {
  public:
    explicit Group(std::span<const Column> columns) : requests_(columns.front().size()), before_(requests_ + 1) {
        for (uint64_t r = 0; r < requests_; ++r) {
            before_[r + 1] = before_[r];
            for (size_t c = 0; c < columns.size(); ++c) before_[r + 1][c] += columns[c][r];
        }
    }
    /// Unsigned differences are exact whatever they pass on the way, as the sum itself fits.
    Sums draw(Random& random, uint64_t block) const {
        Sums sums{};
        for (uint64_t left = requests_; left != 0;) {
            uint64_t start = random.below(requests_), take = std::min(block, left);
            left -= take;
            uint64_t end = start + take;
            if (end > requests_) {
                add(sums, start, requests_);
                start = 0;
                end -= requests_;
            }
            add(sums, start, end);
        }
        return sums;
    }
    const Sums& whole() const { return before_.back(); }

  private:
    void add(Sums& sums, uint64_t begin, uint64_t end) const {
        for (size_t c = 0; c < kGroup; ++c) sums[c] += before_[end][c] - before_[begin][c];
    }
    uint64_t requests_;
    std::vector<Sums> before_;  ///< [r]: over requests below r
};

double ratio(uint64_t part, uint64_t whole) {
    return whole == 0 ? 0 : static_cast<double>(part) / static_cast<double>(whole);
}

/// Sums per column: one for the trace itself, then one per draw.
std::vector<std::vector<uint64_t>> all_sums(const std::vector<Column>& columns, uint64_t block,
                                            const BootstrapOptions& o) {
    std::vector<std::vector<uint64_t>> sums(columns.size(), std::vector<uint64_t>(size_t{o.draws} + 1));
    for (size_t first = 0; first < columns.size(); first += kGroup) {
        size_t count = std::min(kGroup, columns.size() - first);
        Group group(std::span<const Column>(columns).subspan(first, count));
        Random random(o.seed);
        for (size_t d = 0; d <= o.draws; ++d) {
            Sums one = d == 0 ? group.whole() : group.draw(random, block);
            for (size_t c = 0; c < count; ++c) sums[first + c][d] = one[c];
        }
    }
    return sums;
}

/// Interval and p from the draws' differences.
void judge(Comparison& c, std::vector<double>& draws, const BootstrapOptions& o) {
    std::sort(draws.begin(), draws.end());
    uint64_t k = order_statistic(o.draws, o.level);
    c.low = draws[k - 1];
    c.high = draws[draws.size() - k];
    auto not_above = std::upper_bound(draws.begin(), draws.end(), 0.0) - draws.begin();
    auto not_below = draws.end() - std::lower_bound(draws.begin(), draws.end(), 0.0);
    auto count = static_cast<double>(std::min(not_above, not_below));
    c.p = std::min(1.0, 2 * (1 + count) / (static_cast<double>(o.draws) + 1));
}

}  // namespace

ConfidenceTable bootstrap(const std::vector<BootstrapCell>& cells, const BootstrapOptions& options) {
    check_options(options);
    check_cells(cells);
    ConfidenceTable table;
    table.requests = cells.empty() ? 0 : cells.front().lookups.size();
    table.block_requests = static_cast<uint32_t>(
        std::clamp<uint64_t>(table.requests / kLeastBlocks, 1, options.block_requests));
    table.too_few = table.requests < kLeastBlocks;
    table.cells.resize(cells.size());
    if (table.requests == 0) {
        for (size_t i = 0; i < cells.size(); ++i) table.cells[i].compared = cells[i].baseline != i;
        return table;
    }
    Columns columns;
    std::vector<std::pair<size_t, size_t>> parts;  // per cell: hits, lookups
    for (const BootstrapCell& cell : cells) parts.emplace_back(columns.add(cell.hits), columns.add(cell.lookups));
    std::vector<std::vector<uint64_t>> sums = all_sums(columns.all(), table.block_requests, options);
    auto rate = [&](size_t cell, size_t d) { return ratio(sums[parts[cell].first][d], sums[parts[cell].second][d]); };
    std::vector<double> draws(options.draws);
    std::vector<Comparison*> all;
    for (size_t i = 0; i < cells.size(); ++i) {
        Comparison& c = table.cells[i];
        size_t baseline = cells[i].baseline;
        c.rate = rate(i, 0);
        c.compared = baseline != i;
        if (!c.compared) continue;
        c.difference = c.rate - rate(baseline, 0);
        for (size_t d = 0; d < draws.size(); ++d) draws[d] = rate(i, d + 1) - rate(baseline, d + 1);
        judge(c, draws, options);
        if (table.too_few) c.p = 1;
        all.push_back(&c);
    }
    correct(all, options.level);
    return table;
}

std::vector<double> holm(const std::vector<double>& p) {
    std::vector<size_t> order(p.size());
    std::iota(order.begin(), order.end(), size_t{0});
    std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return p[a] < p[b]; });
    std::vector<double> out(p.size());
    double before = 0;
    for (size_t i = 0; i < order.size(); ++i) {
        before = std::max(before, std::min(1.0, static_cast<double>(p.size() - i) * p[order[i]]));
        out[order[i]] = before;
    }
    return out;
}

void correct(const std::vector<Comparison*>& comparisons, double level) {
    std::vector<double> p;
    for (const Comparison* c : comparisons) p.push_back(c->p);
    std::vector<double> corrected = holm(p);
    for (size_t i = 0; i < comparisons.size(); ++i) {
        Comparison& c = *comparisons[i];
        c.p_holm = corrected[i];
        bool shown = c.p_holm <= 1 - level + kRounding && (c.low > 0 || c.high < 0);
        c.verdict = !shown ? Verdict::no_difference : c.low > 0 ? Verdict::better : Verdict::worse;
    }
}

uint32_t draws_for(size_t comparisons, double level) {
    constexpr double kMost = 1e9;
    double need = std::min(kMost, 4 * static_cast<double>(comparisons) / (1 - level));
    return static_cast<uint32_t>(std::max(1.0, std::ceil(need / 1000 - kRounding))) * 1000;
}

const char* verdict_id(Verdict verdict) {
    switch (verdict) {
        case Verdict::better: return "better";
        case Verdict::worse: return "worse";
        case Verdict::no_difference: break;
    }
    return "no_difference";
}

HitColumns hit_columns(const Trace& trace, const RunResult& run, uint64_t warmup, HitUnit unit) {
    HitColumns columns;
    for (uint64_t i = warmup; i < trace.requests(); ++i) {
        auto r = static_cast<uint32_t>(i);
        uint32_t lookup = trace.lookup_blocks(r), hit = run.hit_blocks[r];
        bool tokens = unit == HitUnit::tokens;
        columns.lookups.push_back(tokens ? trace.leading_tokens(r, lookup) : lookup);
        columns.hits.push_back(tokens ? trace.leading_tokens(r, hit) : hit);
    }
    return columns;
}

SeedSpread spread_over_seeds(const std::vector<double>& values) {
    if (values.empty()) throw_failed("a spread over no seeds");
    std::vector<double> sorted = values;
    std::sort(sorted.begin(), sorted.end());
    SeedSpread s;
    s.low = sorted.front();
    s.high = sorted.back();
    s.median = sorted[(sorted.size() - 1) / 2];
    s.median_run = static_cast<size_t>(std::find(values.begin(), values.end(), s.median) - values.begin());
    return s;
}

}  // namespace kvsim
