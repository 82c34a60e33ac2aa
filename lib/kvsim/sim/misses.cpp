#include <kvsim/sim/misses.h>

#include <algorithm>

namespace kvsim {

Misses explain_misses(const Trace& trace, const RunResult& run, const std::vector<uint32_t>& unlimited,
                      const std::vector<uint32_t>& bound, uint64_t warmup) {
    Misses out;
    out.regret_blocks.assign(trace.requests(), 0);
    for (uint64_t i = warmup; i < trace.requests(); ++i) {
        auto r = static_cast<uint32_t>(i);
        uint32_t hits = run.hit_blocks[r];
        uint32_t known = std::max(unlimited[r], hits);
        uint32_t stranded = 0, regret = bound[r] > hits ? std::min(bound[r], known) - hits : 0;
        if (!run.any_hit_blocks.empty()) {
            stranded = std::min(run.any_hit_blocks[r], known) - hits;
            regret -= std::min(regret, run.stranded_in_bound[r]);
        }
        out.regret_blocks[r] = regret;
        out.counted.compulsory += trace.lookup_blocks(r) - known;
        out.counted.stranded += stranded;
        out.counted.regret += regret;
        out.counted.capacity += known - hits - stranded - regret;
    }
    return out;
}

namespace {

/// Sums by number, in order of appearance.
class BlameSums {
  public:
    explicit BlameSums(size_t numbers) : place_(numbers, kNone) {}
    void add(uint32_t number, uint32_t blocks) {
        if (place_[number] == kNone) {
            place_[number] = static_cast<uint32_t>(sums_.size());
            sums_.push_back({number, 0, 0});
        }
        Sum& s = sums_[place_[number]];
        ++s.requests;
        s.blocks += blocks;
    }
    template <class Label>
    std::vector<Blame> largest(size_t n, const Label& label) {
        std::stable_sort(sums_.begin(), sums_.end(), [](const Sum& a, const Sum& b) { return a.blocks > b.blocks; });
        std::vector<Blame> out;
        for (size_t i = 0; i < std::min(n, sums_.size()); ++i)
            out.push_back({label(sums_[i].number), sums_[i].requests, sums_[i].blocks});
        return out;
    }

  private:
    struct Sum {
        uint32_t number;
        uint64_t requests, blocks;
    };
    std::vector<uint32_t> place_;
    std::vector<Sum> sums_;
};

std::vector<Blame> by_label(const Labels& labels, const Misses& misses, uint64_t warmup, size_t n) {
    if (labels.empty()) return {};
    BlameSums sums(labels.names().size() + 1);  // the last one has no label
    auto none = static_cast<uint32_t>(labels.names().size());
    for (uint64_t r = warmup; r < misses.regret_blocks.size(); ++r) {
        uint32_t id = labels.id(static_cast<uint32_t>(r));
        if (misses.regret_blocks[r] > 0) sums.add(id == kNone ? none : id, misses.regret_blocks[r]);
    }
    return sums.largest(n, [&](uint32_t id) { return id == none ? std::string() : labels.names()[id]; });
}

}  // namespace

BlameTable blame(const Trace& trace, const Misses& misses, const std::vector<uint32_t>& hit_blocks, uint64_t warmup,
                 size_t n) {
    BlameTable out;
    std::vector<uint32_t> request_of(trace.chains.rows(), kNone);
    for (uint32_t r = 0; r < trace.requests(); ++r) {
        request_of[trace.lookup_row(r)] = r;
        if (trace.has_named_output() && trace.stored_rows[r] != kNone) request_of[trace.stored_rows[r]] = r;
    }
    BlameSums prefixes(trace.requests());
    for (uint64_t i = warmup; i < trace.requests(); ++i) {
        auto r = static_cast<uint32_t>(i);
        if (misses.regret_blocks[r] == 0) continue;
        prefixes.add(request_of[trace.chains.introducer(trace.lookup_row(r), hit_blocks[r])], misses.regret_blocks[r]);
    }
    out.prefixes = prefixes.largest(n, [&](uint32_t r) {
        return "request " + std::to_string(r) + " ('" + trace.sequence_name(r) + "')";
    });
    out.sessions = by_label(trace.session, misses, warmup, n);
    out.categories = by_label(trace.category, misses, warmup, n);
    return out;
}

}  // namespace kvsim
