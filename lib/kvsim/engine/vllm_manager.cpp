#include <kvsim/core/error.h>
#include <kvsim/engine/vllm_manager.h>

#include <algorithm>
#include <cmath>

namespace kvsim {

static constexpr uint64_t kUncapped = ~uint64_t{0};

static uint64_t blocks_of(uint64_t tokens, uint64_t block) { return (tokens + block - 1) / block; }

static uint64_t keys_of(uint64_t names, uint64_t groups) {
    if (names >= kMaxBlocks / groups)
        throw_input("the trace names " + std::to_string(names) + " blocks; " + std::to_string(groups) +
                    " groups of layers have room for " + std::to_string(kMaxBlocks / groups - 1) +
                    ": use larger blocks");
    return names * groups;
}

VllmManager::VllmManager(const VllmOptions& options, uint64_t blocks, uint32_t block_tokens, uint64_t names)
    : windows_(options.windows),
      pool_(blocks, keys_of(names, options.windows.size()), options.caching && !options.classic), block_(block_tokens),
      caching_(options.caching), reserve_full_(options.reserve_full), limited_(blocks != kUnlimited),
      has_windows_(options.has_windows()) {
    if (limited_)
        watermark_blocks_ =
            static_cast<uint64_t>(std::floor(options.watermark * static_cast<double>(num_gpu_blocks())));
    for (size_t g = 0; g < windows_.size(); ++g) {
        auto same = std::find_if(kinds_.begin(), kinds_.end(), [&](const Kind& k) { return k.window == windows_[g]; });
        if (same == kinds_.end()) same = kinds_.insert(kinds_.end(), {windows_[g], {}});
        same->groups.push_back(g);
    }
}

void VllmManager::reset(VllmSequence& s, uint32_t request, uint64_t length) const {
    s.request = request;
    s.admitted = false;
    s.names.clear();
    s.own_keys = kNone;
    s.length = length;
    s.computed = s.loose_tokens = s.quiet_tokens = 0;
    s.groups.resize(windows_.size());
    for (VllmSequence::Group& g : s.groups) {
        g.table.clear();
        g.hits.clear();
        g.published = g.skipped = 0;
    }
}

VllmPool::Key VllmManager::add_own_keys(uint64_t blocks) {
    uint64_t first = pool_.keys(), more = blocks * windows_.size();
    if (more >= kMaxBlocks - first) throw_input("more than 2^32 - 3 blocks to tell apart: use larger blocks");
    pool_.add_keys(more);
    return static_cast<VllmPool::Key>(first);
}

VllmPool::Id VllmManager::found(const VllmSequence& s, uint64_t block, size_t group) const {
    uint64_t k = key(s, block, group);
    return k == VllmPool::kUnfindable ? VllmPool::kNull : pool_.find(static_cast<VllmPool::Key>(k));
}

// The leading blocks that every group of the kind has.
void VllmManager::find_all(VllmSequence& s, const Kind& kind, uint64_t blocks) const {
    for (size_t g : kind.groups) s.groups[g].hits.clear();
    for (uint64_t k = 0; k < blocks; ++k) {
        for (size_t g : kind.groups) {
            VllmPool::Id id = found(s, k, g);
            if (id == VllmPool::kNull) {
                for (size_t all : kind.groups) s.groups[all].hits.resize(k);
                return;
            }
            s.groups[g].hits.push_back(id);
        }
    }
}

// From right to left, until there are as many blocks side by side as the window looks back over.
void VllmManager::find_window(VllmSequence& s, const Kind& kind, uint64_t blocks) const {
    uint64_t need = blocks_of(kind.window - 1, block_), together = 0, end = 0;
    for (size_t g : kind.groups) s.groups[g].hits.assign(blocks, VllmPool::kNull);
    for (uint64_t k = blocks; k-- > 0;) {
        bool hit = std::all_of(kind.groups.begin(), kind.groups.end(),
                               [&](size_t g) { return found(s, k, g) != VllmPool::kNull; });
        together = hit ? together + 1 : 0;
        if (!hit) continue;
        for (size_t g : kind.groups) s.groups[g].hits[k] = found(s, k, g);
        end = k + together;
        if (together >= need) break;
    }
    if (together < need) end = together;  // only a run from the very beginning is left
    for (size_t g : kind.groups) s.groups[g].hits.resize(end);
}

// Each kind in turn cuts what the ones before it left, until nothing changes; with two of which the first sees
// everything once is enough.
uint64_t VllmManager::find_in_every_group(VllmSequence& s, uint64_t most) const {
    uint64_t length = most / block_;
    bool once = kinds_.size() == 1 || (kinds_.size() == 2 && kinds_[0].window == 0);
    for (bool first = true;; first = false) {
        uint64_t left = length;
        for (const Kind& kind : kinds_) {
            if (kind.window != 0) {
                find_window(s, kind, left);
            } else if (first) {
                find_all(s, kind, left);
            }
            left = std::min<uint64_t>(left, s.groups[kind.groups[0]].hits.size());
        }
        bool shorter = left < length;
        length = left;
        if (!shorter || once) break;
    }
    for (VllmSequence::Group& g : s.groups)
        if (g.hits.size() > length) g.hits.resize(length);
    return length;
}

uint64_t VllmManager::look_up(VllmSequence& s) const {
    for (VllmSequence::Group& g : s.groups) g.hits.clear();
    if (!caching_ || s.length == 0) return 0;
    uint64_t most = s.length - 1;
    if (has_windows_) return find_in_every_group(s, most);
    if (windows_.size() > 1) {
        find_all(s, kinds_[0], most / block_);
        return s.hit_blocks();
    }
    std::vector<VllmPool::Id>& hits = s.groups[0].hits;
    const VllmPool::Id* oldest = pool_.oldest();
    uint64_t named = std::min<uint64_t>(most / block_, s.names.size());
    for (uint64_t k = 0; k < named; ++k) {
        VllmPool::Id id = oldest[s.names[k]];
        if (id == VllmPool::kNull) return hits.size();
        hits.push_back(id);
    }
    for (uint64_t k = named; k < most / block_; ++k) {
        VllmPool::Id id = found(s, k, 0);
        if (id == VllmPool::kNull) break;
        hits.push_back(id);
    }
    return hits.size();
}

// Blocks that leave the line so that the first `tokens` have room: new ones, and hits that nobody holds. With
// `batch_tokens` a window counts as no more than it can hold while a step computes that many.
uint64_t VllmManager::needed(const VllmSequence& s, uint64_t tokens, uint64_t batch_tokens) const {
    uint64_t need = 0, all = blocks_of(tokens, block_), hits = s.admitted ? 0 : s.hit_blocks();
    for (size_t i = 0; i < s.groups.size(); ++i) {
        const VllmSequence::Group& g = s.groups[i];
        uint64_t wanted = all;
        if (windows_[i] != 0 && batch_tokens != kUncapped)
            wanted = std::min(all, blocks_of(windows_[i] - 1 + batch_tokens, block_) + 1);
        if (s.admitted) {
            need += wanted - std::min<uint64_t>(wanted, g.table.size());
            continue;
        }
        uint64_t skipped = skipped_at(i, hits * block_), there = std::max(skipped, hits);
        need += wanted - std::min(wanted, there);
        for (uint64_t k = skipped; k < hits; ++k)
            need += g.hits[k] != VllmPool::kNull && pool_.references(g.hits[k]) == 0;
    }
    return need;
}

// What has left the windows before the next token is computed, the last such block first.
void VllmManager::skip(VllmSequence& s) {
    for (size_t i = 0; i < s.groups.size(); ++i) {
        VllmSequence::Group& g = s.groups[i];
        uint64_t end = std::min<uint64_t>(skipped_at(i, s.computed), g.table.size());
        if (end <= g.skipped) continue;
        pool_.release({g.table.data() + g.skipped, end - g.skipped});
        std::fill(g.table.begin() + static_cast<ptrdiff_t>(g.skipped), g.table.begin() + static_cast<ptrdiff_t>(end),
                  VllmPool::kNull);
        g.skipped = end;
    }
}

void VllmManager::touch_hits(VllmSequence& s) {
    uint64_t hits = s.hit_blocks();
    for (size_t i = 0; i < s.groups.size(); ++i) {
        VllmSequence::Group& g = s.groups[i];
        g.skipped = skipped_at(i, hits * block_);
        std::fill(g.hits.begin(), g.hits.begin() + static_cast<ptrdiff_t>(g.skipped), VllmPool::kNull);
        for (uint64_t k = g.skipped; k < hits; ++k)
            if (g.hits[k] != VllmPool::kNull) pool_.touch(g.hits[k]);
        g.table.assign(g.hits.begin(), g.hits.end());
        g.published = hits;
    }
    s.computed = hits * block_;
    s.admitted = true;
}

// Up to block `full`; hits are published already.
void VllmManager::publish(VllmSequence& s, size_t group, uint64_t full) {
    VllmSequence::Group& g = s.groups[group];
    if (g.published >= full) return;
    uint64_t first = g.published;
    std::span<const VllmPool::Id> ids(g.table.data() + first, full - first);
    g.published = full;
    if (windows_.size() == 1 && full <= s.names.size()) {
        const uint32_t* names = s.names.data() + first;
        pool_.publish(ids, s.request, first, [&](size_t i) { return names[i]; });
    } else {
        pool_.publish(ids, s.request, first,
                      [&](size_t i) { return static_cast<VllmPool::Key>(key(s, first + i, group)); });
    }
}

// `tokens`: all that have room afterwards.
void VllmManager::take_and_publish(VllmSequence& s, uint64_t tokens) {
    pool_.serve(s.request);
    uint64_t all = blocks_of(tokens, block_), full = caching_ ? std::min(tokens, s.length) / block_ : 0, loose = 0;
    for (VllmSequence::Group& g : s.groups)
        if (g.table.size() < all) pool_.take(all - g.table.size(), g.table);
    for (size_t i = 0; i < s.groups.size(); ++i) {
        publish(s, i, full);
        const VllmSequence::Group& g = s.groups[i];
        loose += tokens - std::max(g.published, g.skipped) * block_;
    }
    loose_tokens_ += loose - s.loose_tokens;
    s.loose_tokens = loose;
    if (has_windows_) return;  // every token may move one
    const VllmSequence::Group& g = s.groups[0];
    s.quiet_tokens = g.table.size() * block_;
    if (caching_) s.quiet_tokens = std::min(s.quiet_tokens, (g.published + 1) * block_ - 1);
}

bool VllmManager::admit(VllmSequence& s, uint64_t n, const Admission& admission) {
    uint64_t hits = s.hit_blocks(), tokens = hits * block_ + n;
    if (limited_) {
        uint64_t kept = admission.others_running ? watermark_blocks_ : 0;
        // If this step computes all of it, the second test is the stricter one.
        if (reserve_full_ && tokens < s.length && needed(s, s.length, admission.batch_tokens) + kept > pool_.free())
            return false;
        if (needed(s, tokens, kUncapped) + kept > pool_.free()) return false;
    }
    if (admission.observer) admission.observer->admitted(s.request, hits * block_, admission.again);
    touch_hits(s);
    take_and_publish(s, tokens);
    return true;
}

bool VllmManager::extend(VllmSequence& s, uint64_t n) {
    uint64_t tokens = s.computed + n;
    if (tokens <= s.quiet_tokens) {
        s.loose_tokens += n * windows_.size();
        loose_tokens_ += n * windows_.size();
        return true;
    }
    if (has_windows_) skip(s);
    if (limited_ && needed(s, tokens, kUncapped) > pool_.free()) return false;
    take_and_publish(s, tokens);
    return true;
}

void VllmManager::free(VllmSequence& s) {
    for (VllmSequence::Group& g : s.groups) {
        pool_.release(g.table);
        g.table.clear();
        g.published = g.skipped = 0;
    }
    loose_tokens_ -= s.loose_tokens;
    s.loose_tokens = s.computed = s.quiet_tokens = 0;
    s.admitted = false;
}

uint64_t VllmManager::stride(const VllmSequence& s, uint64_t n) const {
    uint64_t most = std::min<uint64_t>(n, block_ - s.computed % block_);
    if (!has_windows_) return most;
    for (uint32_t window : windows_) {
        if (window == 0) continue;
        // A block is skipped at the first token before which window - 1 + a multiple of the block are computed.
        uint64_t before = window - 1;
        uint64_t next = s.computed < before ? before + block_ : s.computed + block_ - (s.computed - before) % block_;
        most = std::min(most, next - s.computed);
    }
    return most;
}

}  // namespace kvsim
