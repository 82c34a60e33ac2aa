#include <kvsim/layout/snapshot_cache.h>

#include <algorithm>

namespace kvsim {

std::string SnapshotConfig::text() const {
    return "max_entries=" + std::to_string(max_entries) + ",max_memory_bytes=" + std::to_string(max_memory_bytes) +
           ",min_prefix_len=" + std::to_string(min_prefix_len) +
           ",match=" + (match == SnapshotMatch::token ? "token" : "exact");
}

SnapshotCache::SnapshotCache(const SnapshotConfig& config)
    : config_(config), index_({config.max_entries, config.max_memory_bytes, config.min_prefix_len}) {
    if (config.max_entries == 0) throw_input("snapshots: max_entries must be at least 1");
    if (config.max_memory_bytes == 0) throw_input("snapshots: max_memory_bytes must be at least 1");
    if (config.min_prefix_len == 0) throw_input("snapshots: min_prefix_len must be at least 1");
}

SnapshotHit SnapshotCache::lookup(Tokens tokens, SnapshotMatch match) {
    auto found = match == SnapshotMatch::exact ? index_.lookup_boundary(tokens) : index_.lookup_token(tokens);
    prompt_tokens_ += tokens.size();
    SnapshotHit hit;
    if (found.slot == index_.kNoSlot) return hit;
    hit.hit = true;
    hit.handle = {found.slot, data_[found.slot].generation};
    hit.matched = static_cast<uint32_t>(found.matched);
    hit.reusable = static_cast<uint32_t>(std::min<uint64_t>(found.matched, tokens.size() - 1));
    reused_tokens_ += hit.reusable;
    return hit;
}

void SnapshotCache::check_store(Tokens tokens, uint32_t seq_len, KvShape shape) const {
    if (tokens.size() != seq_len)
        throw_input("snapshots: " + std::to_string(tokens.size()) + " tokens with keys and values of " +
                    std::to_string(seq_len));
    if (shape_.layers != 0 && !(shape == shape_))
        throw_input("snapshots: " + std::to_string(shape.layers) + " layers of " + std::to_string(shape.kv_dim) +
                    " values, expected " + std::to_string(shape_.layers) + " of " + std::to_string(shape_.kv_dim) +
                    " as stored before");
}

StoreOutcome SnapshotCache::store(Tokens tokens, const KvBuffer& state) {
    check_store(tokens, state.seq_len(), state.shape());
    // No copy of what will not be kept.
    uint64_t bytes = state.shape().bytes_per_token() * state.seq_len();
    if (index_.outlook(tokens.size(), bytes) != StoreOutcome::stored)
        return index_.store(tokens, bytes, [](uint32_t) {});
    return store_snapshot(tokens, state.snapshot());
}

StoreOutcome SnapshotCache::store_snapshot(Tokens tokens, KvSnapshot snapshot) {
    check_store(tokens, snapshot.seq_len(), snapshot.shape());
    // Before anything changes: a new slot is at most the number of entries.
    if (data_.size() <= len()) data_.resize(len() + 1);
    StoreOutcome outcome =
        index_.store(tokens, snapshot.bytes(), [this](uint32_t victim) { data_[victim] = Data{}; });
    uint32_t slot = index_.last_slot();
    if (slot == index_.kNoSlot) return outcome;
    shape_ = snapshot.shape();
    data_[slot] = {std::move(snapshot), ++generation_};
    return outcome;
}

bool SnapshotCache::is_valid(const SnapshotHandle& handle) const {
    return index_.holds(handle.slot) && data_[handle.slot].generation == handle.generation;
}

uint32_t SnapshotCache::checked(const SnapshotHandle& handle) const {
    if (!is_valid(handle)) throw_input("snapshots: stale handle: the snapshot was evicted, replaced or cleared");
    return handle.slot;
}

void SnapshotCache::restore(const SnapshotHandle& handle, uint32_t tokens, KvBuffer& target) const {
    target.load(snapshot(handle), tokens);
}

void SnapshotCache::restore(const SnapshotHandle& handle, KvBuffer& target) const {
    const KvSnapshot& from = snapshot(handle);
    target.load(from, from.seq_len());
}

void SnapshotCache::unpin(const SnapshotHandle& handle) {
    if (!index_.unpin(checked(handle))) throw_input("snapshots: unpin of an entry that is not pinned");
}

void SnapshotCache::clear() {
    index_.clear();
    data_.clear();
    shape_ = {};
    prompt_tokens_ = reused_tokens_ = 0;
}

void SnapshotCache::check_invariants() const {
    index_.check_invariants();
    uint64_t bytes = 0, held = 0;
    for (uint32_t slot = 0; slot < data_.size(); ++slot) {
        const KvSnapshot& s = data_[slot].snapshot;
        held += s.seq_len() > 0;
        bytes += s.bytes();
        if (!index_.holds(slot)) continue;
        if (s.seq_len() != index_.key_tokens(slot)) throw_failed("snapshots: a snapshot as long as no key");
        if (s.bytes() != index_.cost(slot)) throw_failed("snapshots: a snapshot that costs other than its bytes");
        if (!(s.shape() == shape_)) throw_failed("snapshots: a snapshot of another shape");
    }
    if (held != len() || bytes != memory_usage()) throw_failed("snapshots: buffers do not add up");
    if (shared_bytes() > memory_usage()) throw_failed("snapshots: sharing costs more than copies");
}

}  // namespace kvsim
